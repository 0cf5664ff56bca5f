//! A statement with its values, for either store.

use crate::error::SqlError;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgConnection, PgRow, Postgres};
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments as _, AssertSqlSafe, Encode, FromRow, Sqlite, Type};
use std::borrow::Cow;

/// A row that either store gives.
pub trait FromEither: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}
impl<T> FromEither for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

/// A value that either store takes.
pub trait ToEither<'v>: Encode<'v, Sqlite> + Type<Sqlite> + Encode<'v, Postgres> + Type<Postgres> {}
impl<'v, T> ToEither<'v> for T where
    T: Encode<'v, Sqlite> + Type<Sqlite> + Encode<'v, Postgres> + Type<Postgres>
{
}

/// Where a statement runs.
pub(super) enum On<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

enum Values {
    Sqlite(SqliteArguments),
    Postgres(PgArguments),
}

/// A statement. Its text is the program's own; everything else is a value.
pub struct Query<'c> {
    on: On<'c>,
    text: Cow<'static, str>,
    values: Result<Values, BoxDynError>,
    count: usize,
}

/// Runs a statement on whichever connection it has.
macro_rules! run {
    ($query:expr, $make:path, $run:ident) => {{
        let Query { on, text, values, .. } = $query;
        let text = AssertSqlSafe(text.into_owned());
        match (on, values.map_err(sqlx::Error::Encode)?) {
            (On::Sqlite(connection), Values::Sqlite(values)) => {
                $make(text, values).$run(connection).await.map_err(SqlError::from)
            }
            (On::Postgres(connection), Values::Postgres(values)) => {
                $make(text, values).$run(connection).await.map_err(from_postgres)
            }
            _ => Err(SqlError::from(sqlx::Error::WorkerCrashed)),
        }
    }};
}

impl<'c> Query<'c> {
    pub(super) fn new(on: On<'c>, text: Cow<'static, str>) -> Self {
        let values = match &on {
            On::Sqlite(_) => Values::Sqlite(SqliteArguments::default()),
            On::Postgres(_) => Values::Postgres(PgArguments::default()),
        };
        Self { on, text, values: Ok(values), count: 0 }
    }

    /// The next value.
    #[must_use]
    pub fn bind<'v>(mut self, value: impl ToEither<'v>) -> Self {
        self.count += 1;
        if let Ok(values) = &mut self.values {
            let added = match values {
                Values::Sqlite(values) => values.add(value),
                Values::Postgres(values) => values.add(value),
            };
            if let Err(error) = added {
                self.values = Err(error);
            }
        }
        self
    }

    /// More text.
    #[must_use]
    pub fn push(mut self, text: &str) -> Self {
        self.text.to_mut().push_str(text);
        self
    }

    /// The next value, and its place in the text.
    #[must_use]
    pub fn push_bind<'v>(mut self, value: impl ToEither<'v>) -> Self {
        let place = self.count + 1;
        self.text.to_mut().push_str(&format!("${place}"));
        self.bind(value)
    }

    /// A comma, the next value, and its place in the text.
    #[must_use]
    pub fn push_next<'v>(self, value: impl ToEither<'v>) -> Self {
        self.push(", ").push_bind(value)
    }

    /// ` IN` and a list of texts. On PostgreSQL it is one value, so that the statement is the same for each length.
    #[must_use]
    pub fn push_list(mut self, list: &[&str]) -> Self {
        if matches!(self.on, On::Postgres(_)) {
            let place = self.count + 1;
            return self.push(&format!(" = ANY (${place})")).bind_list(list);
        }
        for (place, text) in list.iter().enumerate() {
            self = self.push(if place == 0 { " IN (" } else { ", " }).push_bind(*text);
        }
        self.push(")")
    }

    /// The next value: a list of texts, which PostgreSQL alone takes.
    #[must_use]
    pub fn bind_list(mut self, list: &[&str]) -> Self {
        self.count += 1;
        if let Ok(Values::Postgres(values)) = &mut self.values
            && let Err(error) = values.add(list)
        {
            self.values = Err(error);
        }
        self
    }

    /// Runs it; says how many rows it changed.
    ///
    /// # Errors
    /// The store refused it, or failed.
    pub async fn execute(self) -> Result<u64, SqlError> {
        let Query { on, text, values, .. } = self;
        let text = AssertSqlSafe(text.into_owned());
        match (on, values.map_err(sqlx::Error::Encode)?) {
            (On::Sqlite(connection), Values::Sqlite(values)) => {
                Ok(sqlx::query_with(text, values).execute(connection).await?.rows_affected())
            }
            (On::Postgres(connection), Values::Postgres(values)) => {
                let done = sqlx::query_with(text, values).execute(connection).await;
                Ok(done.map_err(from_postgres)?.rows_affected())
            }
            _ => Err(SqlError::from(sqlx::Error::WorkerCrashed)),
        }
    }

    /// All rows.
    ///
    /// # Errors
    /// The store refused it, or failed.
    pub async fn all<T: FromEither>(self) -> Result<Vec<T>, SqlError> {
        run!(self, sqlx::query_as_with, fetch_all)
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// The store refused it, or failed.
    pub async fn optional<T: FromEither>(self) -> Result<Option<T>, SqlError> {
        run!(self, sqlx::query_as_with, fetch_optional)
    }

    /// The one row.
    ///
    /// # Errors
    /// There is none; the store refused it, or failed.
    pub async fn one<T: FromEither>(self) -> Result<T, SqlError> {
        run!(self, sqlx::query_as_with, fetch_one)
    }
}

/// What an error of PostgreSQL means.
pub(super) fn from_postgres(error: sqlx::Error) -> SqlError {
    use sqlx::Error::{Database, Io, PoolClosed, PoolTimedOut, Protocol, Tls};
    match &error {
        Io(_) | Tls(_) | PoolTimedOut | PoolClosed | Protocol(_) => SqlError::Unreachable(error),
        Database(database) => match database.code().as_deref().unwrap_or_default() {
            // Serialization failure, deadlock, lock not available.
            "40001" | "40P01" | "55P03" => SqlError::Raced(error),
            "53100" => SqlError::DiskFull(error),
            // Too many connections; cancelled, shut down, crashed, starting; a transaction that stood still.
            "53300" | "57014" | "57P01" | "57P02" | "57P03" | "25P03" => SqlError::Unreachable(error),
            code if code.starts_with("08") => SqlError::Unreachable(error),
            _ => SqlError::from(error),
        },
        _ => SqlError::from(error),
    }
}
