//! What the service counts: calls by operation and outcome, how long they took, and what was refused because
//! of a limit. Handles are made once, at the start; no project and no collection stands in a label.

use metrics::{Counter, Histogram};
use service_kit::error::ErrorCode;
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
    /// Counts documents, or the values of a field.
    Count,
    /// Says how a query is answered.
    Explain,
    /// Changes or removes the documents that match a query.
    Modify,
    /// Several writes at once.
    Batch,
    /// Opens or ends a transaction.
    Transaction,
    /// Opens a stream of changes.
    Subscribe,
}

impl Operation {
    const ALL: [Self; 14] = [
        Self::Inspect,
        Self::Administer,
        Self::Insert,
        Self::Get,
        Self::Replace,
        Self::Update,
        Self::Delete,
        Self::Find,
        Self::Count,
        Self::Explain,
        Self::Modify,
        Self::Batch,
        Self::Transaction,
        Self::Subscribe,
    ];

    /// Whether a call may name a transaction that it belongs to; definitions, streams and plans cannot.
    pub(crate) fn joins_transactions(self) -> bool {
        match self {
            Self::Inspect | Self::Administer | Self::Explain | Self::Subscribe => false,
            Self::Insert
            | Self::Get
            | Self::Replace
            | Self::Update
            | Self::Delete
            | Self::Find
            | Self::Count
            | Self::Modify
            | Self::Batch
            | Self::Transaction => true,
        }
    }

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
            Self::Count => "count",
            Self::Explain => "explain",
            Self::Modify => "modify",
            Self::Batch => "batch",
            Self::Transaction => "transaction",
            Self::Subscribe => "subscribe",
        }
    }
}

/// The handles of all operations.
pub(crate) struct Metrics {
    by_operation: [OperationMetrics; Operation::ALL.len()],
    limits: [Counter; LIMITS.len()],
}

/// The codes of what goes over a limit.
const LIMITS: [ErrorCode; 6] = [
    ErrorCode::QueryTooExpensive,
    ErrorCode::BodyTooLarge,
    ErrorCode::LimitExceeded,
    ErrorCode::RateLimited,
    ErrorCode::Overloaded,
    ErrorCode::DiskFull,
];

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

    fn record(&self, outcome: Result<(), ErrorCode>, begun: Instant) {
        match outcome.map_err(ErrorCode::status) {
            Ok(()) => self.ok.increment(1),
            Err(status) if status.is_client_error() => self.rejected.increment(1),
            Err(_) => self.failed.increment(1),
        }
        self.duration.record(begun.elapsed());
    }
}

impl Metrics {
    pub(crate) fn register() -> Self {
        let limits =
            LIMITS.map(|code| metrics::counter!("bunbase_documents_refused_total", "code" => code.as_str()));
        Self { by_operation: Operation::ALL.map(OperationMetrics::register), limits }
    }

    /// Counts one call, over HTTP or gRPC.
    pub(crate) fn record(&self, operation: Operation, outcome: Result<(), ErrorCode>, begun: Instant) {
        self.by_operation[operation as usize].record(outcome, begun);
        let reached = outcome.err().and_then(|code| LIMITS.iter().position(|limit| *limit == code));
        if let Some(counter) = reached.and_then(|at| self.limits.get(at)) {
            counter.increment(1);
        }
    }
}
