//! One SQLite file: a pool of readers and one writing connection.

use crate::error::{SqlError, is_damage};
use crate::migrate::{self, Migration};
use sqlx::Connection as _;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Connections that read.
const READERS_MAX: u32 = 4;
/// How long a statement waits for another process's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What a committed transaction survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Power loss: fsync before `commit` returns (`synchronous=FULL`).
    Full,
    /// `kill -9`; after power loss the last moments may be missing (`synchronous=NORMAL`).
    Normal,
}

/// A transaction that writes; rolled back unless `commit` is called.
pub type Write = sqlx::Transaction<'static, sqlx::Sqlite>;

/// Whether a connection may be used again. When the disk is full SQLite takes a transaction back by itself;
/// the connection then still counts it as open, and would refuse to begin another.
async fn whole(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// One SQLite file.
#[derive(Debug, Clone)]
pub struct Database {
    path: PathBuf,
    readers: SqlitePool,
    writer: SqlitePool,
}

impl Database {
    /// Opens the file, making it where it is missing.
    ///
    /// # Errors
    /// It cannot be opened, or is damaged.
    pub async fn open(path: &Path, durability: Durability) -> Result<Self, SqlError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(match durability {
                Durability::Full => SqliteSynchronous::Full,
                Durability::Normal => SqliteSynchronous::Normal,
            })
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let open = |options: SqliteConnectOptions, connections: u32| async move {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .idle_timeout(None)
                .max_lifetime(None)
                .after_release(|connection, _| Box::pin(whole(connection)))
                .connect_with(options)
                .await
        };
        let failed = |source: sqlx::Error| {
            let path = path.display().to_string();
            if is_damage(&source) {
                SqlError::Damaged { path, source }
            } else {
                SqlError::Open { path, source }
            }
        };
        let writer = open(options.clone(), 1).await.map_err(failed)?;
        let readers = open(options, READERS_MAX).await.map_err(failed)?;
        Ok(Self { path: path.to_owned(), readers, writer })
    }

    /// Brings the tables of `owner` up to date. Several owners may share a file.
    ///
    /// # Errors
    /// The file is newer than this program, a migration was changed, or a statement failed.
    pub async fn migrate(&self, owner: &'static str, migrations: &[Migration]) -> Result<(), SqlError> {
        migrate::run(self, owner, migrations).await
    }

    /// Connections for statements that only read.
    pub fn read(&self) -> &SqlitePool {
        &self.readers
    }

    /// A transaction on the one writing connection; waits for the one before it.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn write(&self) -> Result<Write, SqlError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the writer to end, then closes every connection.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}
