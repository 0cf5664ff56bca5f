//! What can go wrong with the log, as far as a caller learns of it.

use service_kit::error::{Classify, ErrorCode};
use sql::SqlError;

/// The log could not be opened, read or cleared. Failed writes are counted instead.
#[derive(Debug, thiserror::Error)]
pub enum RunLogError {
    /// The database failed.
    #[error("the log store failed")]
    Store(#[from] SqlError),
    /// The directory of the JSONL files failed.
    #[error("the log directory {path} cannot be used")]
    Files {
        /// Which directory.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The name of a field in a query cannot be one.
    #[error(
        "a field's name has to be 1 to {bytes_max} bytes without quotes and control characters, in up to {depth_max} parts"
    )]
    FieldName {
        /// Bytes of one part at most.
        bytes_max: usize,
        /// Parts at most.
        depth_max: usize,
    },
    /// A query has more filters of fields than it may.
    #[error("a query of the log filters by up to {filters_max} fields: leave some out")]
    FieldFilters {
        /// Filters at most.
        filters_max: usize,
    },
    /// The text to look for is too long.
    #[error("the text to look for has to be up to {bytes_max} bytes: shorten it")]
    Text {
        /// Bytes at most.
        bytes_max: usize,
    },
    /// Traces cannot be sent where the settings say.
    #[error("the otlp settings cannot be used: {reason}")]
    Otlp {
        /// What is wrong, without values.
        reason: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The log is closed.
    #[error("the log is closed")]
    Closed,
}

impl From<sqlx::Error> for RunLogError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Classify for RunLogError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Store(error) => error.code(),
            Self::Files { .. } | Self::Otlp { .. } => ErrorCode::Internal,
            Self::FieldName { .. } | Self::FieldFilters { .. } | Self::Text { .. } => {
                ErrorCode::InvalidRequest
            }
            Self::Closed => ErrorCode::ShuttingDown,
        }
    }
}
