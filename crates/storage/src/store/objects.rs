//! `storage_objects`: names, and which file has the bytes.

use super::Store;
use crate::files::FileId;
use ports::objects::{ObjectError, ObjectInfo, ObjectName};
use service_kit::ids::ProjectId;
use sql::{SqlError, Write};
use std::collections::HashSet;

/// Rows that one statement removes.
const PURGE_MAX: i64 = 500;
/// Bytes of the hash that stand in the ETag.
const ETAG_BYTES: usize = 16;

/// An object as it is stored.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Row {
    pub(crate) name: Vec<u8>,
    pub(crate) file: String,
    pub(crate) size: i64,
    pub(crate) sha256: Vec<u8>,
    pub(crate) content_type: String,
    pub(crate) modified_at: i64,
}

/// A part of the hash: another content has another one.
pub(crate) fn etag_of(sha256: &[u8]) -> String {
    hex::encode(&sha256[..sha256.len().min(ETAG_BYTES)])
}

impl Row {
    pub(crate) fn etag(&self) -> String {
        etag_of(&self.sha256)
    }

    pub(crate) fn info(&self) -> Result<ObjectInfo, ObjectError> {
        let name = std::str::from_utf8(&self.name).map_err(|error| ObjectError::Failed(Box::new(error)))?;
        Ok(ObjectInfo {
            name: ObjectName::parse(name)?,
            size: self.size.unsigned_abs(),
            content_type: self.content_type.clone(),
            etag: self.etag(),
            modified_at: self.modified_at,
        })
    }

    pub(crate) fn file_id(&self) -> Option<FileId> {
        FileId::parse(&self.file)
    }
}

const COLUMNS: &str = "SELECT name, file, size, sha256, content_type, modified_at FROM storage_objects
                       WHERE project = $1 AND name = $2";

impl Store {
    /// An object.
    pub(crate) async fn object(&self, project: &ProjectId, name: &str) -> Result<Option<Row>, SqlError> {
        let query = sqlx::query_as(COLUMNS).bind(project.as_str()).bind(name.as_bytes());
        Ok(query.fetch_optional(self.database.read()).await?)
    }

    /// Objects from `from` to before `until`, in order.
    pub(crate) async fn range(
        &self,
        project: &ProjectId,
        from: &[u8],
        until: &[u8],
        limit: i64,
    ) -> Result<Vec<Row>, SqlError> {
        let sql = "SELECT name, file, size, sha256, content_type, modified_at FROM storage_objects
                   WHERE project = $1 AND name >= $2 AND name < $3 ORDER BY name LIMIT $4";
        let query = sqlx::query_as(sql).bind(project.as_str()).bind(from).bind(until).bind(limit);
        Ok(query.fetch_all(self.database.read()).await?)
    }

    /// Whether an object has this file.
    pub(crate) async fn names_file(&self, file: &FileId) -> Result<bool, SqlError> {
        let query = sqlx::query_scalar("SELECT count(*) FROM storage_objects WHERE file = $1");
        let count: i64 = query.bind(file.as_str()).fetch_one(self.database.read()).await?;
        Ok(count > 0)
    }

    /// The files whose names begin with `shard` that objects have.
    pub(crate) async fn named_files(&self, shard: &str) -> Result<HashSet<String>, SqlError> {
        // `g` is behind every hex digit.
        let query =
            sqlx::query_scalar("SELECT file FROM storage_objects WHERE file >= $1 AND file < $1 || 'g'");
        let files: Vec<String> = query.bind(shard).fetch_all(self.database.read()).await?;
        Ok(files.into_iter().collect())
    }
}

/// An object, as this transaction sees it.
pub(crate) async fn object(
    write: &mut Write,
    project: &ProjectId,
    name: &str,
) -> Result<Option<Row>, SqlError> {
    let query = sqlx::query_as(COLUMNS).bind(project.as_str()).bind(name.as_bytes());
    Ok(query.fetch_optional(&mut **write).await?)
}

/// Puts an object in place of what is there.
pub(crate) async fn put(write: &mut Write, project: &ProjectId, row: &Row) -> Result<(), SqlError> {
    sqlx::query(
        "INSERT INTO storage_objects (project, name, file, size, sha256, content_type, modified_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (project, name) DO UPDATE SET
         file = $3, size = $4, sha256 = $5, content_type = $6, modified_at = $7",
    )
    .bind(project.as_str())
    .bind(&row.name)
    .bind(&row.file)
    .bind(row.size)
    .bind(&row.sha256)
    .bind(&row.content_type)
    .bind(row.modified_at)
    .execute(&mut **write)
    .await?;
    Ok(())
}

/// Removes an object.
pub(crate) async fn delete(write: &mut Write, project: &ProjectId, name: &str) -> Result<(), SqlError> {
    let query = sqlx::query("DELETE FROM storage_objects WHERE project = $1 AND name = $2");
    query.bind(project.as_str()).bind(name.as_bytes()).execute(&mut **write).await?;
    Ok(())
}

/// Removes some objects of a project; theirs are the files.
pub(crate) async fn delete_some(write: &mut Write, project: &ProjectId) -> Result<Vec<String>, SqlError> {
    let sql = "DELETE FROM storage_objects WHERE rowid IN
               (SELECT rowid FROM storage_objects WHERE project = $1 LIMIT $2) RETURNING file";
    Ok(sqlx::query_scalar(sql).bind(project.as_str()).bind(PURGE_MAX).fetch_all(&mut **write).await?)
}
