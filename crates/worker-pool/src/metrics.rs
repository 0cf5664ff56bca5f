//! Handles of the pool's metrics, made once.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use crate::error::InvokeError;
use crate::worker::EndReason;

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
        let end = |reason: &'static str| counter!("bunbase_worker_ends_total", "reason" => reason);
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
            ends: [end("crashed"), end("retired"), end("unresponsive"), end("memory"), end("protocol")],
        }
    }

    pub(crate) fn ended(&self, reason: Option<EndReason>) {
        let index = match reason {
            None => 0,
            Some(EndReason::Retired) => 1,
            Some(EndReason::Unresponsive) => 2,
            Some(EndReason::Memory) => 3,
            Some(EndReason::Protocol) => 4,
        };
        self.ends[index].increment(1);
    }

    /// Failures are rare, so their counter is looked up by code.
    pub(crate) fn failed(error: &InvokeError) {
        counter!("bunbase_worker_call_errors_total", "code" => error.code()).increment(1);
    }
}
