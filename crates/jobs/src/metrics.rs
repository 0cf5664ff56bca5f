//! What is counted. Handles are made once, at the start; no project or queue stands in a label.

use crate::schedule::RunOutcome;
use metrics::{Counter, Gauge, Histogram};
use std::time::Duration;

/// What one transaction did.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) enqueued: u64,
    pub(crate) existed: u64,
    pub(crate) replayed: u64,
    pub(crate) cancelled: u64,
    pub(crate) done: u64,
    pub(crate) retried: u64,
    pub(crate) dead: u64,
    runs_enqueued: u64,
    runs_left_out: u64,
}

impl Counts {
    pub(crate) fn fired(&mut self, outcome: RunOutcome) {
        match outcome {
            RunOutcome::Enqueued => self.runs_enqueued += 1,
            _ => self.runs_left_out += 1,
        }
    }
}

/// The handles.
pub(crate) struct Metrics {
    enqueued: Counter,
    existed: Counter,
    replayed: Counter,
    cancelled: Counter,
    done: Counter,
    retried: Counter,
    dead: Counter,
    runs_enqueued: Counter,
    runs_left_out: Counter,
    /// Calls that found too much waiting.
    pub(crate) overloaded: Counter,
    /// Transactions that failed.
    pub(crate) failed: Counter,
    /// Jobs that handlers have.
    pub(crate) running: Gauge,
    /// Calls in one transaction.
    pub(crate) group: Histogram,
    wait: Histogram,
    run: Histogram,
}

impl Metrics {
    pub(crate) fn register() -> Self {
        let jobs = |event: &'static str| metrics::counter!("bunbase_jobs_events_total", "event" => event);
        let runs = |outcome: &'static str| metrics::counter!("bunbase_jobs_schedule_runs_total", "outcome" => outcome);
        Self {
            enqueued: jobs("enqueued"),
            existed: jobs("existed"),
            replayed: jobs("replayed"),
            cancelled: jobs("cancelled"),
            done: jobs("done"),
            retried: jobs("retried"),
            dead: jobs("dead"),
            runs_enqueued: runs("enqueued"),
            runs_left_out: runs("left_out"),
            overloaded: metrics::counter!("bunbase_jobs_overloaded_total"),
            failed: metrics::counter!("bunbase_jobs_failed_transactions_total"),
            running: metrics::gauge!("bunbase_jobs_running"),
            group: metrics::histogram!("bunbase_jobs_group_calls"),
            wait: metrics::histogram!("bunbase_jobs_wait_seconds"),
            run: metrics::histogram!("bunbase_jobs_run_seconds"),
        }
    }

    pub(crate) fn count(&self, counts: &Counts) {
        self.enqueued.increment(counts.enqueued);
        self.existed.increment(counts.existed);
        self.replayed.increment(counts.replayed);
        self.cancelled.increment(counts.cancelled);
        self.done.increment(counts.done);
        self.retried.increment(counts.retried);
        self.dead.increment(counts.dead);
        self.runs_enqueued.increment(counts.runs_enqueued);
        self.runs_left_out.increment(counts.runs_left_out);
    }

    /// How long a job could have run before it did.
    pub(crate) fn waited(&self, wait_ms: i64) {
        self.wait.record(wait_ms.max(0) as f64 / 1_000.0);
    }

    /// How long an attempt took.
    pub(crate) fn ran(&self, time: Duration) {
        self.run.record(time.as_secs_f64());
    }
}
