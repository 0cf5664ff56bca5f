//! Rows of custom domains: hosts that mean one function.

use crate::error::FunctionsError;
use service_kit::ids::{FunctionId, ProjectId};
use sql::Database;
use sqlx::FromRow;

/// A domain with the name of its function.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct DomainRow {
    pub(crate) host: String,
    pub(crate) project: String,
    pub(crate) function: String,
    pub(crate) created_at: i64,
}

const SELECT: &str = "SELECT d.host, d.project, f.name AS function, d.created_at
                      FROM function_domains d JOIN functions f ON f.id = d.function_id";

/// Every domain of every project.
pub(crate) async fn all(database: &Database) -> Result<Vec<DomainRow>, sqlx::Error> {
    sqlx::query_as(SELECT).fetch_all(database.read()).await
}

/// One by its host.
pub(crate) async fn find(database: &Database, host: &str) -> Result<Option<DomainRow>, FunctionsError> {
    let text = sqlx::AssertSqlSafe(format!("{SELECT} WHERE d.host = $1"));
    Ok(sqlx::query_as(text).bind(host).fetch_optional(database.read()).await?)
}

/// The domains of a project by host.
pub(crate) async fn list(database: &Database, project: &ProjectId) -> Result<Vec<DomainRow>, FunctionsError> {
    let text = sqlx::AssertSqlSafe(format!("{SELECT} WHERE d.project = $1 ORDER BY d.host"));
    Ok(sqlx::query_as(text).bind(project.as_str()).fetch_all(database.read()).await?)
}

/// Writes one.
pub(crate) async fn put(
    database: &Database,
    domain: &DomainRow,
    function: &FunctionId,
) -> Result<(), FunctionsError> {
    let mut write = database.write().await?;
    sqlx::query(
        "INSERT INTO function_domains (host, project, function_id, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (host) DO UPDATE SET function_id = $3 WHERE project = $2",
    )
    .bind(&domain.host)
    .bind(&domain.project)
    .bind(function.as_str())
    .bind(domain.created_at)
    .execute(&mut *write)
    .await?;
    Ok(write.commit().await?)
}

/// Removes one.
pub(crate) async fn delete(database: &Database, host: &str) -> Result<(), FunctionsError> {
    let mut write = database.write().await?;
    sqlx::query("DELETE FROM function_domains WHERE host = $1").bind(host).execute(&mut *write).await?;
    Ok(write.commit().await?)
}
