//! PostgreSQL that an application names: a small pool for the platform's own statements in it, and single connections
//! for migrations. (What the application itself asks for goes through the pool of its own process.)
//!
//! What must hold: an address is a secret, and in no error and no log; what it does not say never comes from the
//! environment or the files of this server.

use crate::confined::Value;
use crate::reach::{Reach, bounded};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgRow, Postgres};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Column as _, Connection as _, Row as _, TypeInfo as _};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use url::Url;

/// Connections of one pool.
pub const CONNECTIONS_MAX: u32 = 5;
/// How long a connection is waited for, and made.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection stays that nobody uses.
const IDLE_MAX: Duration = Duration::from_secs(300);
/// How long a statement may take.
const QUERY_TIME_MAX: Duration = Duration::from_secs(10);

/// How long the address of a host holds that was checked.
const CHECKED_FOR: Duration = Duration::from_secs(30);

/// A pool of connections; the first is made when it is needed.
pub struct PostgresPool {
    pool: PgPool,
    guarded: Option<Guarded>,
}

/// An address that is checked again and again: its name may come to mean another host.
struct Guarded {
    url: SecretString,
    reach: Arc<dyn Reach>,
    checked: Mutex<Option<Instant>>,
}

impl Guarded {
    async fn check(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        let mut checked = self.checked.lock().await;
        if checked.is_none_or(|at| at.elapsed() >= CHECKED_FOR) {
            let url = self.url.expose_secret();
            pool.set_connect_options(bounded(options(url)?, url, &self.reach).await?);
            *checked = Some(Instant::now());
        }
        Ok(())
    }
}

impl PostgresPool {
    /// Nothing is connected yet. With `reach` it goes only where that lets it.
    ///
    /// # Errors
    /// The address is none.
    pub fn new(url: &str, reach: Option<Arc<dyn Reach>>) -> Result<Self, sqlx::Error> {
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(CONNECT_TIMEOUT)
            .idle_timeout(IDLE_MAX);
        let guarded = reach.map(|reach| Guarded { url: url.into(), reach, checked: Mutex::default() });
        Ok(Self { pool: pool.connect_lazy_with(options(url)?), guarded })
    }

    /// Runs one statement with the values of `?1`, `?2`, …; its columns are texts and integers.
    ///
    /// # Errors
    /// The database cannot be reached, or refuses it.
    pub async fn query(&self, sql: &str, values: Vec<Value>) -> Result<Vec<Vec<Value>>, sqlx::Error> {
        if let Some(guarded) = &self.guarded {
            guarded.check(&self.pool).await?;
        }
        let text = sql.replace('?', "$");
        let query = values.into_iter().fold(sqlx::query(AssertSqlSafe(text)), bound);
        let rows = tokio::time::timeout(QUERY_TIME_MAX, query.fetch_all(&self.pool));
        rows.await.unwrap_or_else(|_| Err(timed_out()))?.iter().map(read).collect()
    }
}

/// A connection of its own.
pub(crate) async fn connect(url: &str, reach: Option<&Arc<dyn Reach>>) -> Result<PgConnection, sqlx::Error> {
    let options = match reach {
        Some(reach) => bounded(options(url)?, url, reach).await?,
        None => options(url)?,
    };
    let connection = tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(&options)).await;
    connection.unwrap_or_else(|_| Err(timed_out()))
}

/// Without a password in the address there is none: sqlx would take that of the server's own `PGPASSWORD` or
/// `~/.pgpass` to whatever host the address names.
pub(crate) fn options(url: &str) -> Result<PgConnectOptions, sqlx::Error> {
    let options: PgConnectOptions = url.parse()?;
    let parsed = Url::parse(url).map_err(|error| sqlx::Error::Configuration(Box::new(error)))?;
    let has_password = parsed.password().is_some() || parsed.query_pairs().any(|(key, _)| key == "password");
    Ok(if has_password { options } else { options.password("") })
}

pub(crate) fn timed_out() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "PostgreSQL did not answer in time"))
}

fn bound<'q>(query: Query<'q, Postgres, PgArguments>, value: Value) -> Query<'q, Postgres, PgArguments> {
    match value {
        Value::Null => query.bind(None::<String>),
        Value::Integer(number) => query.bind(number),
        Value::Real(number) => query.bind(number),
        Value::Text(text) => query.bind(text),
        Value::Blob(bytes) => query.bind(bytes),
    }
}

fn read(row: &PgRow) -> Result<Vec<Value>, sqlx::Error> {
    let value = |column: &sqlx::postgres::PgColumn| {
        let at = column.ordinal();
        Ok(match column.type_info().name() {
            "INT8" => row.try_get::<Option<i64>, _>(at)?.map_or(Value::Null, Value::Integer),
            _ => row.try_get::<Option<String>, _>(at)?.map_or(Value::Null, Value::Text),
        })
    };
    row.columns().iter().map(value).collect()
}
