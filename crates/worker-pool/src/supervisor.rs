//! Looks at every busy worker a few times a second: deadlines, pings, memory, processor time, idle time.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::frame::put_frame;
use crate::health::anonymous_bytes;
use crate::pool::Shared;
use crate::protocol;
use crate::state::EndReason;
use crate::version::Version;
use crate::worker::Worker;

/// Between two looks at a worker: how exact deadlines are.
const TICK: Duration = Duration::from_millis(25);
/// Memory is read every so many looks.
const MEMORY_TICKS: u64 = 2;
/// Processor time is read every so many looks: once a second.
const CPU_TICKS: u64 = 40;
/// A worker with an overdue call that leaves a ping unanswered for so many looks (250 ms) is ended.
const PING_LOOKS_MAX: u32 = 10;
/// How long a call may be over its deadline while the worker answers no ping: code that computes is stopped inside
/// the worker at the deadline, which native code can delay.
const KILL_GRACE: Duration = Duration::from_secs(1);
/// A worker that leaves a ping unanswered for so many looks (100 ms) is busy with computing: it gets no more
/// calls until it answers, and another one is started beside it.
const SLOW_PING_LOOKS: u32 = 4;

pub(crate) async fn run(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut count = 0_u64;
    loop {
        ticks.tick().await;
        count += 1;
        let now = Instant::now();
        let workers = shared.busy_workers();
        shared.metrics.workers.set(workers.len() as f64);
        for worker in workers {
            if let Some(version) = worker.version() {
                let look = Look { shared: &shared, worker: &worker, version, now };
                look.at_calls();
                look.at_state();
                if count.is_multiple_of(MEMORY_TICKS) {
                    look.at_memory();
                    look.at_age();
                }
                if count.is_multiple_of(CPU_TICKS) {
                    version.count_cpu(&worker);
                }
            }
        }
    }
}

struct Look<'a> {
    shared: &'a Shared,
    worker: &'a Arc<Worker>,
    version: &'a Arc<Version>,
    now: Instant,
}

impl Look<'_> {
    fn at_calls(&self) {
        let silent = self.worker.health.lock().unwrap_or_else(PoisonError::into_inner).look();
        if silent >= PING_LOOKS_MAX && self.worker.is_overdue_by(KILL_GRACE, self.now) {
            // Its end answers all its calls: those that had not begun go to another worker.
            return self.worker.end(EndReason::Unresponsive);
        }
        if silent > 0 || self.worker.is_overdue_by(Duration::ZERO, self.now) {
            self.worker.put_off(self.now);
        }
        let overdue = self.worker.expire(self.now);
        let (is_idle, only_abandoned, given) = {
            let calls = self.worker.calls();
            (calls.is_empty(), calls.only_abandoned(), calls.given())
        };
        if Worker::is_stuck(overdue) {
            self.version.drain(self.worker);
        }
        if only_abandoned && self.worker.draining.load(Ordering::Acquire) {
            return self.worker.end(EndReason::Retired);
        }
        let mut health = self.worker.health.lock().unwrap_or_else(PoisonError::into_inner);
        if is_idle {
            if health.idle_for(self.now, given) >= self.version.spec.settings.idle_timeout {
                drop(health);
                self.version.end_idle(self.worker);
            }
            return;
        }
        health.busy();
        if health.ping_due(self.now) {
            self.worker.outbox.push(|out| put_frame(out, protocol::PING, 0, &[]));
        }
        if health.silent_looks() >= SLOW_PING_LOOKS {
            // With the lock held: an answer that comes now takes this back.
            self.worker.stalled.store(true, Ordering::Release);
            drop(health);
            self.version.grow();
        }
    }

    fn at_state(&self) {
        let (given, is_idle) = {
            let calls = self.worker.calls();
            (calls.given(), calls.is_empty())
        };
        let changed = self.worker.life().look(given, is_idle, self.now);
        if changed {
            self.shared.tell_change(self.worker);
        }
    }

    fn at_age(&self) {
        let settings = &self.version.spec.settings;
        let age = self.now.saturating_duration_since(self.worker.life().started);
        if age >= settings.recycle_age || self.worker.calls().given() >= settings.recycle_calls {
            self.version.replace(self.worker);
        }
    }

    fn at_memory(&self) {
        let limit = self.version.spec.settings.memory_limit_bytes;
        let Some(used) = anonymous_bytes(self.worker.pid) else { return };
        self.worker.life().memory_bytes = used;
        if used > limit {
            self.worker.end(EndReason::Memory);
        } else if used > limit / 8 * 7 {
            self.version.drain(self.worker);
        }
    }
}
