//! Slots of a worker, and calls on their way into it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::call::{InvokeRequest, RequestBody, Warmed};
use crate::calls::{Entry, Outcome, Phase};
use crate::frame::put_request;
use crate::upload::Upload;
use crate::worker::Worker;

impl Worker {
    /// Takes a slot if fewer than `slots_max` are taken.
    pub(crate) fn take_slot(self: &Arc<Self>, slots_max: usize) -> Option<Slot> {
        if self.draining.load(Ordering::Acquire) {
            return None;
        }
        let take = |taken| (taken < slots_max).then_some(taken + 1);
        self.slots.fetch_update(Ordering::AcqRel, Ordering::Relaxed, take).ok()?;
        Some(Slot(Some(Arc::clone(self))))
    }

    pub(crate) fn free_slot(&self) {
        self.slots.fetch_sub(1, Ordering::AcqRel);
        if let Some(version) = self.version() {
            version.slot_freed();
        }
    }
}

/// A taken slot of a worker: passes to the call's entry, or is given back when dropped.
pub(crate) struct Slot(Option<Arc<Worker>>);

impl Slot {
    /// When its worker was made ready.
    pub(crate) fn warmed(&self) -> Option<&Warmed> {
        self.0.as_ref()?.warmed.get()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(worker) = self.0.take() {
            worker.free_slot();
        }
    }
}

/// When a call is due, and what the caller is told when it is not met.
#[derive(Clone, Copy)]
pub(crate) struct Due {
    pub(crate) at: Instant,
    pub(crate) timeout: Duration,
    /// Latest end of a call that had to wait in its worker before its handler was entered.
    pub(crate) latest: Instant,
}

impl Slot {
    /// Gives the call to the worker. `None` where the worker has ended meanwhile.
    pub(crate) fn submit(mut self, call: &InvokeRequest, due: Due) -> Option<Ticket> {
        let (sender, outcome) = oneshot::channel();
        let upload = matches!(call.body, RequestBody::Stream(_) | RequestBody::Socket(_)).then(Upload::new);
        let entry = Entry {
            phase: Phase::Waiting(sender),
            invocation_id: Arc::clone(&call.invocation_id),
            deadline: Some(due.at),
            timeout: due.timeout,
            latest: due.latest,
            has_background: false,
            upload: upload.clone(),
        };
        let worker = self.0.take()?;
        let id = {
            // Numbers must reach the worker in their order, so the frame is put under the same lock.
            let mut calls = worker.calls();
            let Ok(id) = calls.insert(entry) else {
                drop(calls);
                worker.free_slot();
                return None;
            };
            worker.outbox.push(|out| put_request(out, id, call));
            id
        };
        Some(Ticket { call: Given { worker, id, answered: false }, outcome, upload })
    }
}

/// A call that is on a worker.
pub(crate) struct Ticket {
    pub(crate) call: Given,
    pub(crate) outcome: oneshot::Receiver<Outcome>,
    pub(crate) upload: Option<Arc<Upload>>,
}

/// Abandons the call when it is dropped without an answer.
pub(crate) struct Given {
    pub(crate) worker: Arc<Worker>,
    pub(crate) id: u32,
    pub(crate) answered: bool,
}

impl Drop for Given {
    fn drop(&mut self) {
        if !self.answered {
            self.worker.abandon(self.id);
        }
    }
}
