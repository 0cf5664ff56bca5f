//! The SQL database of each project, for its functions: SQLite, one file per project. A transaction belongs to one
//! call of a function (`invocation`) and ends with it.

use async_trait::async_trait;
use service_kit::error::{Classify, ErrorCode};
use service_kit::ids::ProjectId;
use std::sync::Arc;

/// A value of a parameter or of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum SqlValue {
    /// `NULL`.
    Null,
    /// An integer of 64 bits.
    Integer(i64),
    /// A number with a fraction.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// One statement with the values of `?1`, `?2`, ….
#[derive(Debug, Clone, PartialEq)]
pub struct SqlStatement {
    /// SQL; one statement.
    pub sql: String,
    /// As many values as it has parameters.
    pub params: Vec<SqlValue>,
}

/// What a statement answered.
#[derive(Debug, Clone, PartialEq)]
pub struct SqlResult {
    /// Names of the columns; none where the statement answers no rows.
    pub columns: Vec<String>,
    /// Rows, with a value for each column.
    pub rows: Vec<Vec<SqlValue>>,
    /// Rows that were inserted, updated or deleted.
    pub changes: u64,
    /// The rowid that was inserted last, where rows were inserted.
    pub last_insert_id: Option<i64>,
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct SqlCaller {
    /// Whose database.
    pub project: ProjectId,
    /// The call in whose course it is asked; without one there are no transactions.
    pub invocation: Option<Arc<str>>,
}

/// What a transaction may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SqlMode {
    /// Read, as of its first statement, and never wait for a writer.
    ReadOnly,
    /// Write; it has the database's one turn from its beginning to its end.
    ReadWrite,
}

/// Why nothing was read or written.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// The statement is wrong, breaks a constraint, or may not be run here.
    #[error("{message}")]
    Statement {
        /// In SQLite's words.
        message: String,
        /// The name of SQLite's extended result code, such as `SQLITE_CONSTRAINT_CHECK`.
        code: &'static str,
    },
    /// A unique key is taken, or a foreign key has nothing at its other end.
    #[error("{message}")]
    Violation {
        /// In SQLite's words; they name the columns.
        message: String,
        /// As in `Statement`.
        code: &'static str,
    },
    /// There is no such open transaction of this call, or it was rolled back because it was idle.
    #[error(
        "the transaction is not open any more: it ended, or had no statement for 5 s and was rolled back; begin another"
    )]
    TransactionGone,
    /// Another transaction is writing, or too many are open; the text says which.
    #[error("{0}")]
    Busy(String),
    /// The result is larger than it may be; the text says how large that is.
    #[error("{0}")]
    TooLarge(String),
    /// The request breaks a rule.
    #[error("{0}")]
    Invalid(&'static str),
    /// The disk, or the database, is full.
    #[error("the disk is full, or the database is as large as it may be: nothing was written")]
    Full,
    /// The store has stopped, or the project is being removed.
    #[error("the database does not take this any more")]
    Stopped,
    /// The store failed.
    #[error("the database failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Classify for SqlError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Statement { .. } => ErrorCode::SqlError,
            Self::Violation { .. } => ErrorCode::Conflict,
            Self::TransactionGone => ErrorCode::TransactionGone,
            Self::Busy(_) => ErrorCode::Busy,
            Self::TooLarge(_) => ErrorCode::ResultTooLarge,
            Self::Invalid(_) => ErrorCode::InvalidRequest,
            Self::Full => ErrorCode::DiskFull,
            Self::Stopped => ErrorCode::Unavailable,
            Self::Failed(_) => ErrorCode::Internal,
        }
    }
}

/// The databases. What was answered is durable, except inside a transaction, which is with its commit.
#[async_trait]
pub trait Sql: Send + Sync {
    /// Runs one statement, in `transaction` or as one of its own.
    ///
    /// # Errors
    /// What SQLite says, a limit, `TransactionGone`, or the store failed.
    async fn query(
        &self,
        caller: &SqlCaller,
        statement: SqlStatement,
        transaction: Option<&str>,
    ) -> Result<SqlResult, SqlError>;

    /// Runs statements as one transaction.
    ///
    /// # Errors
    /// As `query`, for the first that fails; then none of them changed anything.
    async fn batch(
        &self,
        caller: &SqlCaller,
        statements: Vec<SqlStatement>,
    ) -> Result<Vec<SqlResult>, SqlError>;

    /// Begins a transaction, and returns its id.
    ///
    /// # Errors
    /// `Busy`; `Invalid` outside of a call; or the store failed.
    async fn begin(&self, caller: &SqlCaller, mode: SqlMode) -> Result<String, SqlError>;

    /// Commits.
    ///
    /// # Errors
    /// `TransactionGone`; a deferred constraint does not hold, and nothing was written; or the store failed.
    async fn commit(&self, caller: &SqlCaller, transaction: &str) -> Result<(), SqlError>;

    /// Takes back what the transaction did.
    ///
    /// # Errors
    /// `TransactionGone`.
    async fn rollback(&self, caller: &SqlCaller, transaction: &str) -> Result<(), SqlError>;

    /// A call has ended: what it left open is rolled back. Returns at once.
    fn end_invocation(&self, invocation: &str);
}
