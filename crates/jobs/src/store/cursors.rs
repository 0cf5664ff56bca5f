//! `event_cursors`: how far each subscriber of a source has been served.

use super::Store;
use crate::delivery::CursorKey;
use service_kit::ids::ProjectId;
use sql::SqlError;
use sql::shared::SharedWrite;

const READ: &str =
    "SELECT position FROM event_cursors WHERE project = $1 AND source = $2 AND subscriber = $3";

impl Store {
    /// Where a cursor stands.
    pub(crate) async fn cursor(&self, key: &CursorKey) -> Result<Option<String>, SqlError> {
        let mut read = self.database.read().await?;
        let query = read.query(READ).bind(key.project.as_str()).bind(&key.source).bind(&key.subscriber);
        Ok(query.optional::<(String,)>().await?.map(|row| row.0))
    }
}

/// Where a cursor stands, inside a transaction; it stays there until that ends.
pub(crate) async fn read(write: &mut SharedWrite, key: &CursorKey) -> Result<Option<String>, SqlError> {
    let sql = format!("{READ}{}", write.dialect().for_update());
    let query = write.query(sql).bind(key.project.as_str()).bind(&key.source).bind(&key.subscriber);
    Ok(query.optional::<(String,)>().await?.map(|row| row.0))
}

/// How many cursors a project has.
pub(crate) async fn count(write: &mut SharedWrite, project: &ProjectId) -> Result<i64, SqlError> {
    let query = write.query("SELECT count(*) FROM event_cursors WHERE project = $1");
    Ok(query.bind(project.as_str()).one::<(i64,)>().await?.0)
}

/// Moves a cursor, or makes it.
pub(crate) async fn save(
    write: &mut SharedWrite,
    key: &CursorKey,
    position: &str,
    now: i64,
) -> Result<(), SqlError> {
    let sql = "INSERT INTO event_cursors (project, source, subscriber, position, updated_at)
               VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (project, source, subscriber) DO UPDATE SET position = $4, updated_at = $5";
    let query = write.query(sql).bind(key.project.as_str()).bind(&key.source).bind(&key.subscriber);
    query.bind(position).bind(now).execute().await?;
    Ok(())
}

/// Removes a cursor.
pub(crate) async fn delete(write: &mut SharedWrite, key: &CursorKey) -> Result<(), SqlError> {
    let sql = "DELETE FROM event_cursors WHERE project = $1 AND source = $2 AND subscriber = $3";
    let query = write.query(sql).bind(key.project.as_str()).bind(&key.source).bind(&key.subscriber);
    query.execute().await?;
    Ok(())
}
