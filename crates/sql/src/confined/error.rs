//! What can go wrong with a statement that somebody else wrote.

use rusqlite::{Error, ErrorCode as Primary, ffi};

/// Why a statement, or a transaction, did not do what it says.
#[derive(Debug, thiserror::Error)]
pub enum ConfinedError {
    /// The statement is wrong, breaks a constraint, or may not be run here; for whoever wrote it.
    #[error("{message}")]
    Statement {
        /// SQLite's words, or ours.
        message: String,
        /// The name of SQLite's extended result code, such as `SQLITE_CONSTRAINT_CHECK`.
        code: &'static str,
    },
    /// A unique key is taken, or a foreign key has nothing at its other end.
    #[error("{message}")]
    Violation {
        /// SQLite's words; they name the columns.
        message: String,
        /// As in `Statement`.
        code: &'static str,
    },
    /// Others write, and have not ended in time.
    #[error(
        "another transaction is writing: try again, and pass `transaction` with the statements that belong to one"
    )]
    Busy,
    /// The result is larger than it may be.
    #[error("the result has more than {rows} rows, or more than {bytes} bytes: read it in pages (`LIMIT`)")]
    TooLarge {
        /// Rows that it may have.
        rows: usize,
        /// Bytes that its values may have.
        bytes: usize,
    },
    /// The disk, or the database, is full.
    #[error("the disk is full, or the database is as large as it may be: delete something, and try again")]
    Full,
    /// The file was closed, or its project is being removed.
    #[error("the database is closed")]
    Closed,
    /// The file cannot be used.
    #[error("the database file cannot be used")]
    File(#[source] rusqlite::Error),
}

impl ConfinedError {
    /// An error in the caller's words to SQLite that SQLite itself does not find.
    pub(super) fn misuse(message: impl Into<String>) -> Self {
        Self::Statement { message: message.into(), code: "SQLITE_MISUSE" }
    }
}

/// Names of the extended result codes that callers tell apart; the others have that of their primary code.
const NAMES: &[(i32, &str)] = &[
    (ffi::SQLITE_CONSTRAINT_CHECK, "SQLITE_CONSTRAINT_CHECK"),
    (ffi::SQLITE_CONSTRAINT_FOREIGNKEY, "SQLITE_CONSTRAINT_FOREIGNKEY"),
    (ffi::SQLITE_CONSTRAINT_NOTNULL, "SQLITE_CONSTRAINT_NOTNULL"),
    (ffi::SQLITE_CONSTRAINT_PRIMARYKEY, "SQLITE_CONSTRAINT_PRIMARYKEY"),
    (ffi::SQLITE_CONSTRAINT_ROWID, "SQLITE_CONSTRAINT_ROWID"),
    (ffi::SQLITE_CONSTRAINT_TRIGGER, "SQLITE_CONSTRAINT_TRIGGER"),
    (ffi::SQLITE_CONSTRAINT_UNIQUE, "SQLITE_CONSTRAINT_UNIQUE"),
    (ffi::SQLITE_CONSTRAINT_DATATYPE, "SQLITE_CONSTRAINT_DATATYPE"),
    (ffi::SQLITE_CONSTRAINT, "SQLITE_CONSTRAINT"),
    (ffi::SQLITE_AUTH, "SQLITE_AUTH"),
    (ffi::SQLITE_INTERRUPT, "SQLITE_INTERRUPT"),
    (ffi::SQLITE_MISMATCH, "SQLITE_MISMATCH"),
    (ffi::SQLITE_RANGE, "SQLITE_RANGE"),
    (ffi::SQLITE_READONLY, "SQLITE_READONLY"),
    (ffi::SQLITE_TOOBIG, "SQLITE_TOOBIG"),
];

/// What the authorizer refuses, in words.
const REFUSED: &str = "this is not allowed here: ATTACH, DETACH, VACUUM, temporary tables, loading of extensions, \
    PRAGMAs that change how the database works, and BEGIN, COMMIT and ROLLBACK (there are calls for these)";

fn name(extended: i32) -> &'static str {
    let find = |code: i32| NAMES.iter().find(|(known, _)| *known == code).map(|(_, name)| *name);
    find(extended).or_else(|| find(extended & 0xFF)).unwrap_or("SQLITE_ERROR")
}

impl From<Error> for ConfinedError {
    fn from(error: Error) -> Self {
        let (failure, message) = match &error {
            Error::SqliteFailure(failure, message) => (*failure, message.clone()),
            Error::SqlInputError { error, msg, .. } => (*error, Some(msg.clone())),
            Error::MultipleStatement => {
                return Self::misuse("one statement at a time: use a batch for several");
            }
            other => return Self::misuse(other.to_string()),
        };
        let message = message.unwrap_or_else(|| failure.to_string());
        let code = name(failure.extended_code);
        match failure.code {
            Primary::DatabaseBusy | Primary::DatabaseLocked => Self::Busy,
            Primary::DiskFull => Self::Full,
            Primary::AuthorizationForStatementDenied => Self::Statement { message: REFUSED.to_owned(), code },
            Primary::ConstraintViolation => match failure.extended_code {
                ffi::SQLITE_CONSTRAINT_FOREIGNKEY
                | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
                | ffi::SQLITE_CONSTRAINT_ROWID
                | ffi::SQLITE_CONSTRAINT_UNIQUE => Self::Violation { message, code },
                _ => Self::Statement { message, code },
            },
            Primary::CannotOpen
            | Primary::DatabaseCorrupt
            | Primary::FileLockingProtocolFailed
            | Primary::InternalMalfunction
            | Primary::NotADatabase
            | Primary::OutOfMemory
            | Primary::PermissionDenied
            | Primary::SystemIoFailure => Self::File(error),
            _ => Self::Statement { message, code },
        }
    }
}
