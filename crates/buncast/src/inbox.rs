//! The place where events wait for one subscriber: its queue, and how it is woken. One wake-up serves
//! everything that came since the last one.

use crate::queue::{Bounds, End, Queue, Taken};
use crate::run::Run;
use crate::sync::locked;
use futures_util::task::AtomicWaker;
use ports::events::{Pattern, SlowPolicy};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::Notify;

/// Whom a subscription serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consumer {
    /// A part of this process: it is served until the broker stops.
    Process,
    /// A client: its stream ends when the server begins to drain.
    Client,
}

/// Where events wait for one subscriber.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) pattern: Pattern,
    pub(crate) consumer: Consumer,
    queue: Mutex<Queue>,
    waker: AtomicWaker,
    /// Woken when the queue is no longer pressed.
    relieved: Notify,
    /// A publisher waited for this one in vain; nobody waits again until it moves.
    stuck: AtomicBool,
}

impl Inbox {
    pub(crate) fn new(pattern: Pattern, slow: SlowPolicy, bounds: Bounds, consumer: Consumer) -> Self {
        Self {
            pattern,
            consumer,
            queue: Mutex::new(Queue::new(bounds, slow)),
            waker: AtomicWaker::new(),
            relieved: Notify::new(),
            stuck: AtomicBool::new(false),
        }
    }

    /// Takes in a run.
    pub(crate) fn push(&self, run: &Arc<Run>) -> Pushed {
        let mut queue = locked(&self.queue);
        let was_empty = queue.is_empty();
        let missed = queue.push(run);
        let pressed = queue.is_pressed();
        drop(queue);
        if was_empty {
            self.waker.wake();
        }
        Pushed { missed, pressed }
    }

    /// Takes what is there, or has the task woken when something comes.
    pub(crate) fn poll_take(&self, context: &Context<'_>, bytes: usize) -> Poll<Taken> {
        if let Some(taken) = self.try_take(bytes) {
            return Poll::Ready(taken);
        }
        self.waker.register(context.waker());
        self.try_take(bytes).map_or(Poll::Pending, Poll::Ready)
    }

    /// Takes what is there.
    pub(crate) fn try_take(&self, bytes: usize) -> Option<Taken> {
        let mut queue = locked(&self.queue);
        if queue.is_empty() {
            return None;
        }
        let was_pressed = queue.is_pressed();
        let taken = queue.take(bytes);
        let relieved = was_pressed && !queue.is_pressed();
        drop(queue);
        if self.stuck.load(Ordering::Relaxed) {
            self.stuck.store(false, Ordering::Relaxed);
        }
        if relieved {
            self.relieved.notify_waiters();
        }
        Some(taken)
    }

    /// Waits until at most half of the queue is taken, for a subscriber that moves.
    pub(crate) async fn relief(&self, longest: Duration) {
        if self.stuck.load(Ordering::Relaxed) {
            return;
        }
        let relieved = self.relieved.notified();
        let mut relieved = std::pin::pin!(relieved);
        relieved.as_mut().enable();
        if !locked(&self.queue).is_pressed() {
            return;
        }
        if tokio::time::timeout(longest, relieved).await.is_err() {
            self.stuck.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn end(&self, end: End) {
        locked(&self.queue).end(end);
        self.waker.wake();
        self.relieved.notify_waiters();
    }

    /// Gives up what waits; says how many bytes that was.
    pub(crate) fn shed(&self) -> usize {
        let mut queue = locked(&self.queue);
        let bytes = queue.bytes();
        queue.shed();
        drop(queue);
        self.waker.wake();
        bytes
    }

    pub(crate) fn bytes(&self) -> usize {
        locked(&self.queue).bytes()
    }
}

/// What a push did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pushed {
    /// Events that were dropped or merged for it.
    pub(crate) missed: u64,
    /// Whether more than half of the queue is taken.
    pub(crate) pressed: bool,
}
