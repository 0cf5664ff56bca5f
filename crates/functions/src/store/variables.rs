//! Rows of environment variables. Values are sealed before they come here.

use crate::error::FunctionsError;
use service_kit::ids::{FunctionId, ProjectId};
use sql::Database;
use sqlx::FromRow;

/// Whose variables.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    /// Those that every function of the project has.
    Project,
    /// One function's own.
    Function(FunctionId),
}

impl Scope {
    /// As it is stored, and part of what binds a sealed value.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Project => "",
            Self::Function(id) => id.as_str(),
        }
    }
}

/// A variable.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct VariableRow {
    pub(crate) scope: String,
    pub(crate) key: String,
    /// Goes up with each change.
    pub(crate) version: i64,
    /// The KMS secret that holds the value, where it is not sealed here.
    pub(crate) secret: Option<String>,
    pub(crate) sealed: Vec<u8>,
    /// Of the value; 0 where a secret holds it.
    pub(crate) size_bytes: i64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

/// The variables of one scope by name.
pub(crate) async fn list(
    database: &Database,
    project: &ProjectId,
    scope: &Scope,
) -> Result<Vec<VariableRow>, FunctionsError> {
    let rows = sqlx::query_as(
        "SELECT scope, key, version, secret, sealed, size_bytes, created_at, updated_at
         FROM function_variables WHERE project = $1 AND scope = $2 ORDER BY key",
    );
    Ok(rows.bind(project.as_str()).bind(scope.as_str()).fetch_all(database.read()).await?)
}

/// The project's, then the function's own.
pub(crate) async fn of_function(
    database: &Database,
    project: &ProjectId,
    function: &FunctionId,
) -> Result<Vec<VariableRow>, FunctionsError> {
    let rows = sqlx::query_as(
        "SELECT scope, key, version, secret, sealed, size_bytes, created_at, updated_at
         FROM function_variables WHERE project = $1 AND scope IN ('', $2) ORDER BY scope, key",
    );
    Ok(rows.bind(project.as_str()).bind(function.as_str()).fetch_all(database.read()).await?)
}

/// Writes one.
pub(crate) async fn put(
    database: &Database,
    project: &ProjectId,
    row: &VariableRow,
) -> Result<(), FunctionsError> {
    let mut write = database.write().await?;
    sqlx::query(
        "INSERT INTO function_variables (project, scope, key, version, secret, sealed, size_bytes, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (project, scope, key)
         DO UPDATE SET version = $4, secret = $5, sealed = $6, size_bytes = $7, updated_at = $9",
    )
    .bind(project.as_str())
    .bind(&row.scope)
    .bind(&row.key)
    .bind(row.version)
    .bind(&row.secret)
    .bind(&row.sealed)
    .bind(row.size_bytes)
    .bind(row.created_at)
    .bind(row.updated_at)
    .execute(&mut *write)
    .await?;
    Ok(write.commit().await?)
}

/// Removes one.
pub(crate) async fn delete(
    database: &Database,
    project: &ProjectId,
    scope: &Scope,
    key: &str,
) -> Result<(), FunctionsError> {
    let mut write = database.write().await?;
    sqlx::query("DELETE FROM function_variables WHERE project = $1 AND scope = $2 AND key = $3")
        .bind(project.as_str())
        .bind(scope.as_str())
        .bind(key)
        .execute(&mut *write)
        .await?;
    Ok(write.commit().await?)
}

/// Removes all of a project.
pub(crate) async fn delete_project(database: &Database, project: &ProjectId) -> Result<(), FunctionsError> {
    let mut write = database.write().await?;
    let delete = sqlx::query("DELETE FROM function_variables WHERE project = $1");
    delete.bind(project.as_str()).execute(&mut *write).await?;
    Ok(write.commit().await?)
}
