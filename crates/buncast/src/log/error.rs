//! What can go wrong with a topic's log. Clones, because one failure answers many publishers.

use ports::events::BusError;
use std::io;
use std::path::Path;
use std::sync::Arc;

#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum LogError {
    #[error(
        "the log file {path} is damaged at byte {position}, with whole events behind: restore the file from a \
         backup and restart, or remove the topic, which gives up its events"
    )]
    Damaged { path: String, position: u64 },
    #[error("{path} is no log file that this program knows: use a newer bunbase, or move the file away")]
    Unknown { path: String },
    #[error(
        "nothing more is written to the log in {path}, because the disk failed to keep an event: check the \
         disk and restart"
    )]
    Stopped {
        path: String,
        #[source]
        source: Arc<io::Error>,
    },
    #[error("the log in {path} cannot be read or written")]
    Io {
        path: String,
        #[source]
        source: Arc<io::Error>,
    },
    #[error("the disk is full")]
    DiskFull(#[source] Arc<io::Error>),
    #[error("the topic was removed")]
    Removed,
}

impl LogError {
    /// An error of the file system at `path`.
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        if is_full(&source) {
            Self::DiskFull(Arc::new(source))
        } else {
            Self::Io { path: path.display().to_string(), source: Arc::new(source) }
        }
    }

    pub(crate) fn stopped(path: &Path, source: io::Error) -> Self {
        Self::Stopped { path: path.display().to_string(), source: Arc::new(source) }
    }
}

/// Whether a write failed for want of room only.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl From<LogError> for BusError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::DiskFull(_) => Self::DiskFull,
            other => Self::Unavailable(Box::new(other)),
        }
    }
}
