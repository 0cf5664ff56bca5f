//! What the service counts: requests by operation and outcome, and how long they took. Handles are made
//! once, at the start; no project and no collection stands in a label.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::StatusCode;
use metrics::{Counter, Histogram};
use std::sync::Arc;
use std::time::Instant;

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Looks at collections, rules or indexes.
    Inspect,
    /// Changes collections, rules or indexes.
    Administer,
    /// Creates a document.
    Insert,
    /// Reads a document by its id.
    Get,
    /// Puts a document in place.
    Replace,
    /// Changes fields of a document.
    Update,
    /// Removes a document.
    Delete,
    /// Lists or queries documents.
    Find,
    /// Several writes at once.
    Batch,
    /// Opens a stream of changes.
    Subscribe,
}

impl Operation {
    const ALL: [Self; 10] = [
        Self::Inspect,
        Self::Administer,
        Self::Insert,
        Self::Get,
        Self::Replace,
        Self::Update,
        Self::Delete,
        Self::Find,
        Self::Batch,
        Self::Subscribe,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Inspect => "inspect",
            Self::Administer => "administer",
            Self::Insert => "insert",
            Self::Get => "get",
            Self::Replace => "replace",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Find => "find",
            Self::Batch => "batch",
            Self::Subscribe => "subscribe",
        }
    }
}

/// The handles of all operations.
pub(crate) struct Metrics {
    by_operation: [OperationMetrics; Operation::ALL.len()],
}

struct OperationMetrics {
    ok: Counter,
    rejected: Counter,
    failed: Counter,
    duration: Histogram,
}

impl OperationMetrics {
    fn register(operation: Operation) -> Self {
        let operation = operation.label();
        let counter = |outcome: &'static str| metrics::counter!("bunbase_documents_requests_total", "operation" => operation, "outcome" => outcome);
        Self {
            ok: counter("ok"),
            rejected: counter("rejected"),
            failed: counter("failed"),
            duration: metrics::histogram!("bunbase_documents_request_duration_seconds", "operation" => operation),
        }
    }

    fn record(&self, status: StatusCode, begun: Instant) {
        match status.as_u16() {
            0..400 => self.ok.increment(1),
            400..500 => self.rejected.increment(1),
            _ => self.failed.increment(1),
        }
        self.duration.record(begun.elapsed());
    }
}

impl Metrics {
    pub(crate) fn register() -> Self {
        Self { by_operation: Operation::ALL.map(OperationMetrics::register) }
    }
}

/// What the layer of one route counts.
#[derive(Clone)]
pub(crate) struct Meter {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) operation: Operation,
}

/// The layer: counts and times one request.
pub(crate) async fn measure(State(meter): State<Meter>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let response = next.run(request).await;
    meter.metrics.by_operation[meter.operation as usize].record(response.status(), begun);
    response
}
