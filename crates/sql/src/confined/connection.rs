//! A connection that keeps what others wrote inside its one file.

use super::error::ConfinedError;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a statement waits for another process's lock.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two attempts at what SQLite does not wait for by itself.
const BUSY_PAUSE: Duration = Duration::from_millis(5);
/// Bytes of one statement.
const SQL_BYTES_MAX: i32 = 1 << 20;
/// Bytes of one value, and of one row.
const VALUE_BYTES_MAX: i32 = 8 << 20;
/// Pages of 4 KiB of one file: 8 GiB.
const PAGES_MAX: i64 = 2 << 20;
/// Prepared statements that a connection keeps.
const STATEMENTS_KEPT: usize = 64;

/// PRAGMAs that only look, or that end with the transaction.
const PRAGMAS: &[&str] = &[
    "defer_foreign_keys",
    "foreign_key_check",
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
    "user_version",
];

/// A connection, and the switch that lets our own statements through.
pub(super) struct Confined {
    connection: Connection,
    ours: Arc<AtomicBool>,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading; it never waits for a writer.
    Read,
    /// Writing; one at a time.
    Write,
}

impl Confined {
    /// Opens the file; a connection that writes makes it where it is missing.
    pub(super) fn open(path: &Path, access: Access) -> Result<Self, ConfinedError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let flags = if access == Access::Write { flags | OpenFlags::SQLITE_OPEN_CREATE } else { flags };
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        match access {
            Access::Read => connection.execute_batch("PRAGMA query_only = ON")?,
            Access::Write => {
                log_ahead(&connection)?;
                connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")?;
            }
        }
        connection.pragma_update(None, "max_page_count", PAGES_MAX)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        connection.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, SQL_BYTES_MAX)?;
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        let ours = Arc::new(AtomicBool::new(false));
        let is_ours = ours.clone();
        connection.authorizer(Some(move |asked: AuthContext<'_>| {
            if is_ours.load(Ordering::Relaxed) { Authorization::Allow } else { judge(&asked.action) }
        }))?;
        Ok(Self { connection, ours })
    }

    /// For statements of others.
    pub(super) fn theirs(&self) -> &Connection {
        &self.connection
    }

    /// Runs a statement of ours, which the authorizer lets through.
    pub(super) fn ours(&self, sql: &str) -> Result<(), ConfinedError> {
        self.ours.store(true, Ordering::Relaxed);
        let done = self.connection.execute_batch(sql);
        self.ours.store(false, Ordering::Relaxed);
        Ok(done?)
    }

    /// Whether no transaction is open: a statement that failed may have ended it.
    pub(super) fn is_over(&self) -> bool {
        self.connection.is_autocommit()
    }

    /// Takes back what was not committed. Cheap: what a transaction wrote is forgotten in the log (WAL).
    pub(super) fn reset(&self) -> Result<(), ConfinedError> {
        if self.connection.is_autocommit() { Ok(()) } else { self.ours("ROLLBACK") }
    }
}

/// Has the file's writes go to a log first (WAL). Of two that open a new file at once SQLite refuses one without
/// waiting: each holds what the other needs to turn the file around.
fn log_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let until = Instant::now() + BUSY_TIMEOUT;
    loop {
        match connection.execute_batch("PRAGMA journal_mode = WAL") {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && Instant::now() < until =>
            {
                std::thread::sleep(BUSY_PAUSE);
            }
            done => return done,
        }
    }
}

/// Whether a statement of somebody else may do this: it stays in the one file, and leaves the connection as it was.
fn judge(action: &AuthAction<'_>) -> Authorization {
    let allowed = match action {
        AuthAction::Attach { .. }
        | AuthAction::Detach { .. }
        | AuthAction::Transaction { .. }
        | AuthAction::CreateTempIndex { .. }
        | AuthAction::CreateTempTable { .. }
        | AuthAction::CreateTempTrigger { .. }
        | AuthAction::CreateTempView { .. }
        | AuthAction::Unknown { .. } => false,
        AuthAction::Pragma { pragma_name, .. } => {
            PRAGMAS.contains(&pragma_name.to_ascii_lowercase().as_str())
        }
        AuthAction::Function { function_name } => !function_name.eq_ignore_ascii_case("load_extension"),
        _ => true,
    };
    if allowed { Authorization::Allow } else { Authorization::Deny }
}
