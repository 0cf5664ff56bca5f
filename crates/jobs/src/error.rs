//! What can go wrong with jobs and schedules, as far as a caller learns of it.

use service_kit::error::{Classify, ErrorCode};
use sql::SqlError;
use std::sync::Arc;

/// A call was refused, or could not be kept. Nothing of it was done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JobsError {
    /// A name breaks a rule.
    #[error("{0}")]
    InvalidName(String),
    /// A job, a setting or a cursor is malformed.
    #[error("{0}")]
    Invalid(String),
    /// A schedule cannot be read, or never comes.
    #[error("{0}")]
    InvalidSchedule(String),
    /// A payload is too long.
    #[error("a payload has at most {bytes_max} bytes: keep it elsewhere and enqueue where it is")]
    PayloadTooLarge {
        /// Bytes that are allowed.
        bytes_max: usize,
    },
    /// A limit of the project is reached.
    #[error("the project has {max} {what} already: remove some, or raise `jobs.{setting}`")]
    LimitExceeded {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        max: u64,
        /// The setting that says so.
        setting: &'static str,
    },
    /// There is no such job in this project, or it has ended.
    #[error("there is no such job")]
    JobNotFound,
    /// There is no such schedule in this project.
    #[error("there is no such schedule")]
    ScheduleNotFound,
    /// Another job has the unique key.
    #[error("another job has its unique key: cancel that one, or wait until its key is free")]
    KeyTaken,
    /// The cursor is not where the caller thinks it is.
    #[error("the cursor was moved meanwhile: read it and go on from there")]
    CursorMoved,
    /// The project is being removed.
    #[error("the project is removed")]
    ProjectRemoved,
    /// Too much waits to be written.
    #[error("too many jobs wait to be written: try again later")]
    Overloaded,
    /// It is shutting down.
    #[error("the queue is shutting down")]
    Stopped,
    /// The store failed.
    #[error("{0}")]
    Store(Arc<SqlError>),
}

impl From<SqlError> for JobsError {
    fn from(error: SqlError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<sqlx::Error> for JobsError {
    fn from(error: sqlx::Error) -> Self {
        SqlError::from(error).into()
    }
}

impl Classify for JobsError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::InvalidName(_) => ErrorCode::InvalidName,
            Self::Invalid(_) | Self::InvalidSchedule(_) => ErrorCode::InvalidRequest,
            Self::PayloadTooLarge { .. } => ErrorCode::BodyTooLarge,
            Self::LimitExceeded { .. } => ErrorCode::LimitExceeded,
            Self::JobNotFound => ErrorCode::JobNotFound,
            Self::ScheduleNotFound => ErrorCode::ScheduleNotFound,
            Self::KeyTaken | Self::CursorMoved => ErrorCode::Conflict,
            Self::ProjectRemoved => ErrorCode::ProjectNotFound,
            Self::Overloaded => ErrorCode::Overloaded,
            Self::Stopped => ErrorCode::ShuttingDown,
            Self::Store(error) => error.code(),
        }
    }
}
