//! What can go wrong with a SQL store.

use service_kit::error::{Classify, ErrorCode};

/// An error of a SQL store.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// The file cannot be opened.
    #[error("cannot open {path}")]
    Open {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The file is damaged.
    #[error("{path} is damaged: restore it from a copy, or move it away to begin anew")]
    Damaged {
        /// Which file.
        path: String,
        /// What SQLite says.
        #[source]
        source: sqlx::Error,
    },
    /// The file was written by a newer program.
    #[error(
        "{path} has migration {found} of `{owner}`, this program knows up to {known}: use a newer bunbase"
    )]
    Newer {
        /// Which file.
        path: String,
        /// Whose tables.
        owner: &'static str,
        /// The newest in the file.
        found: i64,
        /// The newest that is known here.
        known: i64,
    },
    /// A migration was changed after it ran.
    #[error("migration {number} of `{owner}` in {path} is not the one this program has")]
    Changed {
        /// Which file.
        path: String,
        /// Whose tables.
        owner: &'static str,
        /// Which migration.
        number: i64,
    },
    /// The disk is full.
    #[error("the disk is full: free space and try again")]
    DiskFull(#[source] sqlx::Error),
    /// A unique key is taken.
    #[error("the key is taken")]
    Taken(#[source] sqlx::Error),
    /// PostgreSQL is away.
    #[error(
        "PostgreSQL cannot be reached: see that it runs, and that its address, user and password are right"
    )]
    Unreachable(#[source] sqlx::Error),
    /// Another process changed the same rows meanwhile; nothing was kept.
    #[error("another process was faster: try again")]
    Raced(#[source] sqlx::Error),
    /// A statement failed.
    #[error("the SQL store failed")]
    Statement(#[source] sqlx::Error),
}

/// SQLite's result code for a full disk (`SQLITE_FULL`), and for a damaged file (`SQLITE_CORRUPT`,
/// `SQLITE_NOTADB`).
const FULL: &str = "13";
const DAMAGED: [&str; 2] = ["11", "26"];

impl From<sqlx::Error> for SqlError {
    fn from(error: sqlx::Error) -> Self {
        let Some(database) = error.as_database_error() else { return Self::Statement(error) };
        if database.is_unique_violation() {
            return Self::Taken(error);
        }
        match database.code() {
            Some(code) if code == FULL => Self::DiskFull(error),
            _ => Self::Statement(error),
        }
    }
}

/// Whether SQLite says that the file is damaged.
pub(crate) fn is_damage(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|database| database.code());
    code.is_some_and(|code| DAMAGED.contains(&code.as_ref()))
}

impl Classify for SqlError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::DiskFull(_) => ErrorCode::DiskFull,
            Self::Taken(_) => ErrorCode::Conflict,
            Self::Unreachable(_) => ErrorCode::Unavailable,
            Self::Raced(_) => ErrorCode::Busy,
            Self::Open { .. }
            | Self::Damaged { .. }
            | Self::Newer { .. }
            | Self::Changed { .. }
            | Self::Statement(_) => ErrorCode::Internal,
        }
    }
}
