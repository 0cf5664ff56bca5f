//! The limits that refuse something, of the service and of its engine. A refusal names its limit in
//! `details.limit`, and is counted under that name in `bunbase_documents_refused_total`.

use serde_json::json;
use service_kit::error::{ApiError, ErrorCode};

/// A limit. Its name is that of its setting (`documents.*`, `engine.*`), where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    Engine(bundoc::Limit),
    /// Writes that wait.
    WriteQueue,
    /// Free bytes on the disk.
    DiskReserve,
    RequestsPerProject,
    /// Queries that wait.
    QueriesWaiting,
    /// How long a query, or a call of a transaction, waits for its turn.
    QueryWait,
    Transactions,
    TransactionsPerProject,
    EmitBytes,
    Subscriptions,
    SubscriptionsPerProject,
    LiveQueriesPerProject,
    LiveQueryPatternsPerProject,
    LiveQueryDocuments,
    /// Bytes of a JSON body, which the listener bounds.
    JsonBytes,
}

/// What is counted of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    /// Where it was one.
    pub(crate) limit: Option<Limit>,
}

impl From<&ApiError> for Refusal {
    fn from(error: &ApiError) -> Self {
        let named = error.details.as_ref().and_then(|details| details.get("limit")?.as_str());
        let limit = match (named, error.code) {
            (Some(name), _) => Limit::all().find(|limit| limit.name() == name),
            (None, ErrorCode::BodyTooLarge) => Some(Limit::JsonBytes),
            (None, _) => None,
        };
        Self { code: error.code, limit }
    }
}

impl Limit {
    const OWN: [Self; 14] = [
        Self::WriteQueue,
        Self::DiskReserve,
        Self::RequestsPerProject,
        Self::QueriesWaiting,
        Self::QueryWait,
        Self::Transactions,
        Self::TransactionsPerProject,
        Self::EmitBytes,
        Self::Subscriptions,
        Self::SubscriptionsPerProject,
        Self::LiveQueriesPerProject,
        Self::LiveQueryPatternsPerProject,
        Self::LiveQueryDocuments,
        Self::JsonBytes,
    ];

    pub(crate) fn all() -> impl Iterator<Item = Self> {
        bundoc::Limit::ALL.iter().copied().map(Self::Engine).chain(Self::OWN)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Engine(limit) => limit.name(),
            Self::WriteQueue => "write_queue_max",
            Self::DiskReserve => "disk_reserve_bytes",
            Self::RequestsPerProject => "requests_per_project_max",
            Self::QueriesWaiting => "queries_waiting_max",
            Self::QueryWait => "query_wait_ms_max",
            Self::Transactions => "transactions_max",
            Self::TransactionsPerProject => "transactions_per_project_max",
            Self::EmitBytes => "emit_bytes_max",
            Self::Subscriptions => "subscriptions_max",
            Self::SubscriptionsPerProject => "subscriptions_per_project_max",
            Self::LiveQueriesPerProject => "live_queries_per_project_max",
            Self::LiveQueryPatternsPerProject => "live_query_patterns_per_project_max",
            Self::LiveQueryDocuments => "live_query_documents_max",
            Self::JsonBytes => "json_bytes_max",
        }
    }

    /// What goes over it is refused with this code.
    pub(crate) fn code(self) -> ErrorCode {
        match self {
            Self::Engine(limit) => of_engine(limit),
            Self::LiveQueryDocuments => ErrorCode::QueryTooExpensive,
            Self::EmitBytes => ErrorCode::LimitExceeded,
            Self::RequestsPerProject
            | Self::TransactionsPerProject
            | Self::SubscriptionsPerProject
            | Self::LiveQueriesPerProject
            | Self::LiveQueryPatternsPerProject => ErrorCode::RateLimited,
            Self::WriteQueue
            | Self::QueriesWaiting
            | Self::QueryWait
            | Self::Transactions
            | Self::Subscriptions => ErrorCode::Overloaded,
            Self::DiskReserve => ErrorCode::DiskFull,
            Self::JsonBytes => ErrorCode::BodyTooLarge,
        }
    }

    /// The answer to what goes over it.
    pub(crate) fn refusal(self, message: impl Into<String>) -> ApiError {
        self.name_in(ApiError::new(self.code(), message))
    }

    /// Names it in an answer.
    pub(crate) fn name_in(self, answer: ApiError) -> ApiError {
        answer.with_details(json!({ "limit": self.name() }))
    }
}

fn of_engine(limit: bundoc::Limit) -> ErrorCode {
    use bundoc::Limit as Of;
    match limit {
        Of::FindExamined | Of::FindTime | Of::FindSortBytes | Of::SortKeyBytes | Of::DistinctValues => {
            ErrorCode::QueryTooExpensive
        }
        Of::BatchOperations
        | Of::BatchBytes
        | Of::MatchingDocuments
        | Of::MatchingBytes
        | Of::TransactionsPerDatabase
        | Of::TransactionReads
        | Of::OutboxEntries
        | Of::OutboxEntryBytes
        | Of::DatabaseBytes
        | Of::CollectionsPerDatabase
        | Of::IndexesPerCollection
        | Of::GroupIndexesPerDatabase
        | Of::StoreNumbers => ErrorCode::LimitExceeded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_refusal_is_counted_under_the_name_that_it_tells() {
        let names: HashSet<_> = Limit::all().map(Limit::name).collect();
        assert_eq!(names.len(), Limit::all().count(), "no two limits have one name");
        for limit in Limit::all() {
            let told = Refusal::from(&limit.refusal("too much"));
            assert_eq!(told, Refusal { code: limit.code(), limit: Some(limit) });
        }
    }

    #[test]
    fn what_is_no_limit_is_counted_as_none() {
        let other = ApiError::new(ErrorCode::Forbidden, "no").with_details(json!({ "limit": "nonsense" }));
        assert_eq!(Refusal::from(&other).limit, None);
        let body = ApiError::new(ErrorCode::BodyTooLarge, "too large");
        assert_eq!(Refusal::from(&body).limit, Some(Limit::JsonBytes));
    }
}
