//! The way to the committer: a bounded queue. A request that does not fit is refused at once.

use crate::committer::{Request, Shared, Work, WriteRequest};
use crate::engine::{Commit, DatabaseName};
use crate::error::EngineError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use tokio::sync::oneshot;

/// Asks the committer.
#[derive(Clone)]
pub(crate) struct Requests {
    pub(crate) shared: Arc<Shared>,
    sender: SyncSender<Request>,
    closed: Arc<AtomicBool>,
}

impl Requests {
    pub(crate) fn new(shared: Arc<Shared>, sender: SyncSender<Request>) -> Self {
        Self { shared, sender, closed: Arc::default() }
    }

    pub(crate) fn check_open(&self) -> Result<(), EngineError> {
        if self.closed.load(Ordering::Acquire) { Err(EngineError::Closed) } else { Ok(()) }
    }

    /// Sends a request, unless too many wait.
    pub(crate) fn send(&self, request: Request) -> Result<(), EngineError> {
        self.check_open()?;
        self.shared.queued.fetch_add(1, Ordering::Relaxed);
        self.sender.try_send(request).map_err(|error| {
            self.shared.queued.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => EngineError::Busy,
                TrySendError::Disconnected(_) => EngineError::Closed,
            }
        })
    }

    /// Has something written; durable on return.
    pub(crate) async fn write(&self, database: &DatabaseName, work: Work) -> Result<Commit, EngineError> {
        let (answer, receiver) = oneshot::channel();
        self.send(Request::Write(WriteRequest { database: database.clone(), work, answer }))?;
        receiver.await.unwrap_or(Err(EngineError::Closed))
    }

    /// Sends the last request, and waits where the queue is full; whether this was the first call.
    pub(crate) fn close(&self, last: Request) -> bool {
        if self.closed.swap(true, Ordering::AcqRel) {
            return false;
        }
        self.shared.queued.fetch_add(1, Ordering::Relaxed);
        // An error means that the thread is gone already.
        let _ = self.sender.send(last);
        true
    }
}
