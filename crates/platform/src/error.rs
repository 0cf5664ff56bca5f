//! What can go wrong with projects and keys.

use service_kit::error::{Classify, ErrorCode};
use service_kit::secret::NoRandomness;
use sql::SqlError;

/// An error of projects or keys.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// No such project.
    #[error("there is no such project")]
    ProjectNotFound,
    /// No such key in this project.
    #[error("there is no such key in this project")]
    KeyNotFound,
    /// The name is empty, too long or not printable.
    #[error("`name` must have 1 to 100 printable characters")]
    InvalidName,
    /// The account owns as many projects as it may.
    #[error("an account may own {limit} projects: delete one first")]
    TooManyProjects {
        /// How many it may.
        limit: u32,
    },
    /// The project has as many keys as it may.
    #[error("a project may have {limit} keys: revoke one first")]
    TooManyKeys {
        /// How many it may.
        limit: u32,
    },
    /// A parameter of a list is malformed.
    #[error("`limit` must be 1 to 1000, and `cursor` a `next_cursor` of an earlier answer")]
    InvalidPage,
    /// The route is for developers, and the caller is none.
    #[error("nobody is signed in: sign in first")]
    NoDeveloper,
    /// No randomness for a key.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// A row of the store is not readable.
    #[error("the stored {what} is not readable")]
    Unreadable {
        /// Which column.
        what: &'static str,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] SqlError),
}

impl Classify for PlatformError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::ProjectNotFound => ErrorCode::ProjectNotFound,
            Self::KeyNotFound => ErrorCode::KeyNotFound,
            Self::InvalidName => ErrorCode::InvalidName,
            Self::TooManyProjects { .. } | Self::TooManyKeys { .. } => ErrorCode::LimitExceeded,
            Self::InvalidPage => ErrorCode::InvalidRequest,
            Self::NoDeveloper => ErrorCode::Unauthenticated,
            Self::NoRandomness(_) | Self::Unreadable { .. } => ErrorCode::Internal,
            Self::Store(error) => error.code(),
        }
    }
}
