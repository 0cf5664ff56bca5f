//! Figures of calls. The handles are made once: a call touches atomics only. No names of projects or
//! functions: `/metrics` is for whoever runs the server.

use metrics::{Counter, Histogram, counter, histogram};
use std::time::Instant;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The handler answered.
    Answered,
    /// The handler threw, or returned no response.
    HandlerError,
    /// It took too long.
    Timeout,
    /// The worker died or was ended.
    WorkerLost,
    /// No worker could take it.
    Overloaded,
    /// It was refused before it reached a worker.
    Refused,
    /// The caller went away.
    Cancelled,
}

const OUTCOMES: [(Outcome, &str); 7] = [
    (Outcome::Answered, "answered"),
    (Outcome::HandlerError, "handler_error"),
    (Outcome::Timeout, "timeout"),
    (Outcome::WorkerLost, "worker_lost"),
    (Outcome::Overloaded, "overloaded"),
    (Outcome::Refused, "refused"),
    (Outcome::Cancelled, "cancelled"),
];

/// The handles.
pub(crate) struct CallMetrics {
    calls: [Counter; OUTCOMES.len()],
    duration: Histogram,
}

impl CallMetrics {
    pub(crate) fn new() -> Self {
        Self {
            calls: OUTCOMES.map(|(_, name)| counter!("bunbase_function_calls_total", "outcome" => name)),
            duration: histogram!("bunbase_function_call_duration_seconds"),
        }
    }

    /// Begins to measure a call.
    pub(crate) fn start(&self) -> Measured<'_> {
        Measured { metrics: self, started: Instant::now(), outcome: Outcome::Cancelled }
    }
}

/// A call that is measured until it is dropped: as cancelled, unless told otherwise.
pub(crate) struct Measured<'a> {
    metrics: &'a CallMetrics,
    started: Instant,
    outcome: Outcome,
}

impl Measured<'_> {
    pub(crate) fn ended(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        let counter =
            OUTCOMES.iter().zip(&self.metrics.calls).find(|((outcome, _), _)| *outcome == self.outcome);
        if let Some((_, counter)) = counter {
            counter.increment(1);
        }
        self.metrics.duration.record(self.started.elapsed().as_secs_f64());
    }
}
