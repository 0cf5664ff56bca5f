//! Handles of the lane's metrics, made once.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use worker_pool::InvokeError;

pub(crate) struct Metrics {
    pub(crate) calls: Counter,
    pub(crate) cold_starts: Counter,
    pub(crate) queue_seconds: Histogram,
    pub(crate) memory_bytes: Gauge,
}

impl Metrics {
    pub(crate) fn register() -> Self {
        Self {
            calls: counter!("bunbase_quickjs_calls_total"),
            cold_starts: counter!("bunbase_quickjs_cold_starts_total"),
            queue_seconds: histogram!("bunbase_quickjs_queue_seconds"),
            memory_bytes: gauge!("bunbase_quickjs_memory_bytes"),
        }
    }

    /// Failures are rare, so their counter is looked up by code.
    pub(crate) fn failed(error: &InvokeError) {
        counter!("bunbase_quickjs_call_errors_total", "code" => error.code()).increment(1);
    }
}
