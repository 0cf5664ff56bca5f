//! The log of one durable topic. Publishers hand their events in; whoever finds nobody writing starts a
//! task that writes what waits in one block with one fsync, and again until nothing waits (group commit).
//!
//! What must hold: an event is answered, and seen by subscribers, after its block was synced; numbers have
//! no gaps; the name of a topic never becomes the name of a file.

mod block;
mod error;
mod open;
mod reader;
mod segment;
#[cfg(test)]
mod tests;

pub(crate) use error::LogError;
pub(crate) use open::{LogSize, OpenLog};
pub(crate) use reader::{Read, Reader};

use crate::run::Draft;
use crate::sync::locked;
use ports::events::{BusError, Realm, Topic};
use sha2::{Digest as _, Sha256};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::sync::{OnceCell, oneshot};

/// Bytes of events in one block, unless one event has more.
const COMMIT_BYTES: usize = 1 << 20;

/// How long a log keeps events, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Seconds that an event is kept.
    pub age_seconds: u64,
    /// Bytes of files that are kept.
    pub bytes_max: u64,
}

impl Retention {
    fn age_ms(&self) -> i64 {
        i64::try_from(self.age_seconds.saturating_mul(1_000)).unwrap_or(i64::MAX)
    }
}

/// Where logs are, and their bounds.
#[derive(Debug, Clone)]
pub(crate) struct LogOptions {
    pub(crate) directory: PathBuf,
    pub(crate) segment_bytes: u64,
    pub(crate) pending_bytes_max: usize,
}

/// The answer to one publisher.
pub(crate) type Answer = oneshot::Receiver<Result<u64, BusError>>;

/// The log of one durable topic; opened when it is first needed.
#[derive(Debug)]
pub(crate) struct TopicLog {
    directory: PathBuf,
    options: LogOptions,
    retention: Mutex<Retention>,
    opened: OnceCell<Result<Arc<OpenLog>, LogError>>,
    pending: Mutex<Pending>,
}

#[derive(Debug, Default)]
struct Pending {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// Whether a task writes what waits.
    committing: bool,
    removed: bool,
}

/// Events that wait to be written.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) draft: Draft,
    pub(crate) answer: oneshot::Sender<Result<u64, BusError>>,
}

/// What handing events in came to.
pub(crate) enum Handed {
    /// Somebody writes already.
    Queued(Answer),
    /// The caller has to start the task that writes.
    First(Answer),
}

/// The directory of a realm's logs.
pub(crate) fn realm_directory(root: &Path, realm: &Realm) -> PathBuf {
    match realm {
        Realm::System => root.join("system"),
        Realm::Project(project) => root.join(project.as_str()),
    }
}

/// The directory of a topic's log: named by the topic's SHA-256, so that no name leaves the directory or
/// meets another.
pub(crate) fn topic_directory(root: &Path, realm: &Realm, topic: &Topic) -> PathBuf {
    realm_directory(root, realm).join(hex::encode(Sha256::digest(topic.as_str().as_bytes())))
}

impl TopicLog {
    pub(crate) fn new(options: &LogOptions, realm: &Realm, topic: &Topic, retention: Retention) -> Arc<Self> {
        Arc::new(Self {
            directory: topic_directory(&options.directory, realm, topic),
            options: options.clone(),
            retention: Mutex::new(retention),
            opened: OnceCell::new(),
            pending: Mutex::default(),
        })
    }

    pub(crate) fn retention(&self) -> Retention {
        *locked(&self.retention)
    }

    pub(crate) fn keep(&self, retention: Retention) {
        *locked(&self.retention) = retention;
    }

    /// The log, opened. One that could not be opened stays so until a restart, or until it is removed.
    pub(crate) async fn open(&self) -> Result<Arc<OpenLog>, LogError> {
        let opened = self.opened.get_or_init(|| async {
            let (directory, segment_bytes) = (self.directory.clone(), self.options.segment_bytes);
            let opened = blocking(&self.directory, move || OpenLog::open(&directory, segment_bytes)).await;
            if let Err(error) = &opened {
                tracing::error!(%error, "a log could not be opened");
            }
            opened.map(Arc::new)
        });
        opened.await.clone()
    }

    /// The log, if it was opened before.
    pub(crate) fn opened(&self) -> Option<&OpenLog> {
        self.opened.get().and_then(|opened| opened.as_deref().ok())
    }

    /// Hands events in.
    pub(crate) fn hand_in(&self, draft: Draft) -> Result<Handed, BusError> {
        let mut pending = locked(&self.pending);
        if pending.removed {
            return Err(LogError::Removed.into());
        }
        if pending.bytes > 0 && pending.bytes + draft.bytes() > self.options.pending_bytes_max {
            let message = "more is published to this topic than its log can take: try again in a moment";
            return Err(BusError::Overloaded(message));
        }
        let (sender, answer) = oneshot::channel();
        pending.bytes += draft.bytes();
        pending.waiting.push_back(Waiting { draft, answer: sender });
        let first = !std::mem::replace(&mut pending.committing, true);
        Ok(if first { Handed::First(answer) } else { Handed::Queued(answer) })
    }

    /// What one block takes; nothing where nothing waits, and the task that writes ends then.
    pub(crate) fn group(&self) -> Vec<Waiting> {
        let mut pending = locked(&self.pending);
        let (mut group, mut bytes) = (Vec::new(), 0);
        while let Some(next) = pending.waiting.front()
            && (group.is_empty() || bytes + next.draft.bytes() <= COMMIT_BYTES)
        {
            bytes += next.draft.bytes();
            group.extend(pending.waiting.pop_front());
        }
        pending.bytes -= bytes;
        pending.committing = !group.is_empty();
        group
    }

    /// Removes what is too old or too much.
    pub(crate) async fn tend(&self) -> Result<(), LogError> {
        let (open, retention) = (self.open().await?, self.retention());
        blocking(&self.directory, move || open.tend(retention)).await
    }

    /// Ends writing and removes the files. Idempotent.
    pub(crate) async fn remove(&self) -> Result<(), LogError> {
        locked(&self.pending).removed = true;
        let opened = self.opened.get_or_init(|| async { Err(LogError::Removed) }).await.clone();
        let directory = self.directory.clone();
        blocking(&self.directory, move || {
            if let Ok(open) = opened {
                open.close();
            }
            remove_directory(&directory)
        })
        .await
    }
}

/// Removes a directory with what is in it, if it is there. Blocks.
pub(crate) fn remove_directory(directory: &Path) -> Result<(), LogError> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(LogError::io(directory, error)),
        _ => Ok(()),
    }
}

/// Runs work that blocks; `directory` is what it is about.
pub(crate) async fn blocking<T: Send + 'static>(
    directory: &Path,
    work: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, LogError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(LogError::io(directory, std::io::Error::other(error))))
}
