//! The directory of a store: `lock` (held while it is open), `FORMAT` (which version wrote it), `durable`
//! (the side record of the last durable commit), `epoch` (a random id,
//! made with the directory: whoever restores a copy of a store removes it), `cut/` (bytes that were cut from a torn
//! journal), `store/` (fjall's), and `creating` until that is made in whole and on the disk.

use crate::error::EngineError;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

/// The format that this program writes and reads. Format 2 and those before it, of which no release wrote
/// any, have other bytes for numbers and empty arrays in the keys of indexes: they are refused.
const FORMAT: u32 = 3;

/// An open directory; the lock is held until this is dropped.
pub(crate) struct Home {
    path: PathBuf,
    _lock: File,
}

fn storage(error: std::io::Error) -> EngineError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => EngineError::DiskFull,
        _ => EngineError::Storage(Box::new(error)),
    }
}

impl Home {
    /// Creates or opens the directory.
    pub(crate) fn open(path: &Path) -> Result<Self, EngineError> {
        std::fs::create_dir_all(path).map_err(storage)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path.join("lock"));
        let lock = lock.map_err(storage)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(EngineError::Locked { path: path.display().to_string() });
            }
            Err(std::fs::TryLockError::Error(error)) => return Err(storage(error)),
        }
        let home = Self { path: path.to_owned(), _lock: lock };
        home.check_format()?;
        Ok(home)
    }

    /// fjall's directory.
    pub(crate) fn store(&self) -> PathBuf {
        self.path.join("store")
    }

    /// Gets the place ready for fjall. Where making its directory was interrupted, what is there is removed: fjall
    /// takes no directory that it made in part, and no write was answered from it.
    pub(crate) fn prepare_store(&self) -> Result<(), EngineError> {
        let (store, creating) = (self.store(), self.creating());
        let there = |path: &Path| path.try_exists().map_err(storage);
        if there(&store)? && !there(&creating)? {
            return Ok(());
        }
        let (_, promised) = self.side_record()?;
        if promised > 0 {
            return Err(EngineError::Damaged(format!(
                "{} is missing or made in part, but commit {promised} was written: restore the store from a copy",
                store.display()
            )));
        }
        write_durably(&creating, b"")?;
        match std::fs::remove_dir_all(&store) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(storage(error)),
            _ => Ok(()),
        }
    }

    /// Syncs the directories that fjall makes without syncing the one that they are in, so that a power loss
    /// cannot take what is written from now on together with its directory.
    pub(crate) fn finish_store(&self) -> Result<(), EngineError> {
        for directory in [&self.store().join("keyspaces"), &self.store(), &self.path] {
            sync_directory(directory)?;
        }
        match std::fs::remove_file(self.creating()) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(storage(error)),
            Ok(()) => sync_directory(&self.path),
        }
    }

    fn creating(&self) -> PathBuf {
        self.path.join("creating")
    }

    /// Where cut bytes are kept.
    pub(crate) fn cut(&self) -> PathBuf {
        self.path.join("cut")
    }

    fn check_format(&self) -> Result<(), EngineError> {
        let file = self.path.join("FORMAT");
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound && !self.store().exists() => {
                if let Some(parent) = self.path.parent().filter(|parent| parent.is_dir()) {
                    sync_directory(parent)?;
                }
                return write_durably(&file, format!("bundoc {FORMAT}\n").as_bytes());
            }
            Err(error) => return Err(storage(error)),
        };
        let found = text.trim().strip_prefix("bundoc ").and_then(|number| number.parse::<u32>().ok());
        match found {
            Some(FORMAT) => Ok(()),
            Some(found) if found < FORMAT => {
                let path = self.path.display().to_string();
                Err(EngineError::OlderFormat { path, found, oldest: FORMAT })
            }
            Some(found) => {
                Err(EngineError::NewerFormat { path: self.path.display().to_string(), found, known: FORMAT })
            }
            None => Err(EngineError::Damaged(format!(
                "{} does not name a format: restore the store from a copy",
                file.display()
            ))),
        }
    }

    /// The random id of the store, made where there is none.
    pub(crate) fn epoch(&self) -> Result<String, EngineError> {
        match std::fs::read_to_string(self.path.join("epoch")) {
            Ok(text) if is_epoch(text.trim()) => Ok(text.trim().to_owned()),
            Ok(_) => self.new_epoch(),
            Err(error) if error.kind() == ErrorKind::NotFound => self.new_epoch(),
            Err(error) => Err(storage(error)),
        }
    }

    /// Another id: positions in the change feed that were given out before mean nothing any more.
    pub(crate) fn new_epoch(&self) -> Result<String, EngineError> {
        let epoch = uuid::Uuid::now_v7().simple().to_string();
        write_durably(&self.path.join("epoch"), format!("{epoch}\n").as_bytes())?;
        Ok(epoch)
    }

    /// Opens the side record; the second value is the commit number in it, zero where it has none.
    pub(crate) fn side_record(&self) -> Result<(SideRecord, u64), EngineError> {
        let path = self.path.join("durable");
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path);
        SideRecord::read(file.map_err(storage)?)
    }
}

fn is_epoch(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Writes a file in whole or not at all, and syncs it and its directory.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), EngineError> {
    let unfinished = path.with_extension("unfinished");
    let mut file = File::create(&unfinished).map_err(storage)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(storage)?;
    std::fs::rename(&unfinished, path).map_err(storage)?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// Makes the names in a directory durable.
fn sync_directory(path: &Path) -> Result<(), EngineError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(storage)
}

/// The number of the last durable commit, written after the journal's fsync and never synced itself: where
/// it is ahead of what was recovered, commits were lost.
pub(crate) struct SideRecord {
    file: File,
    failed: bool,
}

impl SideRecord {
    fn read(file: File) -> Result<(Self, u64), EngineError> {
        let mut bytes = Vec::new();
        (&file).take(16).read_to_end(&mut bytes).map_err(storage)?;
        let number = match bytes.split_first_chunk::<8>() {
            Some((number, checksum)) if *checksum == xxh3_64(number).to_be_bytes() => {
                u64::from_be_bytes(*number)
            }
            _ => 0,
        };
        Ok((Self { file, failed: false }, number))
    }

    /// Notes a commit. A failure costs only the proof of a later loss, and is logged once.
    pub(crate) fn write(&mut self, number: u64) {
        let number = number.to_be_bytes();
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number);
        bytes[8..].copy_from_slice(&xxh3_64(&number).to_be_bytes());
        if let Err(error) = self.file.write_all_at(&bytes, 0) {
            if !self.failed {
                tracing::warn!(%error, "the side record of the last commit could not be written");
            }
            self.failed = true;
        }
    }
}
