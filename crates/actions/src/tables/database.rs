//! Where the tables of one application are: in the file of its project, or in the PostgreSQL that it names. What the
//! stages ask for is the same text for both.

use super::{Tables, framework_up, of_value, to_value};
use crate::directory::DirectoryError;
use ports::sql::{Sql as _, SqlCaller, SqlStatement, SqlValue};
use secrecy::{ExposeSecret as _, SecretString};
use service_kit::error::{Classify as _, ErrorCode};
use service_kit::ids::ProjectId;
use sql::Reach;
use sql::postgres::PostgresPool;
use sql::scripts::{ScriptDatabase, ScriptError, Scripts};
use std::sync::Arc;

/// SQLSTATE 53100.
const DISK_FULL: &str = "53100";

/// The database of one application.
pub enum ApplicationDatabase {
    /// `app.db` of a project.
    File(Arc<Tables>, SqlCaller),
    /// Another one; with its address and where it may be, for connections that migrate.
    Postgres(PostgresPool, SecretString, Option<Arc<dyn Reach>>),
}

impl ApplicationDatabase {
    /// That of `project`, where no PostgreSQL is named; one that is goes where `reach` lets it. Nothing is opened yet.
    ///
    /// # Errors
    /// The address of PostgreSQL is none.
    pub fn new(
        (tables, project): (&Arc<Tables>, &ProjectId),
        postgres: Option<SecretString>,
        reach: Option<Arc<dyn Reach>>,
    ) -> Result<Self, ScriptError> {
        Ok(match postgres {
            None => Self::File(tables.clone(), SqlCaller { project: project.clone(), invocation: None }),
            Some(url) => Self::Postgres(PostgresPool::new(url.expose_secret(), reach.clone())?, url, reach),
        })
    }

    /// Brings the framework's tables up to date, and then applies what is new of `scripts`.
    ///
    /// # Errors
    /// Why the first that was not applied was not; those before it are.
    pub async fn migrate(&self, scripts: &Arc<Scripts>) -> Result<(), ScriptError> {
        let mut database = match self {
            Self::File(tables, caller) => {
                let path = || Tables::path(&tables.directory, &caller.project).display().to_string();
                let file = tables.file(&caller.project).await;
                ScriptDatabase::Sqlite(file.map_err(|source| ScriptError::Read { path: path(), source })?)
            }
            Self::Postgres(_, url, reach) => {
                ScriptDatabase::postgres(url.expose_secret(), reach.as_ref()).await?
            }
        };
        framework_up(&mut database).await?;
        database.up(scripts, |name| tracing::info!(name, "migration applied")).await
    }

    /// The rows of one statement with the values of `?1`, `?2`, ….
    pub(super) async fn rows(
        &self,
        sql: &str,
        params: Vec<SqlValue>,
    ) -> Result<Vec<Vec<SqlValue>>, DirectoryError> {
        match self {
            Self::File(tables, caller) => {
                let statement = SqlStatement { sql: sql.to_owned(), params };
                let answer = tables.query(caller, statement, None).await;
                Ok(answer.map_err(|error| DirectoryError::new(told_as(error.code()), error))?.rows)
            }
            Self::Postgres(pool, ..) => {
                let rows = pool.query(sql, params.into_iter().map(to_value).collect()).await;
                let rows = rows.map_err(|error| DirectoryError::new(code(&error), error))?;
                Ok(rows.into_iter().map(|row| row.into_iter().map(of_value).collect()).collect())
            }
        }
    }
}

/// What whoever calls the application is told: the statements are not theirs.
fn told_as(code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::Busy | ErrorCode::DiskFull | ErrorCode::Unavailable => code,
        _ => ErrorCode::Internal,
    }
}

/// A connection that is not to be had may be there the next time; SQLSTATE 08 and 57P are of such as break off.
fn code(error: &sqlx::Error) -> ErrorCode {
    let state = error.as_database_error().and_then(|error| error.code().map(|code| code.into_owned()));
    match (error, state.as_deref()) {
        (_, Some(DISK_FULL)) => ErrorCode::DiskFull,
        (_, Some(state)) if !state.starts_with("08") && !state.starts_with("57P") => ErrorCode::Internal,
        (sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::Encode(_), _) => {
            ErrorCode::Internal
        }
        _ => ErrorCode::Unavailable,
    }
}
