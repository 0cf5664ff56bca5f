//! Settings of the document service (`documents.*`).

use serde::Deserialize;
use service_kit::sse::OutboxLimits;
use std::num::{NonZeroU64, NonZeroUsize};

/// Each running query may hold a page and a sort buffer of the engine in memory.
const QUERIES_MAX: usize = 16;
const QUERIES_WAITING_MAX: usize = 1_024;
const QUERY_WAIT_MS_MAX: u64 = 5_000;

/// What the service allows at once. Limits of documents, pages and batches are the engine's.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DocumentsConfig {
    /// Queries, lists and looks at collections that run at the same time. One project has at most half.
    pub queries_max: NonZeroUsize,
    /// Those that may wait beyond that. One project has at most half.
    pub queries_waiting_max: usize,
    /// How long one waits at the most before it is answered with 503.
    pub query_wait_ms_max: NonZeroU64,
    /// Streams of changes that are open at the same time, of all projects.
    pub subscriptions_max: usize,
    /// Those of one project.
    pub subscriptions_per_project_max: usize,
    /// Live queries among them.
    pub live_queries_per_project_max: usize,
    /// Documents in the result of a live query.
    pub live_query_documents_max: usize,
    /// Events that wait for a subscriber; one that is slower is told to read again.
    pub subscription_events_max: usize,
    /// Bytes of them.
    pub subscription_bytes_max: usize,
}

impl DocumentsConfig {
    pub(crate) fn outbox(&self) -> OutboxLimits {
        OutboxLimits { events_max: self.subscription_events_max, bytes_max: self.subscription_bytes_max }
    }
}

impl Default for DocumentsConfig {
    fn default() -> Self {
        Self {
            queries_max: NonZeroUsize::new(QUERIES_MAX).unwrap_or(NonZeroUsize::MIN),
            queries_waiting_max: QUERIES_WAITING_MAX,
            query_wait_ms_max: NonZeroU64::new(QUERY_WAIT_MS_MAX).unwrap_or(NonZeroU64::MIN),
            subscriptions_max: 40_000,
            subscriptions_per_project_max: 20_000,
            live_queries_per_project_max: 1_000,
            live_query_documents_max: 10_000,
            subscription_events_max: 256,
            subscription_bytes_max: 256 * 1024,
        }
    }
}
