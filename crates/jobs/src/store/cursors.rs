//! `event_cursors`: how far each subscriber of a source has been served.

use super::Store;
use crate::delivery::CursorKey;
use service_kit::ids::ProjectId;
use sql::{SqlError, Write};

const READ: &str =
    "SELECT position FROM event_cursors WHERE project = $1 AND source = $2 AND subscriber = $3";

impl Store {
    /// Where a cursor stands.
    pub(crate) async fn cursor(&self, key: &CursorKey) -> Result<Option<String>, SqlError> {
        let query =
            sqlx::query_scalar(READ).bind(key.project.as_str()).bind(&key.source).bind(&key.subscriber);
        Ok(query.fetch_optional(self.database.read()).await?)
    }
}

/// Where a cursor stands, inside a transaction.
pub(crate) async fn read(write: &mut Write, key: &CursorKey) -> Result<Option<String>, SqlError> {
    let query = sqlx::query_scalar(READ).bind(key.project.as_str()).bind(&key.source).bind(&key.subscriber);
    Ok(query.fetch_optional(&mut **write).await?)
}

/// How many cursors a project has.
pub(crate) async fn count(write: &mut Write, project: &ProjectId) -> Result<i64, SqlError> {
    let query = sqlx::query_scalar("SELECT count(*) FROM event_cursors WHERE project = $1");
    Ok(query.bind(project.as_str()).fetch_one(&mut **write).await?)
}

/// Moves a cursor, or makes it.
pub(crate) async fn save(
    write: &mut Write,
    key: &CursorKey,
    position: &str,
    now: i64,
) -> Result<(), SqlError> {
    let sql = "INSERT INTO event_cursors (project, source, subscriber, position, updated_at)
               VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (project, source, subscriber) DO UPDATE SET position = $4, updated_at = $5";
    let query = sqlx::query(sql).bind(key.project.as_str()).bind(&key.source).bind(&key.subscriber);
    query.bind(position).bind(now).execute(&mut **write).await?;
    Ok(())
}

/// Removes a cursor.
pub(crate) async fn delete(write: &mut Write, key: &CursorKey) -> Result<(), SqlError> {
    let sql = "DELETE FROM event_cursors WHERE project = $1 AND source = $2 AND subscriber = $3";
    let query = sqlx::query(sql).bind(key.project.as_str()).bind(&key.source).bind(&key.subscriber);
    query.execute(&mut **write).await?;
    Ok(())
}
