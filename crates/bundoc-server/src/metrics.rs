//! What the service counts: calls by operation and outcome, how long they took, and what was refused because
//! of which limit. Handles are made once, at the start; no project and no collection stands in a label.

use crate::limit::{Limit, Refusal};
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
    /// By limit.
    refused: Vec<(Limit, Counter)>,
    /// By code, of what names no limit.
    refused_otherwise: [Counter; CODES.len()],
}

/// The codes of what goes over a limit.
const CODES: [ErrorCode; 6] = [
    ErrorCode::QueryTooExpensive,
    ErrorCode::BodyTooLarge,
    ErrorCode::LimitExceeded,
    ErrorCode::RateLimited,
    ErrorCode::Overloaded,
    ErrorCode::DiskFull,
];

fn refusals(code: ErrorCode, limit: &'static str) -> Counter {
    metrics::counter!("bunbase_documents_refused_total", "code" => code.as_str(), "limit" => limit)
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

    fn record(&self, outcome: Result<(), Refusal>, begun: Instant) {
        match outcome.map_err(|refusal| refusal.code.status()) {
            Ok(()) => self.ok.increment(1),
            Err(status) if status.is_client_error() => self.rejected.increment(1),
            Err(_) => self.failed.increment(1),
        }
        self.duration.record(begun.elapsed());
    }
}

impl Metrics {
    pub(crate) fn register() -> Self {
        Self {
            by_operation: Operation::ALL.map(OperationMetrics::register),
            refused: Limit::all().map(|limit| (limit, refusals(limit.code(), limit.name()))).collect(),
            refused_otherwise: CODES.map(|code| refusals(code, "other")),
        }
    }

    /// Counts one call, over HTTP or gRPC.
    pub(crate) fn record(&self, operation: Operation, outcome: Result<(), Refusal>, begun: Instant) {
        self.by_operation[operation as usize].record(outcome, begun);
        if let Some(counter) = outcome.err().and_then(|refusal| self.refused(refusal)) {
            counter.increment(1);
        }
    }

    fn refused(&self, refusal: Refusal) -> Option<&Counter> {
        let of_limit = |limit| self.refused.iter().find(|(known, _)| *known == limit);
        let of_code = || CODES.iter().position(|code| *code == refusal.code);
        match refusal.limit {
            Some(limit) => of_limit(limit).map(|(_, counter)| counter),
            None => of_code().and_then(|at| self.refused_otherwise.get(at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics_exporter_prometheus::PrometheusBuilder;

    #[test]
    fn refusals_are_counted_by_the_limit_that_was_reached() {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            let metrics = Metrics::register();
            let record = |refusal| metrics.record(Operation::Find, Err(refusal), Instant::now());
            record(Refusal::from(&Limit::RequestsPerProject.refusal("too many")));
            record(Refusal { code: ErrorCode::Overloaded, limit: None });
            record(Refusal { code: ErrorCode::Forbidden, limit: None });
        });
        let shown = recorder.handle().render();
        let counted = |line: &str| shown.lines().any(|known| known == line);
        let name = "bunbase_documents_refused_total";
        assert!(
            counted(&format!(r#"{name}{{code="rate_limited",limit="requests_per_project_max"}} 1"#)),
            "{shown}"
        );
        assert!(counted(&format!(r#"{name}{{code="overloaded",limit="other"}} 1"#)), "{shown}");
        assert!(counted(&format!(r#"{name}{{code="overloaded",limit="transactions_max"}} 0"#)), "{shown}");
        assert!(!shown.contains("forbidden"));
    }
}
