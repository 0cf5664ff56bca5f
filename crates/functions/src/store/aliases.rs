//! Rows of aliases: names under which one version can be called besides what the function serves.

use crate::error::FunctionsError;
use service_kit::ids::FunctionId;
use sql::Database;
use sqlx::FromRow;

/// An alias.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct AliasRow {
    pub(crate) name: String,
    pub(crate) version_id: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

/// The aliases of a function by name.
pub(crate) async fn list(
    database: &Database,
    function: &FunctionId,
) -> Result<Vec<AliasRow>, FunctionsError> {
    let rows = sqlx::query_as(
        "SELECT name, version_id, created_at, updated_at FROM function_aliases
         WHERE function_id = $1 ORDER BY name",
    );
    Ok(rows.bind(function.as_str()).fetch_all(database.read()).await?)
}

/// Writes one.
pub(crate) async fn put(
    database: &Database,
    function: &FunctionId,
    alias: &AliasRow,
) -> Result<(), FunctionsError> {
    let mut write = database.write().await?;
    sqlx::query(
        "INSERT INTO function_aliases (function_id, name, version_id, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (function_id, name) DO UPDATE SET version_id = $3, updated_at = $5",
    )
    .bind(function.as_str())
    .bind(&alias.name)
    .bind(&alias.version_id)
    .bind(alias.created_at)
    .bind(alias.updated_at)
    .execute(&mut *write)
    .await?;
    Ok(write.commit().await?)
}

/// Removes one.
pub(crate) async fn delete(
    database: &Database,
    function: &FunctionId,
    name: &str,
) -> Result<(), FunctionsError> {
    let mut write = database.write().await?;
    sqlx::query("DELETE FROM function_aliases WHERE function_id = $1 AND name = $2")
        .bind(function.as_str())
        .bind(name)
        .execute(&mut *write)
        .await?;
    Ok(write.commit().await?)
}
