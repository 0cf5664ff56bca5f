//! The framework's own tables (users, sessions, organisations, …) in the database of an application.

use sql::scripts::{ScriptDatabase, ScriptError, Scripts};
use std::sync::Arc;

/// Stands before the names of the framework's migrations in `_migrations`.
const PREFIX: &str = "bunbase/";
const SQLITE: &[(&str, &str)] =
    &[("0001_framework", include_str!("../../migrations/sqlite/0001_framework.sql"))];
const POSTGRES: &[(&str, &str)] =
    &[("0001_framework", include_str!("../../migrations/postgres/0001_framework.sql"))];

/// Brings the framework's tables of a database up to date; an application's own migrations come after them.
///
/// # Errors
/// The database was written by a newer program, or failed.
pub async fn framework_up(database: &mut ScriptDatabase) -> Result<(), ScriptError> {
    let texts = match database {
        ScriptDatabase::Sqlite(_) => SQLITE,
        ScriptDatabase::Postgres(_) => POSTGRES,
    };
    let scripts = Arc::new(Scripts::embedded(PREFIX, texts)?);
    database.up(&scripts, |name| tracing::debug!(name, "migration applied")).await
}
