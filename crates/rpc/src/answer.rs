//! Errors of the API as gRPC statuses, for programs outside: the stable code, details and the time to come
//! back stand in the metadata.

use crate::status::{CODE, grpc_code};
use service_kit::error::{ApiError, ErrorCode};
use std::time::Duration;
use tonic::Status;
use tonic::metadata::{BinaryMetadataValue, MetadataValue};

/// Details as JSON. In UTF-8, so that the entry is a binary one.
const DETAILS: &str = "bunbase-details-bin";
/// Milliseconds.
const RETRY_AFTER: &str = "retry-after-ms";

/// The status of an error of the API.
pub fn api_status(error: &ApiError) -> Status {
    let mut status = Status::new(grpc_code(error.code), error.message.clone());
    let metadata = status.metadata_mut();
    metadata.insert(CODE, MetadataValue::from_static(error.code.as_str()));
    if let Some(details) = &error.details {
        metadata.insert_bin(DETAILS, BinaryMetadataValue::from_bytes(details.to_string().as_bytes()));
    }
    if let Some(wait) = error.retry_after {
        let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        metadata.insert(RETRY_AFTER, MetadataValue::from(wait));
    }
    status
}

/// The error of the API that a status tells; `None` where it comes from the connection.
pub fn api_error_of(status: &Status) -> Option<ApiError> {
    let metadata = status.metadata();
    let details = metadata.get_bin(DETAILS).and_then(|value| value.to_bytes().ok());
    let wait = metadata.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Some(ApiError {
        code: code_of(status)?,
        message: status.message().to_owned(),
        details: details.and_then(|bytes| serde_json::from_slice(&bytes).ok()),
        retry_after: wait.map(Duration::from_millis),
    })
}

/// The stable code of a status; `None` where it comes from the connection.
pub fn code_of(status: &Status) -> Option<ErrorCode> {
    let code = status.metadata().get(CODE)?.to_str().ok()?;
    ErrorCode::ALL.iter().copied().find(|known| known.as_str() == code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tonic::Code;

    #[test]
    fn code_details_and_wait_cross() {
        let error = ApiError::new(ErrorCode::TransactionConflict, "again")
            .with_details(json!({ "name": "ä" }))
            .retry_after(Duration::from_millis(1_500));
        let status = api_status(&error);
        assert_eq!(status.code(), Code::Aborted);
        assert_eq!(code_of(&status), Some(ErrorCode::TransactionConflict));
        let details = status.metadata().get_bin(DETAILS).unwrap().to_bytes().unwrap();
        assert_eq!(details, "{\"name\":\"ä\"}".as_bytes());
        assert_eq!(status.metadata().get(RETRY_AFTER).unwrap(), "1500");
        let told = api_error_of(&status).unwrap();
        assert_eq!((told.code, told.message), (error.code, error.message));
        assert_eq!((told.details, told.retry_after), (error.details, error.retry_after));
        assert!(api_error_of(&Status::unavailable("gone")).is_none());
    }
}
