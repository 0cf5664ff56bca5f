//! Engine errors as callers see them: every variant chooses its code here and nowhere else.

use crate::limit::Limit;
use bundoc::error::EngineError;
use serde_json::{Value, json};
use service_kit::error::{ApiError, ErrorCode};
use std::time::Duration;

/// When to come back after the write queue was full: a group of writes takes milliseconds.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The answer to an engine error. What only the operator can mend is logged and told as an error id.
// By value: it stands in `map_err`.
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn engine(error: EngineError) -> ApiError {
    from_engine(&error)
}

/// The answer to an error of a request with a single write: the position in a batch of one says nothing.
pub(crate) fn single(error: EngineError) -> ApiError {
    match error {
        EngineError::BatchOperation { source, .. } => from_engine(&source),
        other => from_engine(&other),
    }
}

/// Says which operation of a batch an error belongs to.
pub(crate) fn at_operation(index: usize, mut error: ApiError) -> ApiError {
    error.message = format!("operation {index} of the batch: {}", error.message);
    let mut details = match error.details.take() {
        Some(Value::Object(details)) => details,
        _ => serde_json::Map::new(),
    };
    details.insert("index".to_owned(), index.into());
    error.with_details(Value::Object(details))
}

fn from_engine(error: &EngineError) -> ApiError {
    match error {
        EngineError::BatchOperation { index, source } => at_operation(*index, from_engine(source)),
        _ => match code(error) {
            ErrorCode::Internal => ApiError::internal(error),
            code => explained(ApiError::new(code, error.to_string()), error),
        },
    }
}

fn explained(answer: ApiError, error: &EngineError) -> ApiError {
    match error {
        EngineError::InvalidRule { operation, reason, place } => answer.with_details(json!({
            "operation": operation,
            "reason": reason,
            "line": place.map(|place| place.line),
            "column": place.map(|place| place.column),
        })),
        EngineError::UniqueViolation { index } => answer.with_details(json!({ "index_name": index })),
        EngineError::LimitExceeded { limit, .. } | EngineError::QueryTooExpensive { limit, .. } => {
            Limit::Engine(*limit).name_in(answer)
        }
        EngineError::Busy => Limit::WriteQueue.name_in(answer).retry_after(BUSY_RETRY_AFTER),
        EngineError::DiskFull => Limit::DiskReserve.name_in(answer),
        _ => answer,
    }
}

fn code(error: &EngineError) -> ErrorCode {
    match error {
        EngineError::InvalidName(_) => ErrorCode::InvalidName,
        EngineError::InvalidDocument(_) => ErrorCode::InvalidDocument,
        EngineError::InvalidQuery(_) => ErrorCode::InvalidQuery,
        EngineError::InvalidUpdate(_) => ErrorCode::InvalidUpdate,
        EngineError::InvalidIndex(_) => ErrorCode::InvalidIndex,
        EngineError::InvalidRule { .. } => ErrorCode::InvalidRule,
        EngineError::CollectionNotFound(_) => ErrorCode::CollectionNotFound,
        EngineError::CollectionExists(_) => ErrorCode::CollectionExists,
        EngineError::DocumentNotFound { .. } => ErrorCode::DocumentNotFound,
        EngineError::DocumentExists { .. } => ErrorCode::DocumentExists,
        EngineError::UniqueViolation { .. } => ErrorCode::UniqueViolation,
        EngineError::PreconditionFailed { .. } => ErrorCode::PreconditionFailed,
        EngineError::IndexNotFound(_) => ErrorCode::IndexNotFound,
        EngineError::IndexExists(_) => ErrorCode::IndexExists,
        EngineError::Denied { .. } => ErrorCode::Forbidden,
        EngineError::LimitExceeded { .. } => ErrorCode::LimitExceeded,
        EngineError::QueryTooExpensive { .. } => ErrorCode::QueryTooExpensive,
        EngineError::Busy => ErrorCode::Overloaded,
        EngineError::TransactionConflict => ErrorCode::TransactionConflict,
        EngineError::TransactionExpired => ErrorCode::TransactionExpired,
        EngineError::FeedTrimmed => ErrorCode::Conflict,
        EngineError::BatchOperation { source, .. } => code(source),
        EngineError::DiskFull => ErrorCode::DiskFull,
        EngineError::WritesStopped => ErrorCode::Unavailable,
        EngineError::Closed => ErrorCode::ShuttingDown,
        EngineError::Locked { .. }
        | EngineError::NewerFormat { .. }
        | EngineError::OlderFormat { .. }
        | EngineError::Damaged(_)
        | EngineError::Storage(_) => ErrorCode::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_batch(source: EngineError) -> EngineError {
        EngineError::BatchOperation { index: 3, source: Box::new(source) }
    }

    #[test]
    fn an_operation_of_a_batch_keeps_its_code_and_says_its_place() {
        let answer = engine(in_batch(EngineError::UniqueViolation { index: "email_1".into() }));
        assert_eq!(answer.code, ErrorCode::UniqueViolation);
        assert_eq!(answer.details, Some(json!({ "index": 3, "index_name": "email_1" })));
        assert!(answer.message.starts_with("operation 3 of the batch: another document"));
    }

    #[test]
    fn a_single_write_does_not_speak_of_a_batch() {
        let answer = single(in_batch(EngineError::Denied { collection: "a".into() }));
        assert_eq!(answer.code, ErrorCode::Forbidden);
        assert_eq!(answer.details, None);
    }

    #[test]
    fn a_full_queue_says_when_to_come_back() {
        let answer = engine(EngineError::Busy);
        assert_eq!(answer.code, ErrorCode::Overloaded);
        assert_eq!(answer.retry_after, Some(BUSY_RETRY_AFTER));
    }

    #[test]
    fn damage_is_not_told_to_callers() {
        let answer = engine(EngineError::Damaged("/var/lib/secret-path is damaged".into()));
        assert_eq!(answer.code, ErrorCode::Internal);
        assert!(!answer.message.contains("secret-path"));
    }
}
