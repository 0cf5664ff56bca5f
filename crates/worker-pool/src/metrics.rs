//! Handles of the pool's metrics, made once.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use crate::error::InvokeError;
use crate::isolation::Isolation;
use crate::state::EndReason;

const ENDS: [EndReason; 5] =
    [EndReason::Crashed, EndReason::Retired, EndReason::Unresponsive, EndReason::Memory, EndReason::Protocol];

pub(crate) struct Metrics {
    pub(crate) calls: Counter,
    pub(crate) calls_queued: Counter,
    pub(crate) queue_seconds: Histogram,
    pub(crate) calls_moved: Counter,
    pub(crate) starts: Counter,
    pub(crate) start_seconds: Histogram,
    pub(crate) cold_start_seconds: Histogram,
    pub(crate) log_lines_dropped: Counter,
    pub(crate) spares: Gauge,
    pub(crate) workers: Gauge,
    ends: [Counter; 5],
}

impl Metrics {
    pub(crate) fn register() -> Self {
        let end = |reason: EndReason| counter!("bunbase_worker_ends_total", "reason" => reason.as_str());
        Self {
            calls: counter!("bunbase_worker_calls_total"),
            calls_queued: counter!("bunbase_worker_calls_queued_total"),
            queue_seconds: histogram!("bunbase_worker_queue_seconds"),
            calls_moved: counter!("bunbase_worker_calls_moved_total"),
            starts: counter!("bunbase_worker_starts_total"),
            start_seconds: histogram!("bunbase_worker_start_seconds"),
            cold_start_seconds: histogram!("bunbase_worker_cold_start_seconds"),
            log_lines_dropped: counter!("bunbase_worker_log_lines_dropped_total"),
            spares: gauge!("bunbase_worker_spares"),
            workers: gauge!("bunbase_worker_processes"),
            ends: ENDS.map(end),
        }
    }

    pub(crate) fn ended(&self, reason: EndReason) {
        let index = ENDS.iter().position(|known| *known == reason);
        if let Some(counter) = index.and_then(|index| self.ends.get(index)) {
            counter.increment(1);
        }
    }

    /// What holds the workers: 1 where it is in force.
    pub(crate) fn isolated(isolation: &Isolation) {
        for (guard, in_force) in isolation.guards() {
            gauge!("bunbase_worker_isolation", "guard" => guard).set(f64::from(u8::from(in_force)));
        }
    }

    /// Failures are rare, so their counter is looked up by code.
    pub(crate) fn failed(error: &InvokeError) {
        counter!("bunbase_worker_call_errors_total", "code" => error.code()).increment(1);
    }
}
