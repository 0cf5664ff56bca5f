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
            Self::Files { .. } => ErrorCode::Internal,
            Self::Closed => ErrorCode::ShuttingDown,
        }
    }
}
