//! The files with the bytes of objects: `<2 hex>/<32 hex>`, named at random, and `tmp/` for those that are
//! being written. A file is in place, with its directory entry, before anybody names it in the table.

use crate::error::StorageError;
use std::collections::HashSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::fs::File;
use tokio::io::{AsyncWriteExt as _, BufWriter};

const TEMPORARY: &str = "tmp";
const ID_BYTES: usize = 16;
/// Directories that files are spread over.
const SHARDS: usize = 256;
/// What is gathered of an upload before it is written.
const WRITE_BUFFER_BYTES: usize = 128 * 1024;

/// The name of a file: 32 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct FileId(String);

impl FileId {
    fn generate() -> Result<Self, StorageError> {
        let mut bytes = [0_u8; ID_BYTES];
        getrandom::fill(&mut bytes).map_err(|_| StorageError::NoRandomness)?;
        Ok(Self(hex::encode(bytes)))
    }

    /// Takes a text that is the name of a file here.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let valid =
            text.len() == ID_BYTES * 2 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        valid.then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The directory.
#[derive(Debug)]
pub(crate) struct Files {
    root: PathBuf,
    /// Files that are in place, or about to be, and not yet in the table: not orphans.
    unnamed: Mutex<HashSet<FileId>>,
}

impl Files {
    /// Makes what is missing, and removes what earlier uploads left unfinished.
    pub(crate) async fn open(root: PathBuf) -> Result<Arc<Self>, StorageError> {
        let failed = |path: &Path, source| StorageError::Directory { path: path.to_owned(), source };
        let prepare = {
            let root = root.clone();
            move || prepare(&root).map_err(|source| failed(&root, source))
        };
        blocking(prepare).await??;
        Ok(Arc::new(Self { root, unnamed: Mutex::default() }))
    }

    fn path(&self, id: &FileId) -> PathBuf {
        self.root.join(&id.0[..2]).join(&id.0)
    }

    /// A new file to write to.
    pub(crate) async fn create(self: &Arc<Self>) -> Result<NewFile, StorageError> {
        let id = FileId::generate()?;
        let path = self.root.join(TEMPORARY).join(&id.0);
        let mut options = File::options();
        options.write(true).create_new(true).mode(0o600);
        let file = options.open(&path).await.map_err(StorageError::writing)?;
        let leftover = Leftover { path, armed: true };
        Ok(NewFile { id, leftover, file: BufWriter::with_capacity(WRITE_BUFFER_BYTES, file) })
    }

    /// Puts a file that is on disk in its place. Until the answer is dropped it is no orphan.
    pub(crate) async fn place(self: &Arc<Self>, written: WrittenFile) -> Result<PlacedFile, StorageError> {
        let WrittenFile { id, mut leftover } = written;
        self.lock().insert(id.clone());
        let placed = PlacedFile { files: self.clone(), id };
        let path = self.path(&placed.id);
        let move_it = move || {
            std::fs::rename(&leftover.path, &path)?;
            leftover.armed = false;
            sync_directory(path.parent().unwrap_or(&path))
        };
        blocking(move_it).await?.map_err(StorageError::writing)?;
        Ok(placed)
    }

    /// Opens a file; `None` where there is none.
    pub(crate) async fn read(&self, id: &FileId) -> Result<Option<File>, StorageError> {
        match File::open(self.path(id)).await {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StorageError::File(error)),
        }
    }

    /// Removes a file that nobody names any more. One that cannot be removed is an orphan, for the next start.
    pub(crate) async fn remove(&self, id: &FileId) {
        match tokio::fs::remove_file(self.path(id)).await {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(file = %id, %error, "a file of no object could not be removed"),
        }
    }

    /// The names of all shards.
    pub(crate) fn shards() -> impl Iterator<Item = String> {
        (0..SHARDS).map(|shard| format!("{shard:02x}"))
    }

    /// The files of a shard that were finished: those that no object names are orphans. What is about to be
    /// named is not among them; ask the table after this.
    pub(crate) async fn finished(&self, shard: &str) -> Result<Vec<FileId>, StorageError> {
        let directory = self.root.join(shard);
        let names = move || {
            let entries = std::fs::read_dir(directory)?;
            let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
            names.collect::<io::Result<Vec<_>>>()
        };
        let names = blocking(names).await?.map_err(StorageError::File)?;
        let mut files: Vec<_> =
            names.iter().filter_map(|name| name.to_str().and_then(FileId::parse)).collect();
        let unnamed = self.lock();
        files.retain(|id| !unnamed.contains(id));
        Ok(files)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<FileId>> {
        self.unnamed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file in `tmp`, removed when it is dropped.
struct Leftover {
    path: PathBuf,
    armed: bool,
}

impl Drop for Leftover {
    fn drop(&mut self) {
        if self.armed {
            // What stays behind is removed at the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A file that is being written; dropped, it leaves nothing.
pub(crate) struct NewFile {
    id: FileId,
    leftover: Leftover,
    file: BufWriter<File>,
}

impl NewFile {
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.file.write_all(bytes).await.map_err(StorageError::writing)
    }

    /// Returns when all of it is on disk.
    pub(crate) async fn finish(mut self) -> Result<WrittenFile, StorageError> {
        self.file.flush().await.map_err(StorageError::writing)?;
        self.file.get_ref().sync_all().await.map_err(StorageError::writing)?;
        Ok(WrittenFile { id: self.id, leftover: self.leftover })
    }
}

/// A file that is on disk, not yet in its place; dropped, it leaves nothing.
pub(crate) struct WrittenFile {
    id: FileId,
    leftover: Leftover,
}

/// A file in its place, to be named in the table.
pub(crate) struct PlacedFile {
    files: Arc<Files>,
    pub(crate) id: FileId,
}

impl Drop for PlacedFile {
    fn drop(&mut self) {
        self.files.lock().remove(&self.id);
    }
}

fn prepare(root: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    for shard in Files::shards() {
        builder.create(root.join(shard))?;
    }
    let temporary = root.join(TEMPORARY);
    builder.create(&temporary)?;
    for entry in std::fs::read_dir(&temporary)? {
        std::fs::remove_file(entry?.path())?;
    }
    sync_directory(root)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    std::fs::File::open(path)?.sync_all()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StorageError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| StorageError::File(io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &Path) -> usize {
        std::fs::read_dir(path).unwrap().count()
    }

    #[tokio::test]
    async fn a_file_that_is_not_finished_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files::open(directory.path().to_owned()).await.unwrap();
        let temporary = directory.path().join(TEMPORARY);
        let mut file = files.create().await.unwrap();
        file.write(b"abc").await.unwrap();
        assert_eq!(count(&temporary), 1);
        let written = file.finish().await.unwrap();
        drop(written);
        assert_eq!(count(&temporary), 0);
        std::fs::write(temporary.join("left"), b"x").unwrap();
        Files::open(directory.path().to_owned()).await.unwrap();
        assert_eq!(count(&temporary), 0);
    }

    #[tokio::test]
    async fn a_placed_file_is_an_orphan_only_when_nobody_is_about_to_name_it() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files::open(directory.path().to_owned()).await.unwrap();
        let written = files.create().await.unwrap().finish().await.unwrap();
        let placed = files.place(written).await.unwrap();
        let (id, shard) = (placed.id.clone(), placed.id.as_str()[..2].to_owned());
        assert_eq!(files.finished(&shard).await.unwrap(), []);
        drop(placed);
        assert_eq!(files.finished(&shard).await.unwrap(), std::slice::from_ref(&id));
        assert!(files.read(&id).await.unwrap().is_some());
        files.remove(&id).await;
        assert!(files.read(&id).await.unwrap().is_none());
    }

    #[test]
    fn only_hex_is_the_name_of_a_file() {
        assert!(FileId::parse(&"a1".repeat(16)).is_some());
        for text in ["", "..", &"g1".repeat(16), &"a1".repeat(15), &format!("../{}", "a".repeat(29))] {
            assert!(FileId::parse(text).is_none(), "{text}");
        }
    }
}
