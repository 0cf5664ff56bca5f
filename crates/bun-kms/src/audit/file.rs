//! The newest file of the log: adding lines, and going on in the next file when it is full.
//!
//! A batch of lines counts when it is synced. Before each batch the file has to be the one that was opened,
//! as long as it was left: a log that somebody moved, replaced or cut is not written past.

use super::line::{Chain, Event, Note};
use super::{AuditError, Head, NEWEST, UNNAMED, full_name, sync_directory};
use crate::metrics;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The newest file, open.
pub(super) struct LogFile {
    directory: PathBuf,
    path: PathBuf,
    file: File,
    number: u32,
    chain: Chain,
    /// Bytes of synced lines.
    len: u64,
    bytes_max: u64,
    /// A batch was not written whole: what stands after `len` is not part of the log.
    torn: bool,
    /// A sync failed: what the disk holds is not known.
    unsynced: bool,
}

/// Where a newest file stands when it is opened.
pub(super) struct OpenAt {
    pub(super) number: u32,
    pub(super) chain: Chain,
    pub(super) len: u64,
    pub(super) bytes_max: u64,
}

impl LogFile {
    /// Takes over a file that was checked.
    pub(super) fn open(directory: &Path, at: OpenAt) -> Result<Self, AuditError> {
        let path = directory.join(NEWEST);
        let file = OpenOptions::new().append(true).open(&path).map_err(AuditError::io("open", &path))?;
        let OpenAt { number, chain, len, bytes_max } = at;
        let directory = directory.to_owned();
        Ok(Self { directory, path, file, number, chain, len, bytes_max, torn: false, unsynced: false })
    }

    /// Makes the newest file, with a checkpoint as its first line.
    pub(super) fn create(directory: &Path, at: OpenAt, note: Note) -> Result<Self, AuditError> {
        let unnamed = Unnamed::write(directory, at, note)?;
        unnamed.give_name(directory)
    }

    /// The last line.
    pub(super) fn head(&self) -> Head {
        Head { file: self.number, seq: self.chain.seq, hash: self.chain.hash.clone() }
    }

    /// Bytes of whole lines.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The number of this file.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Adds the lines of a batch; they are on disk when this returns.
    pub(super) fn append(&mut self, events: &[Event]) -> Result<(), AuditError> {
        if self.len >= self.bytes_max {
            self.check()?;
            self.rotate()?;
        }
        let (mut chain, mut text) = (self.chain.clone(), Vec::with_capacity(events.len() * 512));
        for event in events {
            chain.operation(event, &mut text).map_err(|error| self.failed("write", error.into()))?;
        }
        self.commit(chain, &text, events.len())
    }

    /// Adds a line about the log itself.
    pub(super) fn note(&mut self, note: Note) -> Result<(), AuditError> {
        let (mut chain, mut text) = (self.chain.clone(), Vec::new());
        let number = self.number;
        chain.checkpoint(number, note, &mut text).map_err(|error| self.failed("write", error.into()))?;
        self.commit(chain, &text, 1)
    }

    /// Cuts the file to its whole lines.
    pub(super) fn cut(&mut self) -> Result<(), AuditError> {
        self.file.set_len(self.len).map_err(AuditError::io("cut", &self.path))?;
        self.sync()
    }

    fn commit(&mut self, chain: Chain, text: &[u8], lines: usize) -> Result<(), AuditError> {
        self.check()?;
        let began = Instant::now();
        if let Err(error) = self.file.write_all(text) {
            self.torn = true;
            return Err(self.failed("write", error));
        }
        self.sync()?;
        metrics::audit_sync(lines, began.elapsed());
        self.len += text.len() as u64;
        self.chain = chain;
        Ok(())
    }

    /// After a sync failed, a later one may succeed without the lines being on disk (the kernel reports
    /// the failure once), so that only a restart, which reads the file, says what is there.
    fn sync(&mut self) -> Result<(), AuditError> {
        self.file.sync_data().map_err(|error| {
            self.unsynced = true;
            self.failed("sync", error)
        })
    }

    /// The file is the one that was opened, and nobody else wrote to it.
    fn check(&mut self) -> Result<(), AuditError> {
        if self.unsynced {
            return Err(AuditError::Unsynced { path: self.path.clone() });
        }
        let named = std::fs::metadata(&self.path).map_err(|error| self.failed("find", error))?;
        let open = self.file.metadata().map_err(|error| self.failed("read", error))?;
        let replaced = AuditError::Replaced { path: self.path.clone() };
        if (named.dev(), named.ino()) != (open.dev(), open.ino()) {
            return Err(replaced);
        }
        if self.torn && open.len() > self.len {
            self.cut()?;
        } else if open.len() != self.len {
            return Err(replaced);
        }
        self.torn = false;
        Ok(())
    }

    /// Gives the full file its number and goes on in the next one, which is whole before anything is
    /// renamed. A start that finds no newest file makes it again.
    fn rotate(&mut self) -> Result<(), AuditError> {
        let full = self.directory.join(full_name(self.number));
        if full.symlink_metadata().is_ok() {
            return Err(AuditError::io("write", &full)(ErrorKind::AlreadyExists.into()));
        }
        let chain = self.chain.clone();
        let at = OpenAt { number: self.number + 1, chain, len: 0, bytes_max: self.bytes_max };
        let next = Unnamed::write(&self.directory, at, Note::Continued)?;
        std::fs::rename(&self.path, &full).map_err(|error| self.failed("rename", error))?;
        match next.give_name(&self.directory) {
            Ok(next) => {
                *self = next;
                Ok(())
            }
            Err(error) => {
                if let Err(lost) = std::fs::rename(&full, &self.path) {
                    tracing::error!(error = %lost, path = %self.path.display(), "audit log has no newest file");
                }
                Err(error)
            }
        }
    }

    fn failed(&self, what: &'static str, source: std::io::Error) -> AuditError {
        AuditError::io(what, &self.path)(source)
    }
}

/// A file with its first line on disk, before it is the newest.
struct Unnamed {
    path: PathBuf,
    at: OpenAt,
}

impl Unnamed {
    fn write(directory: &Path, mut at: OpenAt, note: Note) -> Result<Self, AuditError> {
        let path = directory.join(UNNAMED);
        let failed = |error| AuditError::io("write", &path)(error);
        let mut text = Vec::new();
        at.chain.checkpoint(at.number, note, &mut text).map_err(|error| failed(error.into()))?;
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&path).map_err(failed)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed)?;
        at.len = text.len() as u64;
        Ok(Self { path, at })
    }

    fn give_name(self, directory: &Path) -> Result<LogFile, AuditError> {
        let newest = directory.join(NEWEST);
        std::fs::rename(&self.path, &newest).map_err(AuditError::io("rename", &self.path))?;
        sync_directory(directory)?;
        LogFile::open(directory, self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::{By, Operation};
    use super::*;
    use service_kit::ids::ProjectId;

    fn event() -> Event {
        let project = ProjectId::generate();
        Event { project, by: By::service(), operation: Operation::Seal, resource: None, outcome: "ok" }
    }

    fn begin(directory: &Path) -> LogFile {
        let at = OpenAt { number: 1, chain: Chain::new(), len: 0, bytes_max: 1 << 20 };
        LogFile::create(directory, at, Note::Began).unwrap()
    }

    #[test]
    fn a_full_disk_fails_the_batch_and_counts_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = begin(directory.path());
        log.path = "/dev/full".into();
        log.file = OpenOptions::new().append(true).open(&log.path).unwrap();
        log.len = 0;
        let before = log.head();
        let Err(AuditError::Io { source, .. }) = log.append(&[event()]) else { panic!("the disk is full") };
        assert_eq!(source.kind(), ErrorKind::StorageFull);
        assert_eq!(log.head(), before);
    }

    #[test]
    fn what_a_failed_write_left_is_cut_and_the_chain_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = begin(directory.path());
        log.append(&[event()]).unwrap();
        log.file.write_all(b"{\"seq\":3,\"ti").unwrap();
        assert!(matches!(log.append(&[event()]), Err(AuditError::Replaced { .. })));
        log.torn = true;
        log.append(&[event(), event()]).unwrap();
        let scanned = super::super::scan::scan(&log.path, u64::MAX, Some(&log.head())).unwrap();
        assert_eq!((scanned.lines, scanned.torn_len, scanned.end.seq), (4, 0, 4));
    }

    #[test]
    fn after_a_failed_sync_nothing_is_written_until_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = begin(directory.path());
        log.unsynced = true;
        assert!(matches!(log.append(&[event()]), Err(AuditError::Unsynced { .. })));
    }
}
