//! A store whose tables are in an SQLite file of one process, or in a schema of PostgreSQL that several processes
//! share. One statement text for both, with `$1`, `$2`, …; what differs is [`Dialect`].
//!
//! What must hold: an address is a secret, and in no error and no log. On PostgreSQL a committed transaction is on disk
//! before `commit` returns (`synchronous_commit = on`), sees what others committed before each of its statements (read
//! committed), and does not outlive a process that stands still (`idle_in_transaction_session_timeout`).

mod migrate;
mod query;

use crate::database::{Database, Write};
use crate::error::SqlError;
use crate::migrate::Migration;
use crate::postgres::{CONNECT_TIMEOUT, options};
pub use query::{FromEither, Query, ToEither};
use query::{On, from_postgres};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgListener, PgPool, PgPoolOptions, Postgres};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Sqlite};
use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections for reading, and for listening.
const READERS_MAX: u32 = 5;
/// Statements of one connection that stay prepared: an `INSERT` is another one for each number of rows.
const STATEMENTS_MAX: usize = 256;
/// Settings of each connection: how long a statement may take, and how long a transaction may wait for its process. Every
/// statement here has an index. Without `enable_seqscan` off, what is prepared while a table is empty goes on reading the
/// whole of it, for as long as the connection lives.
const SETTINGS: [(&str, &str); 5] = [
    ("enable_seqscan", "off"),
    ("synchronous_commit", "on"),
    ("default_transaction_isolation", "read committed"),
    ("statement_timeout", "30s"),
    ("idle_in_transaction_session_timeout", "30s"),
];

/// Which of the two it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// An SQLite file.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl Dialect {
    /// Ends a `SELECT` whose rows nobody else may change until the transaction ends; it waits for who does.
    pub fn for_update(self) -> &'static str {
        self.choose("", " FOR UPDATE")
    }

    /// Ends a `SELECT` of rows for this transaction alone: those that another one has are left out.
    pub fn skip_locked(self) -> &'static str {
        self.choose("", " FOR UPDATE SKIP LOCKED")
    }

    /// A column of no bytes.
    pub fn no_bytes(self) -> &'static str {
        self.choose("x''", "''::bytea")
    }

    fn choose(self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite => sqlite,
            Self::Postgres => postgres,
        }
    }
}

/// An SQLite file, or a schema of PostgreSQL.
#[derive(Debug, Clone)]
pub enum SharedDatabase {
    /// A file, which belongs to this process.
    Sqlite(Database),
    /// A schema, which other processes use too.
    Postgres(Arc<PostgresSchema>),
}

impl From<Database> for SharedDatabase {
    fn from(database: Database) -> Self {
        Self::Sqlite(database)
    }
}

impl SharedDatabase {
    /// A schema of the PostgreSQL at `url`, made where it is missing.
    ///
    /// # Errors
    /// The address is none, it cannot be reached, or the schema may not be made.
    pub async fn postgres(url: &str, schema: &'static str) -> Result<Self, SqlError> {
        let options = options(url).map_err(SqlError::Unreachable)?;
        let options = options.options([("search_path", schema)]).options(SETTINGS);
        let options = options.statement_cache_capacity(STATEMENTS_MAX).disable_statement_logging();
        let readers = PgPoolOptions::new()
            .max_connections(READERS_MAX)
            .acquire_timeout(CONNECT_TIMEOUT)
            .connect_lazy_with(options.clone());
        let own = Arc::new(PostgresSchema { schema, options, readers, idle: Mutex::default() });
        migrate::make_schema(&own).await?;
        Ok(Self::Postgres(own))
    }

    /// Which of the two it is.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Brings the tables of `owner` up to date; of several processes one does it. The text is SQLite's, with the types
    /// `TEXT`, `INTEGER` and `BLOB`.
    ///
    /// # Errors
    /// The store is newer than this program, a migration was changed, or a statement failed.
    pub async fn migrate(&self, owner: &'static str, migrations: &[Migration]) -> Result<(), SqlError> {
        match self {
            Self::Sqlite(database) => database.migrate(owner, migrations).await,
            Self::Postgres(schema) => migrate::run(schema, owner, migrations).await,
        }
    }

    /// A connection for statements that only read.
    ///
    /// # Errors
    /// None can be had.
    pub async fn read(&self) -> Result<SharedRead, SqlError> {
        Ok(match self {
            Self::Sqlite(database) => SharedRead::Sqlite(database.read().acquire().await?),
            Self::Postgres(schema) => {
                SharedRead::Postgres(schema.readers.acquire().await.map_err(from_postgres)?)
            }
        })
    }

    /// A transaction. Those of one process are for one task, which has one at a time.
    ///
    /// # Errors
    /// It cannot be begun.
    pub async fn write(&self) -> Result<SharedWrite, SqlError> {
        Ok(match self {
            Self::Sqlite(database) => SharedWrite::Sqlite(database.write().await?),
            Self::Postgres(schema) => SharedWrite::Postgres(schema.begin().await?),
        })
    }

    /// Closes every connection.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(database) => database.close().await,
            Self::Postgres(schema) => {
                schema.readers.close().await;
                drop(schema.idle().take());
            }
        }
    }
}

/// A schema of PostgreSQL.
pub struct PostgresSchema {
    schema: &'static str,
    options: PgConnectOptions,
    readers: PgPool,
    /// The connection that writes, between two transactions.
    idle: Mutex<Option<PgConnection>>,
}

impl PostgresSchema {
    /// A connection that hears what is said on a channel (`NOTIFY`).
    ///
    /// # Errors
    /// None can be had.
    pub async fn listen(&self, channel: &str) -> Result<PgListener, SqlError> {
        let listen = async {
            let mut listener = PgListener::connect_with(&self.readers).await?;
            listener.listen(channel).await?;
            Ok(listener)
        };
        listen.await.map_err(from_postgres)
    }

    fn idle(&self) -> MutexGuard<'_, Option<PgConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(&self) -> Result<PgConnection, SqlError> {
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, self.options.connect()).await;
        connected.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(SqlError::Unreachable)
    }

    /// On the connection of the transaction before, if it still works.
    async fn begin(self: &Arc<Self>) -> Result<PostgresWrite, SqlError> {
        let begun = |connection| PostgresWrite { connection, schema: self.clone() };
        let idle = self.idle().take();
        if let Some(mut write) = idle.map(begun)
            && write.run("BEGIN").await.is_ok()
        {
            return Ok(write);
        }
        let mut write = begun(self.connect().await?);
        write.run("BEGIN").await?;
        Ok(write)
    }
}

impl fmt::Debug for PostgresSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresSchema").field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// A connection that reads.
#[derive(Debug)]
pub enum SharedRead {
    /// Of the file's readers.
    Sqlite(PoolConnection<Sqlite>),
    /// Of the schema's readers.
    Postgres(PoolConnection<Postgres>),
}

impl SharedRead {
    /// A statement.
    pub fn query(&mut self, text: impl Into<Cow<'static, str>>) -> Query<'_> {
        let on = match self {
            Self::Sqlite(connection) => On::Sqlite(connection),
            Self::Postgres(connection) => On::Postgres(connection),
        };
        Query::new(on, text.into())
    }

    /// Which of the two it is.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }
}

/// A transaction; taken back unless `commit` is called.
#[derive(Debug)]
pub enum SharedWrite {
    /// On the file's one writing connection.
    Sqlite(Write),
    /// In the schema.
    Postgres(PostgresWrite),
}

/// A transaction of PostgreSQL. Where it is dropped its connection goes with it.
#[derive(Debug)]
pub struct PostgresWrite {
    connection: PgConnection,
    schema: Arc<PostgresSchema>,
}

impl PostgresWrite {
    fn query(&mut self, text: impl Into<Cow<'static, str>>) -> Query<'_> {
        Query::new(On::Postgres(&mut self.connection), text.into())
    }

    /// Statements without values.
    async fn run(&mut self, text: &str) -> Result<(), SqlError> {
        let statements = sqlx::raw_sql(AssertSqlSafe(text.to_owned()));
        statements.execute(&mut self.connection).await.map(|_| ()).map_err(from_postgres)
    }

    async fn commit(mut self) -> Result<(), SqlError> {
        self.run("COMMIT").await?;
        *self.schema.idle() = Some(self.connection);
        Ok(())
    }
}

impl SharedWrite {
    /// A statement.
    pub fn query(&mut self, text: impl Into<Cow<'static, str>>) -> Query<'_> {
        match self {
            Self::Sqlite(write) => Query::new(On::Sqlite(write), text.into()),
            Self::Postgres(write) => write.query(text),
        }
    }

    /// Which of the two it is.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Keeps what was written.
    ///
    /// # Errors
    /// It failed; where the connection was lost it may be kept or not.
    pub async fn commit(self) -> Result<(), SqlError> {
        match self {
            Self::Sqlite(write) => Ok(write.commit().await?),
            Self::Postgres(write) => write.commit().await,
        }
    }
}
