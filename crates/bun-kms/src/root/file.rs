//! The file `root.key`: 64 hex digits, readable by its owner only, made at the first start. It is never
//! made where a database waits for the one that is missing.

use crate::crypto::Key32;
use crate::error::KmsError;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Its name in the data directory.
const NAME: &str = "root.key";
/// Bits of the mode that give others anything.
const OTHERS: u32 = 0o077;
/// More than a key and its line end: what is longer is no key.
const LEN_MAX: u64 = 100;

/// Reads the key. `sealed` is the database that was sealed with it, if there is one; without one a missing
/// file is made.
pub(super) fn load(data_dir: &Path, sealed: Option<&Path>) -> Result<Key32, KmsError> {
    let path = data_dir.join(NAME);
    match (File::open(&path), sealed) {
        (Ok(file), _) => read(file, path),
        (Err(error), Some(database)) if error.kind() == ErrorKind::NotFound => {
            Err(KmsError::RootKeyFileMissing { path, database: database.to_owned() })
        }
        (Err(error), None) if error.kind() == ErrorKind::NotFound => create(data_dir, path),
        (Err(source), _) => Err(KmsError::RootKeyFile { path, source }),
    }
}

fn read(file: File, path: PathBuf) -> Result<Key32, KmsError> {
    let mut text = Zeroizing::new(String::with_capacity(LEN_MAX as usize));
    let mode = match file.metadata() {
        Ok(metadata) => metadata.mode() & 0o777,
        Err(source) => return Err(KmsError::RootKeyFile { path, source }),
    };
    if mode & OTHERS != 0 {
        return Err(KmsError::RootKeyFileOpen { path, mode });
    }
    match file.take(LEN_MAX).read_to_string(&mut text) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            return Err(KmsError::RootKeyFileForm { path });
        }
        Err(source) => return Err(KmsError::RootKeyFile { path, source }),
    }
    let bytes = hex::decode(text.trim_end()).map(Zeroizing::new).ok();
    bytes.and_then(|bytes| Key32::from_slice(&bytes)).ok_or(KmsError::RootKeyFileForm { path })
}

/// Makes the file whole before it has its name: a start that is cut off leaves no half key.
fn create(data_dir: &Path, path: PathBuf) -> Result<Key32, KmsError> {
    let key = Key32::generate()?;
    let written = write(data_dir, &path, &key);
    written.map(|()| key).map_err(|source| KmsError::RootKeyFile { path, source })
}

fn write(data_dir: &Path, path: &Path, key: &Key32) -> std::io::Result<()> {
    let unnamed = path.with_extension("key.new");
    match std::fs::remove_file(&unnamed) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut text = Zeroizing::new(hex::encode(key.expose()));
    text.push('\n');
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unnamed)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&unnamed, path)?;
    File::open(data_dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_file_is_made_once_and_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let made = load(directory.path(), None).unwrap();
        let path = directory.path().join(NAME);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let database = directory.path().join("kms.db");
        assert_eq!(load(directory.path(), Some(&database)).unwrap().expose(), made.expose());
    }

    #[test]
    fn a_missing_file_is_not_replaced_where_something_is_sealed_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("kms.db");
        let error = load(directory.path(), Some(&database)).err().unwrap();
        assert!(matches!(error, KmsError::RootKeyFileMissing { .. }), "{error}");
        assert!(!directory.path().join(NAME).exists());
    }

    #[test]
    fn a_file_that_others_can_read_or_that_holds_no_key_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        load(directory.path(), None).unwrap();
        let path = directory.path().join(NAME);
        for mode in [0o640, 0o604, 0o620] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = load(directory.path(), None).err().unwrap();
            assert!(matches!(error, KmsError::RootKeyFileOpen { mode: found, .. } if found == mode));
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        for text in [&b""[..], b"short", &[b'a'; 66], &[0xff; 64]] {
            std::fs::write(&path, text).unwrap();
            let error = load(directory.path(), None).err().unwrap();
            assert!(matches!(error, KmsError::RootKeyFileForm { .. }), "{error}");
        }
    }
}
