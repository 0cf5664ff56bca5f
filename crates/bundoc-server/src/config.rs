//! Settings of the document service (`documents.*`).

use serde::Deserialize;
use service_kit::sse::OutboxLimits;
use std::num::{NonZeroU64, NonZeroUsize};

/// Each running query may hold a page and a sort buffer of the engine in memory.
const QUERIES_MAX: usize = 16;
const QUERIES_WAITING_MAX: usize = 1_024;
const QUERY_WAIT_MS_MAX: u64 = 5_000;
const TRANSACTION_IDLE_MS_MAX: u64 = 10_000;
/// The engine keeps history for every open transaction.
const TRANSACTION_AGE_MS_MAX: u64 = 60_000;

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
    /// Requests of one project that are answered at the same time, over HTTP and gRPC together.
    pub requests_per_project_max: usize,
    /// Transactions that are open at the same time, of all projects.
    pub transactions_max: usize,
    /// Those of one project.
    pub transactions_per_project_max: usize,
    /// How long a transaction may be open without a call; then it is aborted.
    pub transaction_idle_ms_max: NonZeroU64,
    /// How long a transaction may be open at all.
    pub transaction_age_ms_max: NonZeroU64,
    /// Bytes of the payload of an event or a job in a batch, as JSON.
    pub emit_bytes_max: usize,
    /// Streams of changes that are open at the same time, of all projects.
    pub subscriptions_max: usize,
    /// Those of one project.
    pub subscriptions_per_project_max: usize,
    /// Live queries among them.
    pub live_queries_per_project_max: usize,
    /// Regular expressions in the live queries of one project; equal queries count once. Each may take a
    /// megabyte and more.
    pub live_query_patterns_per_project_max: usize,
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
            requests_per_project_max: 2_000,
            transactions_max: 1_000,
            transactions_per_project_max: 100,
            transaction_idle_ms_max: NonZeroU64::new(TRANSACTION_IDLE_MS_MAX).unwrap_or(NonZeroU64::MIN),
            transaction_age_ms_max: NonZeroU64::new(TRANSACTION_AGE_MS_MAX).unwrap_or(NonZeroU64::MIN),
            emit_bytes_max: 512 * 1024,
            subscriptions_max: 40_000,
            subscriptions_per_project_max: 20_000,
            live_queries_per_project_max: 1_000,
            live_query_patterns_per_project_max: 256,
            live_query_documents_max: 10_000,
            subscription_events_max: 256,
            subscription_bytes_max: 256 * 1024,
        }
    }
}
