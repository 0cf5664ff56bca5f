//! One file of a log: where it is, what it holds, and where in it to begin reading (a sparse index, which
//! grows as the file is written or read and is never stored).

use crate::log::block::{Blocks, FILE_HEAD_BYTES, Found, file_head, read_file_head};
use crate::log::error::LogError;
use crate::sync::locked;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Bytes between two entries of the index.
const INDEX_EVERY_BYTES: u64 = 64 << 10;
const SUFFIX: &str = ".log";

/// One file of a log.
#[derive(Debug)]
pub(crate) struct Segment {
    /// The number of its first event.
    pub(crate) first: u64,
    pub(crate) path: PathBuf,
    bytes: AtomicU64,
    newest_ms: AtomicI64,
    /// Numbers of events, and where their blocks stand.
    index: Mutex<Vec<(u64, u64)>>,
}

impl Segment {
    pub(crate) fn new(directory: &Path, first: u64, bytes: u64, newest_ms: i64) -> Self {
        Self {
            first,
            path: directory.join(format!("{first:020}{SUFFIX}")),
            bytes: AtomicU64::new(bytes),
            newest_ms: AtomicI64::new(newest_ms),
            index: Mutex::default(),
        }
    }

    /// The number of the first event of the file called `name`, if it is one of a log.
    pub(crate) fn first_of(name: &str) -> Option<u64> {
        let digits = name.strip_suffix(SUFFIX).filter(|digits| digits.len() == 20)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    }

    /// Bytes up to the end of the last block.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    /// When its newest event was published.
    pub(crate) fn newest_ms(&self) -> i64 {
        self.newest_ms.load(Ordering::Relaxed)
    }

    /// A block that ends at `bytes` was written.
    pub(crate) fn grown(&self, bytes: u64, newest_ms: i64) {
        self.newest_ms.store(newest_ms, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Release);
    }

    /// The block that begins with event `first` stands at `position`.
    pub(crate) fn note(&self, first: u64, position: u64) {
        let mut index = locked(&self.index);
        let last = index.last().map_or(FILE_HEAD_BYTES, |(_, position)| *position);
        if position >= last + INDEX_EVERY_BYTES {
            index.push((first, position));
        }
    }

    /// A block at or before event `offset`: its first event, and where it stands.
    pub(crate) fn begin(&self, offset: u64) -> (u64, u64) {
        let index = locked(&self.index);
        let after = index.partition_point(|(first, _)| *first <= offset);
        after.checked_sub(1).map_or((self.first, FILE_HEAD_BYTES), |at| index[at])
    }

    /// Makes the file, with nothing but its head.
    pub(crate) fn create(&self) -> Result<File, LogError> {
        let failed = |error| LogError::io(&self.path, error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(&self.path).map_err(failed)?;
        file.write_all_at(&file_head(self.first), 0).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        self.bytes.store(FILE_HEAD_BYTES, Ordering::Release);
        Ok(file)
    }

    /// Opens the newest file of a log, cuts a torn end off, and says which event comes next.
    pub(crate) fn recover(&self) -> Result<(File, u64), LogError> {
        let failed = |error| LogError::io(&self.path, error);
        let file = OpenOptions::new().read(true).write(true).open(&self.path).map_err(failed)?;
        let end = file.metadata().map_err(failed)?.len();
        if end < FILE_HEAD_BYTES {
            // The program ended while it made the file: nothing was written to it yet.
            return Ok((self.create()?, self.first));
        }
        self.check_head(&file)?;
        let mut blocks = Blocks::new(&file, FILE_HEAD_BYTES, end);
        let next = self.scan(&mut blocks)?;
        let valid = blocks.position();
        if valid < end {
            if blocks.whole_block_behind(next).map_err(failed)? {
                return Err(LogError::Damaged { path: self.path.display().to_string(), position: valid });
            }
            file.set_len(valid).map_err(failed)?;
            file.sync_all().map_err(failed)?;
            let path = self.path.display();
            tracing::warn!(%path, bytes = end - valid, next, "cut the torn end of a log, no answered event was in it");
        }
        self.bytes.store(valid, Ordering::Release);
        Ok((file, next))
    }

    pub(crate) fn check_head(&self, file: &File) -> Result<(), LogError> {
        let first = read_file_head(file).map_err(|error| LogError::io(&self.path, error))?;
        if first == Some(self.first) {
            Ok(())
        } else {
            Err(LogError::Unknown { path: self.path.display().to_string() })
        }
    }

    /// Reads whole blocks up to the end or to one that is not; says which event comes next.
    fn scan(&self, blocks: &mut Blocks<'_>) -> Result<u64, LogError> {
        let mut next = self.first;
        loop {
            let position = blocks.position();
            match blocks.next(next).map_err(|error| LogError::io(&self.path, error))? {
                Found::Block(block) => {
                    self.note(block.first, position);
                    next = block.first + block.count;
                    if let Some((published_ms, _)) = block.events().last() {
                        self.newest_ms.store(published_ms, Ordering::Relaxed);
                    }
                }
                Found::End | Found::Broken => return Ok(next),
            }
        }
    }
}
