//! Counters of keys and secrets.

use metrics::{counter, histogram};
use std::time::Duration;

/// An operation was answered.
pub(crate) fn operation(name: &'static str) {
    counter!("bunbase_kms_operations_total", "operation" => name).increment(1);
}

/// Lines went to the audit log with one sync.
pub(crate) fn audit_sync(lines: usize, took: Duration) {
    histogram!("bunbase_kms_audit_batch_lines").record(lines as f64);
    histogram!("bunbase_kms_audit_sync_seconds").record(took.as_secs_f64());
}

/// Lines could not be written to the audit log.
pub(crate) fn audit_failed() {
    counter!("bunbase_kms_audit_failures_total").increment(1);
}
