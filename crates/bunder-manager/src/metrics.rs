//! What the store counts. Handles are made once, at the start; no project stands in a label.

use metrics::{Counter, Histogram};

/// The handles.
pub(crate) struct Metrics {
    /// Keys that were read.
    pub(crate) reads: Counter,
    /// Pages that were listed.
    pub(crate) lists: Counter,
    /// Writes that were applied.
    pub(crate) applied: Counter,
    /// Writes that a condition or a limit refused.
    pub(crate) refused: Counter,
    /// Writes that the store could not keep.
    pub(crate) failed: Counter,
    /// Writes that found the queue full.
    pub(crate) overloaded: Counter,
    /// Writes in one transaction.
    pub(crate) group: Histogram,
}

impl Metrics {
    pub(crate) fn register() -> Self {
        let writes =
            |outcome: &'static str| metrics::counter!("bunbase_kv_writes_total", "outcome" => outcome);
        Self {
            reads: metrics::counter!("bunbase_kv_reads_total"),
            lists: metrics::counter!("bunbase_kv_lists_total"),
            applied: writes("applied"),
            refused: writes("refused"),
            failed: writes("failed"),
            overloaded: writes("overloaded"),
            group: metrics::histogram!("bunbase_kv_group_writes"),
        }
    }
}
