//! Rows of versions. They are written once and never changed.

use crate::error::FunctionsError;
use crate::manifest::Manifest;
use service_kit::ids::FunctionId;
use sql::{Database, Write};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, FromRow, Row};
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
    /// Whether a source, a bundle or an archive was uploaded.
    pub(crate) form: String,
    /// Of the stored bundle.
    pub(crate) size_bytes: i64,
    /// Milliseconds since the epoch.
    pub(crate) created_at: i64,
    pub(crate) manifest: Arc<Manifest>,
}

/// Columns of a version, for `VersionRow::from_row`, with the table as `v`.
pub(crate) const COLUMNS: &str = "v.id AS version_id, v.version, v.handler, v.checksum, v.form, v.size_bytes, \
                                  v.created_at AS version_created_at, v.manifest";

impl FromRow<'_, SqliteRow> for VersionRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let (handler, manifest): (String, String) = (row.try_get("handler")?, row.try_get("manifest")?);
        let manifest =
            Manifest::stored(&manifest, &handler).map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok(Self {
            id: row.try_get("version_id")?,
            version: row.try_get::<String, _>("version")?.into(),
            handler,
            checksum: row.try_get("checksum")?,
            form: row.try_get("form")?,
            size_bytes: row.try_get("size_bytes")?,
            created_at: row.try_get("version_created_at")?,
            manifest: Arc::new(manifest),
        })
    }
}

fn select(condition: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!("SELECT {COLUMNS} FROM function_versions v {condition}"))
}

/// One version by its name.
pub(crate) async fn find(
    database: &Database,
    function: &FunctionId,
    version: &str,
) -> Result<Option<VersionRow>, FunctionsError> {
    let row = sqlx::query_as(select("WHERE v.function_id = $1 AND v.version = $2"));
    Ok(row.bind(function.as_str()).bind(version).fetch_optional(database.read()).await?)
}

/// The versions of a function, the newest first; retention bounds them.
pub(crate) async fn list(
    database: &Database,
    function: &FunctionId,
) -> Result<Vec<VersionRow>, FunctionsError> {
    let rows = sqlx::query_as(select("WHERE v.function_id = $1 ORDER BY v.created_at DESC, v.id DESC"));
    Ok(rows.bind(function.as_str()).fetch_all(database.read()).await?)
}

/// The version that was active before the one that is: by the history, else the newest other.
pub(crate) async fn previous(
    database: &Database,
    function: &FunctionId,
) -> Result<Option<VersionRow>, FunctionsError> {
    let row = sqlx::query_as(select(
        "JOIN functions f ON f.id = v.function_id
         LEFT JOIN function_changes c ON c.version_id = v.id AND c.state = 'deployed'
         WHERE v.function_id = $1 AND v.id <> f.active_version
         ORDER BY coalesce(c.id, 0) DESC, v.created_at DESC, v.id DESC LIMIT 1",
    ));
    Ok(row.bind(function.as_str()).fetch_optional(database.read()).await?)
}

pub(crate) async fn insert(
    write: &mut Write,
    function: &FunctionId,
    row: &VersionRow,
) -> Result<(), FunctionsError> {
    sqlx::query(
        "INSERT INTO function_versions (id, function_id, version, handler, checksum, form, size_bytes,
                                        created_at, manifest)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(&row.id)
    .bind(function.as_str())
    .bind(&*row.version)
    .bind(&row.handler)
    .bind(&row.checksum)
    .bind(&row.form)
    .bind(row.size_bytes)
    .bind(row.created_at)
    .bind(row.manifest.to_text())
    .execute(&mut **write)
    .await?;
    Ok(())
}

/// What of a function's versions is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    /// The newest, the active one among them.
    pub(crate) count: usize,
    /// Those made at or after this moment.
    pub(crate) since_ms: i64,
}

/// Ids of the versions that are not kept: never the active one, the one before it, those that share the calls
/// and those that have an alias.
pub(crate) async fn beyond(
    database: &Database,
    function: &FunctionId,
    kept: Kept,
) -> Result<Vec<String>, FunctionsError> {
    let before = previous(database, function).await?.map(|version| version.id);
    let rows: Vec<(String,)> = sqlx::query_as(
        "SELECT id FROM (
             SELECT v.id, v.created_at, row_number() OVER (ORDER BY v.created_at DESC, v.id DESC) AS place
             FROM function_versions v JOIN functions f ON f.id = v.function_id
             WHERE v.function_id = $1 AND v.id <> f.active_version)
         WHERE (place >= $2 OR created_at < $3) AND id <> $4
         AND id NOT IN (SELECT version_id FROM function_aliases WHERE function_id = $1)
         AND id NOT IN (SELECT version_id FROM function_traffic WHERE function_id = $1)",
    )
    .bind(function.as_str())
    .bind(i64::try_from(kept.count).unwrap_or(i64::MAX))
    .bind(kept.since_ms)
    .bind(before.unwrap_or_default())
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
