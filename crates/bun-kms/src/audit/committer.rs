//! The group committer: one thread takes the lines of all operations that wait, writes them and syncs once.

use super::file::LogFile;
use super::line::Event;
use super::{AuditError, Head, open, verify};
use crate::metrics;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::{mpsc, oneshot};

/// Lines of one batch.
const BATCH_LINES_MAX: usize = 1_024;

enum Command {
    Append { event: Box<Event>, done: oneshot::Sender<Result<(), AuditError>> },
    Close { done: oneshot::Sender<Head> },
}

/// How far the log is written, for readers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    /// Number of the newest file.
    pub(super) file: u32,
    /// Its synced bytes.
    pub(super) len: u64,
}

/// The audit log.
pub(crate) struct Audit {
    commands: mpsc::Sender<Command>,
    directory: PathBuf,
    shared: Arc<Shared>,
}

struct Shared {
    written: Mutex<Written>,
    failing: AtomicBool,
}

/// What the log is opened with.
pub(crate) struct AuditOptions<'a> {
    pub(crate) directory: &'a Path,
    pub(crate) file_bytes_max: u64,
    pub(crate) queue_max: usize,
    /// A line that was there before.
    pub(crate) known: Option<Head>,
}

impl Audit {
    /// Opens and checks the log, and starts its thread. Gives the last line as well. Blocks.
    pub(crate) fn start(options: &AuditOptions<'_>) -> Result<(Self, Head), AuditError> {
        let log = open::open(options.directory, options.file_bytes_max, options.known.as_ref())?;
        let head = log.head();
        let (commands, receiver) = mpsc::channel(options.queue_max);
        let shared = Arc::new(Shared { written: Mutex::new(written(&log)), failing: AtomicBool::new(false) });
        let thread = std::thread::Builder::new().name("kms-audit".to_owned());
        let directory = options.directory.to_owned();
        let spawned = thread.spawn({
            let shared = shared.clone();
            move || run(log, receiver, &shared)
        });
        spawned.map_err(AuditError::io("start the thread for", &directory))?;
        Ok((Self { commands, directory, shared }, head))
    }

    /// Writes one line; it is on disk when this returns.
    pub(crate) async fn record(&self, event: Event) -> Result<(), AuditError> {
        let (done, answer) = oneshot::channel();
        let command = Command::Append { event: Box::new(event), done };
        self.commands.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => AuditError::Busy,
            mpsc::error::TrySendError::Closed(_) => AuditError::Closed,
        })?;
        answer.await.unwrap_or(Err(AuditError::Closed))
    }

    /// Whether the last batch was written.
    pub(crate) fn is_writing(&self) -> bool {
        !self.shared.failing.load(Ordering::Relaxed)
    }

    /// Writes what waits and ends the thread; gives the last line. Later lines are refused. `None` where it
    /// was closed before.
    pub(crate) async fn close(&self) -> Option<Head> {
        let (done, answer) = oneshot::channel();
        self.commands.send(Command::Close { done }).await.ok()?;
        answer.await.ok()
    }

    /// Where the files are.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// How far the log is written.
    pub(super) fn written(&self) -> Written {
        *self.shared.written.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Checks every file of the log that is here, as far as it is written now.
    pub(crate) async fn verify(&self) -> Result<verify::AuditReport, AuditError> {
        let (directory, written) = (self.directory.clone(), self.written());
        let checked = tokio::task::spawn_blocking(move || verify::verify(&directory, written)).await;
        checked.unwrap_or(Err(AuditError::Closed))
    }
}

fn written(log: &LogFile) -> Written {
    Written { file: log.number(), len: log.len() }
}

fn run(mut log: LogFile, mut commands: mpsc::Receiver<Command>, shared: &Shared) {
    while let Some(first) = commands.blocking_recv() {
        let (mut events, mut waiting, mut closing) = (Vec::new(), Vec::new(), None);
        let mut next = Some(first);
        while let Some(command) = next {
            match command {
                Command::Append { event, done } => {
                    events.push(*event);
                    waiting.push(done);
                }
                Command::Close { done } => closing = Some(done),
            }
            let go_on = closing.is_none() && events.len() < BATCH_LINES_MAX;
            next = if go_on { commands.try_recv().ok() } else { None };
        }
        let outcome = if events.is_empty() { Ok(()) } else { append(&mut log, &events, shared) };
        for done in waiting {
            // Who no longer waits has given no answer either.
            let _ = done.send(outcome.clone());
        }
        if let Some(done) = closing {
            let _ = done.send(log.head());
            return;
        }
    }
}

fn append(log: &mut LogFile, events: &[Event], shared: &Shared) -> Result<(), AuditError> {
    let outcome = log.append(events);
    *shared.written.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = written(log);
    let failed_before = shared.failing.swap(outcome.is_err(), Ordering::Relaxed);
    match &outcome {
        Ok(()) if failed_before => tracing::info!("the audit log is written again"),
        Ok(()) => {}
        Err(error) => {
            metrics::audit_failed();
            if !failed_before {
                let cause = std::error::Error::source(error).map(ToString::to_string);
                tracing::error!(%error, cause, "the audit log cannot be written: keys and secrets are closed");
            }
        }
    }
    outcome
}
