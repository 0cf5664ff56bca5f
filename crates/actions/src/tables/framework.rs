//! The framework's own tables (users, sessions, organisations, …) in the database of an application.

use super::Tables;
use ports::sql::SqlError;
use service_kit::ids::ProjectId;
use sql::scripts::{ScriptDatabase, ScriptError, Scripts};
use std::sync::Arc;

/// Stands before the names of the framework's migrations in `_migrations`.
const PREFIX: &str = "bunbase/";
const SQLITE: &[(&str, &str)] =
    &[("0001_framework", include_str!("../../migrations/sqlite/0001_framework.sql"))];
const POSTGRES: &[(&str, &str)] =
    &[("0001_framework", include_str!("../../migrations/postgres/0001_framework.sql"))];

impl Tables {
    /// Brings the framework's tables of a project up to date.
    ///
    /// # Errors
    /// The database was written by a newer program, or failed.
    pub async fn ensure_framework_tables(&self, project: &ProjectId) -> Result<(), SqlError> {
        let mut database = ScriptDatabase::Sqlite(self.file(project).await?);
        Self::framework_up(&mut database).await.map_err(|error| SqlError::Failed(Box::new(error)))
    }

    /// Brings the framework's tables of a database up to date, before an application's own.
    ///
    /// # Errors
    /// As `ensure_framework_tables`.
    pub async fn framework_up(database: &mut ScriptDatabase) -> Result<(), ScriptError> {
        let texts = match database {
            ScriptDatabase::Sqlite(_) => SQLITE,
            ScriptDatabase::Postgres(_) => POSTGRES,
        };
        let scripts = Arc::new(Scripts::embedded(PREFIX, texts)?);
        database.up(&scripts, |name| tracing::debug!(name, "migration applied")).await
    }
}
