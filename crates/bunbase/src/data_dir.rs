//! The data directory: one process at a time, a format number, the instance token, and where each store
//! has its files.

use secrecy::{ExposeSecret, SecretString};
use service_kit::secret::{self, TokenHash};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The format of the directory as a whole; raised when an older program could not read it any more.
const FORMAT: u32 = 1;
/// How long a lock that somebody has is tried again, and how often.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// The data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataDirError {
    /// Another server has it.
    #[error(
        "the data directory {path} is in use by another bunbase: stop it, or choose another with --data-dir"
    )]
    Locked {
        /// Which directory.
        path: String,
    },
    /// A newer program wrote it.
    #[error(
        "the data directory {path} has format {found}, this program knows up to {FORMAT}: use a newer bunbase"
    )]
    Newer {
        /// Which directory.
        path: String,
        /// Its format.
        found: u32,
    },
    /// The format file is not a number.
    #[error("{path} is not a bunbase data directory: its FORMAT file is damaged")]
    Unknown {
        /// Which directory.
        path: String,
    },
    /// It cannot be read or written.
    #[error("the data directory {path} cannot be used")]
    Io {
        /// Which path.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No randomness for the instance token.
    #[error(transparent)]
    Randomness(#[from] secret::NoRandomness),
}

/// An open data directory; the lock is held until it is dropped.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// A process that has just begun has the lock of the server that began it, for a moment also after that one was killed.
fn locked(lock: &File) -> Result<(), TryLockError> {
    let begun = Instant::now();
    loop {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_PATIENCE => sleep(LOCK_PAUSE),
            tried => return tried,
        }
    }
}

impl DataDir {
    /// Opens the directory, making it (0700) where it is missing.
    ///
    /// # Errors
    /// It is in use, newer than this program, or not writable.
    pub(crate) fn open(path: &Path) -> Result<Self, DataDirError> {
        let io = |path: &Path| {
            let path = path.display().to_string();
            move |source| DataDirError::Io { path, source }
        };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io(path))?;
        let path = path.canonicalize().map_err(io(path))?;
        let lock_path = path.join("LOCK");
        let lock = private(&lock_path).map_err(io(&lock_path))?;
        match locked(&lock) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DataDirError::Locked { path: path.display().to_string() });
            }
            Err(TryLockError::Error(error)) => return Err(io(&lock_path)(error)),
        }
        check_format(&path)?;
        Ok(Self { path, _lock: lock })
    }

    /// Whether a server runs on the directory.
    pub(crate) fn is_in_use(path: &Path) -> bool {
        let lock = File::open(path.join("LOCK")).map(|lock| lock.try_lock());
        matches!(lock, Ok(Err(TryLockError::WouldBlock)))
    }

    /// The token that opens the operators' pages from elsewhere than loopback; made at the first start.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub(crate) fn instance_token(&self) -> Result<SecretString, DataDirError> {
        let path = self.path.join("instance_token");
        let failed = |source| DataDirError::Io { path: path.display().to_string(), source };
        match std::fs::read_to_string(&path) {
            Ok(text) if !text.trim().is_empty() => return Ok(SecretString::from(text.trim())),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let token = secret::generate("it_")?;
        let mut file = private(&path).map_err(failed)?;
        file.write_all(token.expose_secret().as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        Ok(token)
    }

    /// A name that no other data directory has; it tells nothing of the token.
    ///
    /// # Errors
    /// As `instance_token`.
    pub(crate) fn installation(&self) -> Result<String, DataDirError> {
        let hash = TokenHash::of(&self.instance_token()?);
        Ok(hash.as_bytes()[..16].iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// A path inside.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)
}

fn check_format(path: &Path) -> Result<(), DataDirError> {
    let file = path.join("FORMAT");
    let shown = || path.display().to_string();
    match std::fs::read_to_string(&file) {
        Ok(text) => match text.trim().parse::<u32>() {
            Ok(found) if found > FORMAT => Err(DataDirError::Newer { path: shown(), found }),
            Ok(_) => Ok(()),
            Err(_) => Err(DataDirError::Unknown { path: shown() }),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::write(&file, format!("{FORMAT}\n"))
                .map_err(|source| DataDirError::Io { path: file.display().to_string(), source })
        }
        Err(source) => Err(DataDirError::Io { path: file.display().to_string(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_second_process_and_a_newer_format_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data");
        let held = DataDir::open(&path).unwrap();
        assert!(matches!(DataDir::open(&path), Err(DataDirError::Locked { .. })));
        drop(held);
        std::fs::write(path.join("FORMAT"), "2\n").unwrap();
        assert!(matches!(DataDir::open(&path), Err(DataDirError::Newer { found: 2, .. })));
        std::fs::write(path.join("FORMAT"), "x").unwrap();
        assert!(matches!(DataDir::open(&path), Err(DataDirError::Unknown { .. })));
    }

    #[test]
    fn the_instance_token_is_private_and_stays() {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDir::open(directory.path()).unwrap();
        let token = data.instance_token().unwrap();
        assert_eq!(data.instance_token().unwrap().expose_secret(), token.expose_secret());
        let mode = std::fs::metadata(data.join("instance_token")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
