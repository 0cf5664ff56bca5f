//! One open transaction: whose it is, when it was used last, and the lock that lets its calls run one
//! after the other.

use super::Holder;
use bundoc::engine::{Actor, Transaction};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::time::Instant;

/// The transaction itself; empty once it was committed.
type Held = Option<Box<dyn Transaction>>;

/// One open transaction. Dropping it, and the work that runs in it, aborts it.
pub(super) struct Session {
    pub(super) holder: Holder,
    pub(super) actor: Actor,
    transaction: Arc<AsyncMutex<Held>>,
    opened_at: Instant,
    usage: Arc<Mutex<Usage>>,
}

struct Usage {
    /// Calls that run or wait.
    calls: usize,
    last_at: Instant,
    ended: bool,
}

/// The turn of one call.
pub(super) struct Work {
    held: OwnedMutexGuard<Held>,
    call: Call,
}

/// A call that runs or waits: while there is one, the transaction is not idle.
struct Call(Arc<Mutex<Usage>>);

impl Call {
    fn begin(usage: &Arc<Mutex<Usage>>) -> Self {
        lock(usage).calls += 1;
        Self(usage.clone())
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut usage = lock(&self.0);
        usage.calls -= 1;
        usage.last_at = Instant::now();
    }
}

fn lock(usage: &Mutex<Usage>) -> std::sync::MutexGuard<'_, Usage> {
    usage.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    pub(super) fn new(holder: Holder, actor: Actor, transaction: Box<dyn Transaction>) -> Self {
        let now = Instant::now();
        let usage = Arc::new(Mutex::new(Usage { calls: 0, last_at: now, ended: false }));
        let transaction = Arc::new(AsyncMutex::new(Some(transaction)));
        Self { holder, actor, transaction, opened_at: now, usage }
    }

    /// Waits for the calls before this one; `None` where they take longer than `wait_max`.
    pub(super) async fn turn(&self, wait_max: Duration) -> Option<Work> {
        let call = Call::begin(&self.usage);
        let held = tokio::time::timeout(wait_max, self.transaction.clone().lock_owned()).await.ok()?;
        Some(Work { held, call })
    }

    /// No call begins any more.
    pub(super) fn end(&self) {
        lock(&self.usage).ended = true;
    }

    /// When it ends if nothing more is heard of it; while a call runs, when to look again.
    pub(super) fn ends_at(&self, idle: Duration, age: Duration) -> Instant {
        let usage = lock(&self.usage);
        let quiet_since = if usage.calls > 0 { Instant::now() } else { usage.last_at };
        (quiet_since + idle).min(self.opened_at + age)
    }
}

impl Work {
    /// The transaction; `None` where it came to its end before this call's turn.
    pub(super) fn transaction(&mut self) -> Option<&mut (dyn Transaction + 'static)> {
        if lock(&self.call.0).ended { None } else { self.held.as_deref_mut() }
    }

    /// Takes it out, for its commit.
    pub(super) fn take(&mut self) -> Held {
        self.held.take()
    }
}
