//! A log that is open: one writer, any number of readers. An event counts as written when its block was
//! synced; until then no reader sees it.

use crate::log::Retention;
use crate::log::block::{self, FILE_HEAD_BYTES};
use crate::log::error::{LogError, is_full};
use crate::log::segment::Segment;
use crate::moment::epoch_ms;
use crate::run::Draft;
use crate::sync::locked;
use service_kit::clock::now_ms;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// A file is closed when it holds this part of what the log may hold, so that there is something to remove.
const SEGMENTS_KEPT: u64 = 4;
/// The smallest size at which a file is closed for that reason.
const SEGMENT_BYTES_MIN: u64 = 64 << 10;

/// What readers see: the files, and the event that comes next.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) next: u64,
    removed: bool,
}

/// A log that is open.
#[derive(Debug)]
pub(crate) struct OpenLog {
    directory: PathBuf,
    segment_bytes_max: u64,
    writer: Mutex<Writer>,
    view: Mutex<View>,
}

#[derive(Debug)]
struct Writer {
    segment: Arc<Segment>,
    file: File,
    /// When the first event of the file was published.
    began_ms: Option<i64>,
    next: u64,
    stopped: Option<LogError>,
    buffer: Vec<u8>,
}

/// What a log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogSize {
    pub(crate) first: u64,
    pub(crate) next: u64,
    pub(crate) bytes: u64,
}

impl OpenLog {
    /// Opens the log in `directory`, making it where there is none.
    pub(crate) fn open(directory: &Path, segment_bytes_max: u64) -> Result<Self, LogError> {
        let failed = |error| LogError::io(directory, error);
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        let mut segments = segments(directory)?;
        let (file, next) = match segments.last() {
            Some(newest) => newest.recover()?,
            None => {
                let segment = Segment::new(directory, 0, FILE_HEAD_BYTES, now_ms());
                let file = segment.create()?;
                segments.push(Arc::new(segment));
                sync_parents(directory)?;
                (file, 0)
            }
        };
        let segment = segments[segments.len() - 1].clone();
        let began_ms = (next > segment.first).then(|| segment.newest_ms());
        let writer = Writer { segment, file, began_ms, next, stopped: None, buffer: Vec::new() };
        Ok(Self {
            directory: directory.to_owned(),
            segment_bytes_max,
            writer: Mutex::new(writer),
            view: Mutex::new(View { segments, next, removed: false }),
        })
    }

    /// What readers see now.
    pub(crate) fn view(&self) -> Result<View, LogError> {
        let view = locked(&self.view);
        if view.removed { Err(LogError::Removed) } else { Ok(view.clone()) }
    }

    pub(crate) fn oldest(&self) -> Result<u64, LogError> {
        let view = self.view()?;
        Ok(view.segments.first().map_or(view.next, |segment| segment.first))
    }

    /// The event that comes next for readers.
    pub(crate) fn next(&self) -> u64 {
        locked(&self.view).next
    }

    /// Lets readers see the events before `next`.
    pub(crate) fn advance(&self, next: u64) {
        locked(&self.view).next = next;
    }

    pub(crate) fn size(&self) -> LogSize {
        let view = locked(&self.view);
        let bytes = view.segments.iter().map(|segment| segment.bytes()).sum();
        let first = view.segments.first().map_or(view.next, |segment| segment.first);
        LogSize { first, next: view.next, bytes }
    }

    /// Writes one block and syncs it; says the number of its first event. Blocks.
    pub(crate) fn append(&self, drafts: &[Draft], retention: Retention) -> Result<u64, LogError> {
        let mut writer = locked(&self.writer);
        if let Some(stopped) = &writer.stopped {
            return Err(stopped.clone());
        }
        self.roll_if_due(&mut writer, retention)?;
        let first = writer.next;
        let mut buffer = std::mem::take(&mut writer.buffer);
        block::encode(drafts, first, &mut buffer);
        let written = writer.write(&buffer);
        writer.buffer = buffer;
        writer.buffer.shrink_to(2 << 20);
        written?;
        writer.next += drafts.iter().map(|draft| draft.len() as u64).sum::<u64>();
        let newest = drafts.last().map_or(SystemTime::UNIX_EPOCH, |draft| draft.published_at);
        writer.segment.note(first, writer.segment.bytes());
        writer.segment.grown(writer.segment.bytes() + writer.buffer.len() as u64, epoch_ms(newest));
        writer.began_ms.get_or_insert_with(|| epoch_ms(newest));
        Ok(first)
    }

    /// Begins a new file where the one that is written is large or old enough.
    fn roll_if_due(&self, writer: &mut Writer, retention: Retention) -> Result<(), LogError> {
        let share = (retention.bytes_max / SEGMENTS_KEPT).max(SEGMENT_BYTES_MIN);
        let full = writer.segment.bytes() >= share.min(self.segment_bytes_max);
        let age_ms = writer.began_ms.map_or(0, |began_ms| now_ms() - began_ms);
        let old = age_ms > retention.age_ms() / SEGMENTS_KEPT as i64;
        if writer.next > writer.segment.first && (full || old) {
            self.roll(writer)?;
            if let Err(error) = self.trim(retention) {
                tracing::warn!(%error, "an old file of a log could not be removed");
            }
        }
        Ok(())
    }

    fn roll(&self, writer: &mut Writer) -> Result<(), LogError> {
        let segment = Arc::new(Segment::new(&self.directory, writer.next, FILE_HEAD_BYTES, now_ms()));
        let file = segment.create()?;
        sync_directory(&self.directory)?;
        locked(&self.view).segments.push(segment.clone());
        (writer.segment, writer.file, writer.began_ms) = (segment, file, None);
        Ok(())
    }

    /// Removes whole files that are too old or too many. Blocks.
    pub(crate) fn tend(&self, retention: Retention) -> Result<(), LogError> {
        let mut writer = locked(&self.writer);
        if writer.stopped.is_some() {
            return Ok(());
        }
        if writer.next > writer.segment.first && is_too_old(&writer.segment, retention) {
            self.roll(&mut writer)?;
        }
        self.trim(retention)
    }

    /// Removes files but the newest; called by whoever holds the writer.
    fn trim(&self, retention: Retention) -> Result<(), LogError> {
        loop {
            let view = self.view()?;
            let bytes: u64 = view.segments.iter().map(|segment| segment.bytes()).sum();
            let Some(oldest) = view.segments.first().filter(|_| view.segments.len() > 1) else {
                return Ok(());
            };
            if bytes <= retention.bytes_max && !is_too_old(oldest, retention) {
                return Ok(());
            }
            locked(&self.view).segments.remove(0);
            std::fs::remove_file(&oldest.path).map_err(|error| LogError::io(&oldest.path, error))?;
        }
    }

    /// Ends writing and reading; the files may go after this. Blocks.
    pub(crate) fn close(&self) {
        locked(&self.writer).stopped = Some(LogError::Removed);
        locked(&self.view).removed = true;
    }
}

impl Writer {
    /// Appends a block to the file and syncs it. A full disk takes the block back and leaves the log as it
    /// was; after any other failure nobody knows what is on disk, and nothing more is written.
    fn write(&mut self, block: &[u8]) -> Result<(), LogError> {
        let end = self.segment.bytes();
        let Err(error) = self.file.write_all_at(block, end).and_then(|()| self.file.sync_data()) else {
            return Ok(());
        };
        if is_full(&error) && self.file.set_len(end).and_then(|()| self.file.sync_all()).is_ok() {
            return Err(LogError::DiskFull(Arc::new(error)));
        }
        let stopped = LogError::stopped(&self.segment.path, error);
        tracing::error!(error = %stopped, "a log stopped");
        self.stopped = Some(stopped.clone());
        Err(stopped)
    }
}

fn is_too_old(segment: &Segment, retention: Retention) -> bool {
    segment.newest_ms() < now_ms() - retention.age_ms()
}

fn segments(directory: &Path) -> Result<Vec<Arc<Segment>>, LogError> {
    let failed = |error| LogError::io(directory, error);
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Some(first) = entry.file_name().to_str().and_then(Segment::first_of) else { continue };
        let metadata = entry.metadata().map_err(failed)?;
        let newest = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        segments.push(Arc::new(Segment::new(directory, first, metadata.len(), epoch_ms(newest))));
    }
    segments.sort_by_key(|segment| segment.first);
    Ok(segments)
}

fn sync_directory(directory: &Path) -> Result<(), LogError> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|error| LogError::io(directory, error))
}

/// Syncs a new directory, the realm's above it, and the one of all logs.
fn sync_parents(directory: &Path) -> Result<(), LogError> {
    directory.ancestors().take(3).try_for_each(sync_directory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ports::events::Topic;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    const KEEP: Retention = Retention { age_seconds: 3_600, bytes_max: 1 << 30 };

    fn draft() -> Draft {
        Draft::one(&Topic::parse("a").unwrap(), b"event")
    }

    fn log_that_writes_to(directory: &Path, file: File) -> OpenLog {
        let log = OpenLog::open(directory, 1 << 20).unwrap();
        locked(&log.writer).file = file;
        log
    }

    #[test]
    fn a_failure_of_the_disk_ends_writing_and_not_reading() {
        let directory = tempfile::tempdir().unwrap();
        // A socket cannot be written at a place, nor synced.
        let (socket, _other) = UnixStream::pair().unwrap();
        let log = log_that_writes_to(directory.path(), File::from(OwnedFd::from(socket)));
        for _ in 0..2 {
            let error = log.append(&[draft()], KEEP).unwrap_err();
            assert!(matches!(error, LogError::Stopped { .. }), "{error:?}");
            assert!(error.to_string().contains("check the disk"));
        }
        assert_eq!(log.view().unwrap().next, 0);
    }
}
