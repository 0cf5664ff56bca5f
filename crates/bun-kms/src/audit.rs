//! The audit log: one JSON line for every operation, on disk before the operation is answered. Lines are
//! chained: each carries the hash of the one before it and its own. Files are `kms-audit.jsonl` (the newest)
//! and `kms-audit.000001.jsonl` and on (full ones, the oldest first).

mod committer;
mod file;
mod line;
mod open;
mod read;
mod scan;
mod verify;

pub(crate) use committer::{Audit, AuditOptions};
pub(crate) use line::{By, Event, Operation, ResourceKind};
pub(crate) use read::{Entry, PageAt};
pub use verify::AuditReport;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The newest file.
const NEWEST: &str = "kms-audit.jsonl";
/// A newest file that does not have its name yet.
const UNNAMED: &str = "kms-audit.new";
/// What stands before the first line.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The last line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// Number of its file.
    pub(crate) file: u32,
    /// Number of the line, counted through all files.
    pub(crate) seq: u64,
    /// Its hash.
    pub(crate) hash: String,
}

/// The audit log cannot be opened, written or read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuditError {
    /// A file cannot be read or written.
    #[error("cannot {what} {path}")]
    Io {
        /// What was to be done.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// The file is not the one that was opened, or was changed by somebody else.
    #[error("{path} was moved, replaced or changed: put it back as it was")]
    Replaced {
        /// Which file.
        path: PathBuf,
    },
    /// It was not certain that lines reached the disk.
    #[error("{path} could not be synced to disk: look at the disk, then restart")]
    Unsynced {
        /// Which file.
        path: PathBuf,
    },
    /// A line is not what was written.
    #[error(
        "{path} was changed or is damaged at line {line}: {reason}. Restore it from a copy; or move every \
         kms-audit*.jsonl away and keep them: a new log begins and says in its first line that this one ended"
    )]
    Broken {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// Lines that were there are missing at the end.
    #[error(
        "{path} ends before line {seq} of the log, which was there: it was cut back. Restore it from a copy; \
         or move every kms-audit*.jsonl away and keep them: a new log begins and says so in its first line"
    )]
    CutBack {
        /// Which file.
        path: PathBuf,
        /// The line that is missing, counted through all files.
        seq: u64,
    },
    /// A file in the middle is missing.
    #[error("{path} is missing between other files of the log: put it back")]
    FileMissing {
        /// Which file.
        path: PathBuf,
    },
    /// Too many operations wait.
    #[error("too many operations wait for the audit log")]
    Busy,
    /// The log was closed.
    #[error("the audit log is closed")]
    Closed,
}

impl AuditError {
    /// For `map_err`.
    fn io<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io { what, path: path.to_owned(), source: Arc::new(source) }
    }
}

/// The name of a full file.
fn full_name(number: u32) -> String {
    format!("kms-audit.{number:06}.jsonl")
}

/// The numbers of the full files in a directory, in order.
fn full_files(directory: &Path) -> Result<Vec<u32>, AuditError> {
    let mut numbers = Vec::new();
    for entry in directory.read_dir().map_err(AuditError::io("list", directory))? {
        let name = entry.map_err(AuditError::io("list", directory))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("kms-audit."));
        let number = number.and_then(|rest| rest.strip_suffix(".jsonl"));
        numbers.extend(number.and_then(|number| number.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Makes the names in a directory durable.
fn sync_directory(directory: &Path) -> Result<(), AuditError> {
    let synced = std::fs::File::open(directory).and_then(|opened| opened.sync_all());
    synced.map_err(AuditError::io("sync", directory))
}
