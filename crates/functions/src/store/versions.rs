//! Rows of versions. They are written once and never changed.

use crate::error::FunctionsError;
use service_kit::ids::FunctionId;
use sql::Database;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row};
use std::sync::Arc;

/// A version.
#[derive(Debug, Clone)]
pub(crate) struct VersionRow {
    /// Ours: names its directory.
    pub(crate) id: String,
    /// The developer's.
    pub(crate) version: Arc<str>,
    /// The export that is called.
    pub(crate) handler: String,
    /// SHA-256 of what was uploaded, in hex.
    pub(crate) checksum: String,
    /// Whether a source or a bundle was uploaded.
    pub(crate) form: String,
    /// Of the stored bundle.
    pub(crate) size_bytes: i64,
    /// Milliseconds since the epoch.
    pub(crate) created_at: i64,
}

/// Columns of a version, for `VersionRow::from_row`, with the table as `v`.
pub(crate) const COLUMNS: &str = "v.id AS version_id, v.version, v.handler, v.checksum, v.form, v.size_bytes, \
                                  v.created_at AS version_created_at";

impl FromRow<'_, SqliteRow> for VersionRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("version_id")?,
            version: row.try_get::<String, _>("version")?.into(),
            handler: row.try_get("handler")?,
            checksum: row.try_get("checksum")?,
            form: row.try_get("form")?,
            size_bytes: row.try_get("size_bytes")?,
            created_at: row.try_get("version_created_at")?,
        })
    }
}

/// One version by its name.
pub(crate) async fn find(
    database: &Database,
    function: &FunctionId,
    version: &str,
) -> Result<Option<VersionRow>, FunctionsError> {
    let text =
        format!("SELECT {COLUMNS} FROM function_versions v WHERE v.function_id = $1 AND v.version = $2");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(text))
        .bind(function.as_str())
        .bind(version)
        .fetch_optional(database.read())
        .await?)
}

/// Ids of the versions beyond the newest `kept`, the active one never among them.
pub(crate) async fn beyond(
    database: &Database,
    function: &FunctionId,
    kept: usize,
) -> Result<Vec<String>, FunctionsError> {
    let rows: Vec<(String,)> = sqlx::query_as(
        "SELECT id FROM function_versions WHERE function_id = $1
         AND id <> (SELECT active_version FROM functions WHERE id = $1)
         ORDER BY created_at DESC, id DESC LIMIT -1 OFFSET $2",
    )
    .bind(function.as_str())
    .bind(i64::try_from(kept.saturating_sub(1)).unwrap_or(i64::MAX))
    .fetch_all(database.read())
    .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Removes one version.
pub(crate) async fn delete(database: &Database, id: &str) -> Result<(), FunctionsError> {
    let mut write = database.write().await?;
    sqlx::query("DELETE FROM function_versions WHERE id = $1").bind(id).execute(&mut *write).await?;
    Ok(write.commit().await?)
}

/// Every pair of function and version, to compare with what is on disk.
pub(crate) async fn all_ids(database: &Database) -> Result<Vec<(String, String)>, sqlx::Error> {
    sqlx::query_as("SELECT function_id, id FROM function_versions").fetch_all(database.read()).await
}
