//! `kv_entries`: keys with their values.

use super::Store;
use service_kit::ids::ProjectId;
use sql::{SqlError, Write};

/// Rows that one statement removes.
const SWEEP_MAX: i64 = 500;

/// A value that was found.
#[derive(sqlx::FromRow)]
pub(crate) struct StoredEntry {
    pub(crate) value: Vec<u8>,
    pub(crate) version: i64,
    pub(crate) expires_at: Option<i64>,
}

/// What stands under a key before a write; it may have expired.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub(crate) struct Existing {
    pub(crate) version: i64,
    pub(crate) expires_at: Option<i64>,
    /// Bytes of the value.
    pub(crate) bytes: i64,
}

/// A key in a list.
#[derive(sqlx::FromRow)]
pub(crate) struct StoredRow {
    pub(crate) key: Vec<u8>,
    pub(crate) version: i64,
    pub(crate) expires_at: Option<i64>,
    pub(crate) bytes: i64,
}

/// A key that a sweep removed.
#[derive(sqlx::FromRow)]
pub(crate) struct Swept {
    pub(crate) project: String,
    /// Bytes of the key and the value.
    pub(crate) bytes: i64,
}

/// An entry to be kept.
pub(crate) struct NewEntry<'a> {
    pub(crate) key: &'a str,
    pub(crate) value: &'a [u8],
    pub(crate) version: i64,
    pub(crate) expires_at: Option<i64>,
}

impl Store {
    /// What stands under a key at `now`.
    pub(crate) async fn get(
        &self,
        project: &ProjectId,
        key: &str,
        now: i64,
    ) -> Result<Option<StoredEntry>, SqlError> {
        let sql = "SELECT value, version, expires_at FROM kv_entries
                   WHERE project = $1 AND key = $2 AND (expires_at IS NULL OR expires_at > $3)";
        let query = sqlx::query_as(sql).bind(project.as_str()).bind(key.as_bytes()).bind(now);
        Ok(query.fetch_optional(self.database.read()).await?)
    }

    /// Keys from `from` to before `until`, in order, expired ones included.
    pub(crate) async fn range(
        &self,
        project: &ProjectId,
        from: &[u8],
        until: &[u8],
        limit: i64,
    ) -> Result<Vec<StoredRow>, SqlError> {
        let sql = "SELECT key, version, expires_at, length(value) AS bytes FROM kv_entries
                   WHERE project = $1 AND key >= $2 AND key < $3 ORDER BY key LIMIT $4";
        let query = sqlx::query_as(sql).bind(project.as_str()).bind(from).bind(until).bind(limit);
        Ok(query.fetch_all(self.database.read()).await?)
    }
}

/// What stands under a key, expired or not.
pub(crate) async fn existing(
    write: &mut Write,
    project: &ProjectId,
    key: &str,
) -> Result<Option<Existing>, SqlError> {
    let sql = "SELECT version, expires_at, length(value) AS bytes FROM kv_entries
               WHERE project = $1 AND key = $2";
    let query = sqlx::query_as(sql).bind(project.as_str()).bind(key.as_bytes());
    Ok(query.fetch_optional(&mut **write).await?)
}

/// The value under a key.
pub(crate) async fn value(write: &mut Write, project: &ProjectId, key: &str) -> Result<Vec<u8>, SqlError> {
    let query = sqlx::query_scalar("SELECT value FROM kv_entries WHERE project = $1 AND key = $2");
    Ok(query.bind(project.as_str()).bind(key.as_bytes()).fetch_one(&mut **write).await?)
}

/// Puts an entry in place of what is there.
pub(crate) async fn put(write: &mut Write, project: &ProjectId, entry: NewEntry<'_>) -> Result<(), SqlError> {
    sqlx::query(
        "INSERT INTO kv_entries (project, key, version, expires_at, value) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (project, key) DO UPDATE SET version = $3, expires_at = $4, value = $5",
    )
    .bind(project.as_str())
    .bind(entry.key.as_bytes())
    .bind(entry.version)
    .bind(entry.expires_at)
    .bind(entry.value)
    .execute(&mut **write)
    .await?;
    Ok(())
}

/// Removes a key.
pub(crate) async fn delete(write: &mut Write, project: &ProjectId, key: &str) -> Result<(), SqlError> {
    let query = sqlx::query("DELETE FROM kv_entries WHERE project = $1 AND key = $2");
    query.bind(project.as_str()).bind(key.as_bytes()).execute(&mut **write).await?;
    Ok(())
}

/// Removes some of what has expired, of one project or of all.
pub(crate) async fn sweep(
    write: &mut Write,
    project: Option<&ProjectId>,
    now: i64,
) -> Result<Vec<Swept>, SqlError> {
    let of_all = "DELETE FROM kv_entries WHERE rowid IN
        (SELECT rowid FROM kv_entries WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)
        RETURNING project, length(key) + length(value) AS bytes";
    let of_one = "DELETE FROM kv_entries WHERE rowid IN
        (SELECT rowid FROM kv_entries WHERE project = $3 AND expires_at <= $1 ORDER BY expires_at LIMIT $2)
        RETURNING project, length(key) + length(value) AS bytes";
    let query = match project {
        None => sqlx::query_as(of_all).bind(now).bind(SWEEP_MAX),
        Some(project) => sqlx::query_as(of_one).bind(now).bind(SWEEP_MAX).bind(project.as_str()),
    };
    Ok(query.fetch_all(&mut **write).await?)
}

/// Removes some keys of a project; says whether there may be more.
pub(crate) async fn delete_some(write: &mut Write, project: &ProjectId) -> Result<bool, SqlError> {
    let sql = "DELETE FROM kv_entries WHERE rowid IN
               (SELECT rowid FROM kv_entries WHERE project = $1 LIMIT $2)";
    let deleted = sqlx::query(sql).bind(project.as_str()).bind(SWEEP_MAX).execute(&mut **write).await?;
    Ok(deleted.rows_affected() == SWEEP_MAX as u64)
}
