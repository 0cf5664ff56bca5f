//! `job_keys`: unique keys of jobs, and of those that ended for a while.

use super::SHARE_MAX;
use crate::names::QueueName;
use service_kit::ids::{JobId, ProjectId};
use sql::{SqlError, Write};

/// A key's place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) project: &'a ProjectId,
    pub(crate) queue: &'a QueueName,
    pub(crate) key: &'a str,
}

/// The job that has the key.
pub(crate) async fn owner(write: &mut Write, place: Place<'_>, now: i64) -> Result<Option<String>, SqlError> {
    let sql = "SELECT job FROM job_keys WHERE project = $1 AND queue = $2 AND unique_key = $3
               AND (expires_at IS NULL OR expires_at > $4)";
    let query = sqlx::query_scalar(sql).bind(place.project.as_str()).bind(place.queue.as_str());
    Ok(query.bind(place.key).bind(now).fetch_optional(&mut **write).await?)
}

/// Gives the key to a job.
pub(crate) async fn take(write: &mut Write, place: Place<'_>, job: &JobId) -> Result<(), SqlError> {
    let sql = "INSERT INTO job_keys (project, queue, unique_key, job) VALUES ($1, $2, $3, $4)
               ON CONFLICT (project, queue, unique_key) DO UPDATE SET job = $4, expires_at = NULL";
    let query = sqlx::query(sql).bind(place.project.as_str()).bind(place.queue.as_str());
    query.bind(place.key).bind(job.as_str()).execute(&mut **write).await?;
    Ok(())
}

/// The job ends: its key goes when the time is over for which it is kept.
pub(crate) async fn end(write: &mut Write, place: Place<'_>, job: &JobId, now: i64) -> Result<(), SqlError> {
    let sql = "UPDATE job_keys SET expires_at = $5 +
               coalesce((SELECT unique_keep_ms FROM job_queue WHERE id = $4), 0)
               WHERE project = $1 AND queue = $2 AND unique_key = $3 AND job = $4";
    let query = sqlx::query(sql).bind(place.project.as_str()).bind(place.queue.as_str());
    query.bind(place.key).bind(job.as_str()).bind(now).execute(&mut **write).await?;
    Ok(())
}

/// Removes some keys whose time is over; says how many.
pub(crate) async fn sweep(write: &mut Write, now: i64) -> Result<u64, SqlError> {
    let sql = "DELETE FROM job_keys WHERE (project, queue, unique_key) IN
               (SELECT project, queue, unique_key FROM job_keys WHERE expires_at <= $1 LIMIT $2)";
    Ok(sqlx::query(sql).bind(now).bind(SHARE_MAX).execute(&mut **write).await?.rows_affected())
}
