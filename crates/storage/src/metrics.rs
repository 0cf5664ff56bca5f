//! What the store counts. Handles are made once, at the start; no project stands in a label.

use metrics::Counter;

/// The handles.
pub(crate) struct Metrics {
    /// Objects that were put.
    pub(crate) puts: Counter,
    /// Objects that were opened for reading.
    pub(crate) gets: Counter,
    /// Bytes that came in.
    pub(crate) bytes_in: Counter,
    /// Bytes that went out.
    pub(crate) bytes_out: Counter,
    /// Uploads that left nothing: broken off, refused or failed.
    pub(crate) abandoned: Counter,
}

impl Metrics {
    pub(crate) fn register() -> Self {
        Self {
            puts: metrics::counter!("bunbase_storage_puts_total"),
            gets: metrics::counter!("bunbase_storage_gets_total"),
            bytes_in: metrics::counter!("bunbase_storage_received_bytes_total"),
            bytes_out: metrics::counter!("bunbase_storage_sent_bytes_total"),
            abandoned: metrics::counter!("bunbase_storage_uploads_abandoned_total"),
        }
    }
}
