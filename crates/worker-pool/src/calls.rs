//! The calls that are on one worker. Each entry holds a slot of the worker until the worker has said that the
//! call is over, also where nobody waits for the answer any more.

use std::collections::{HashMap, hash_map};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::call::{BodyError, InvokeResponse};
use crate::error::InvokeError;
use crate::upload::Upload;

/// How one attempt of a call ended.
pub(crate) enum Outcome {
    Response(InvokeResponse),
    Failed(InvokeError),
    /// The worker ended before the handler saw the call: it can go to another one.
    NotBegun,
}

/// Who waits for what.
pub(crate) enum Phase {
    /// For the response head.
    Waiting(oneshot::Sender<Outcome>),
    /// For chunks of the response body.
    Streaming(mpsc::UnboundedSender<Result<Bytes, BodyError>>),
    /// Nobody: it has its answer, and the handler's work goes on.
    Background,
    /// Nobody; the worker has been told.
    Abandoned,
}

/// What became of a call that has its answer.
pub(crate) enum Answered {
    Over(Entry),
    GoesOn(Phase),
}

pub(crate) struct Entry {
    pub(crate) phase: Phase,
    pub(crate) invocation_id: Arc<str>,
    /// When the response head, or after a cancel the end, is due. A body in progress has no deadline.
    pub(crate) deadline: Option<Instant>,
    pub(crate) timeout: Duration,
    /// Latest deadline of a call that waits in its worker for others.
    pub(crate) latest: Instant,
    /// The handler has said that work goes on after the answer.
    pub(crate) has_background: bool,
    pub(crate) upload: Option<Arc<Upload>>,
}

impl Entry {
    pub(crate) fn is_overdue_by(&self, grace: Duration, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline + grace <= now)
    }

    /// Moves the deadline of a call that has not begun.
    pub(crate) fn put_off(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Waiting(_)) {
            self.deadline = Some(self.latest.min(now + self.timeout));
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(upload) = &self.upload {
            upload.stop();
        }
    }
}

#[derive(Default)]
pub(crate) struct CallTable {
    last: u32,
    entries: HashMap<u32, Entry>,
    closed: bool,
}

impl CallTable {
    /// The number of the call, or the entry back where the worker takes no more calls.
    pub(crate) fn insert(&mut self, entry: Entry) -> Result<u32, Entry> {
        if self.closed || self.last == u32::MAX {
            return Err(entry);
        }
        self.last += 1;
        self.entries.insert(self.last, entry);
        Ok(self.last)
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<Entry> {
        self.entries.remove(&id)
    }

    /// The call has its answer.
    pub(crate) fn answer(&mut self, id: u32) -> Option<Answered> {
        let hash_map::Entry::Occupied(mut found) = self.entries.entry(id) else { return None };
        let entry = found.get_mut();
        if !entry.has_background {
            return Some(Answered::Over(found.remove()));
        }
        if matches!(entry.phase, Phase::Abandoned) {
            return Some(Answered::GoesOn(Phase::Abandoned));
        }
        entry.deadline = Some(Instant::now() + entry.timeout);
        Some(Answered::GoesOn(std::mem::replace(&mut entry.phase, Phase::Background)))
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Entry> {
        self.entries.get_mut(&id)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut Entry)> {
        self.entries.iter_mut().map(|(id, entry)| (*id, entry))
    }

    /// How many calls the worker was given so far.
    pub(crate) fn given(&self) -> u32 {
        self.last
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether all that is left is calls for which nobody waits.
    pub(crate) fn only_abandoned(&self) -> bool {
        self.entries.values().all(|entry| matches!(entry.phase, Phase::Abandoned))
    }

    /// Takes no more calls, and gives out what is left.
    pub(crate) fn close(&mut self) -> HashMap<u32, Entry> {
        self.closed = true;
        std::mem::take(&mut self.entries)
    }
}
