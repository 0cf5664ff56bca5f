//! What can go wrong with functions, besides their calls.

use run_log::RunLogError;
use serde_json::Value;
use service_kit::error::{ApiError, Classify, ErrorCode};
use sql::SqlError;
use std::time::Duration;

/// When to try again where too many deployments run at once.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(5);

/// The service could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The workers.
    #[error("the workers could not be started")]
    Pool(#[from] worker_pool::PoolError),
    /// The registry of functions.
    #[error("the registry of functions could not be opened")]
    Store(#[from] SqlError),
    /// The bundles.
    #[error("the directory {path} cannot be used")]
    Files {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// An operation on functions failed.
#[derive(Debug, thiserror::Error)]
pub enum FunctionsError {
    /// A name breaks its rule.
    #[error("the name of the {what} is not valid: {rule}")]
    InvalidName {
        /// Of what.
        what: &'static str,
        /// What would be valid.
        rule: &'static str,
    },
    /// A setting is out of its range.
    #[error("`{name}` has to be between {min} and {max}")]
    Setting {
        /// Which.
        name: &'static str,
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// A part of the request does not fit.
    #[error("{0}")]
    Invalid(&'static str),
    /// The code is too large.
    #[error("the {what} is larger than {limit_bytes} bytes")]
    TooLarge {
        /// Source or bundle.
        what: &'static str,
        /// The limit.
        limit_bytes: usize,
    },
    /// The code cannot take calls.
    #[error("{message}")]
    Bundle {
        /// What is wrong.
        message: String,
        /// Where.
        details: Value,
    },
    /// There is no such function in the project.
    #[error("there is no such function in this project")]
    NotFound,
    /// The version exists with other code.
    #[error("version {version} exists with other code: choose another name, or leave `version` out")]
    VersionExists {
        /// Which.
        version: String,
    },
    /// The project has as many functions as it may have.
    #[error("the project has {limit} functions already: delete some, or raise `functions.functions_max`")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// Too many bundlers run.
    #[error("too many deployments are being bundled; try again later")]
    Busy,
    /// The project is being removed.
    #[error("there is no such project")]
    ProjectGone,
    /// The source imports the SDK and this program was built without it.
    #[error("this server was built without bunbase-js: build it with `make build`, or upload a bundle")]
    SdkMissing,
    /// No worker could be had.
    #[error("no worker could be started; try again later")]
    Worker(#[from] worker_pool::StartError),
    /// The bundler could not be run.
    #[error("the bundler could not be run")]
    Builder(#[source] std::io::Error),
    /// A bundle could not be read or written.
    #[error("the bundle could not be stored")]
    Files(#[source] std::io::Error),
    /// The registry failed.
    #[error("the registry of functions failed")]
    Store(#[from] SqlError),
    /// The log failed.
    #[error("the log of the function failed")]
    Logs(#[from] RunLogError),
    /// The task that worked on it ended.
    #[error("the work was interrupted")]
    Interrupted(#[from] tokio::task::JoinError),
}

impl From<sqlx::Error> for FunctionsError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Classify for FunctionsError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::InvalidName { .. } => ErrorCode::InvalidName,
            Self::Setting { .. } | Self::Invalid(_) => ErrorCode::InvalidRequest,
            Self::TooLarge { .. } => ErrorCode::BodyTooLarge,
            Self::Bundle { .. } => ErrorCode::InvalidBundle,
            Self::NotFound => ErrorCode::FunctionNotFound,
            Self::VersionExists { .. } => ErrorCode::VersionExists,
            Self::TooMany { .. } => ErrorCode::LimitExceeded,
            Self::Busy => ErrorCode::Overloaded,
            Self::ProjectGone => ErrorCode::ProjectNotFound,
            Self::SdkMissing | Self::Worker(_) => ErrorCode::Unavailable,
            Self::Files(error) | Self::Builder(error) => of_io(error),
            Self::Store(error) => error.code(),
            Self::Logs(error) => error.code(),
            Self::Interrupted(_) => ErrorCode::Internal,
        }
    }
}

fn of_io(error: &std::io::Error) -> ErrorCode {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorCode::DiskFull,
        _ => ErrorCode::Internal,
    }
}

impl FunctionsError {
    /// As the caller gets it, with the details that it has.
    pub(crate) fn into_api(self) -> ApiError {
        let error = ApiError::from_error(&self);
        match self {
            Self::Bundle { details, .. } => error.with_details(details),
            Self::TooLarge { limit_bytes, .. } => {
                error.with_details(serde_json::json!({ "limit_bytes": limit_bytes }))
            }
            Self::Busy | Self::Worker(_) => error.retry_after(BUSY_RETRY_AFTER),
            _ => error,
        }
    }
}
