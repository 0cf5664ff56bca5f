//! `job_keys`: unique keys of jobs, and of those that ended for a while.

use super::{SHARE_MAX, signed, unsigned};
use crate::names::QueueName;
use service_kit::ids::{JobId, ProjectId};
use sql::SqlError;
use sql::shared::SharedWrite;

/// A key's place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) project: &'a ProjectId,
    pub(crate) queue: &'a QueueName,
    pub(crate) key: &'a str,
}

/// The job that has the key.
pub(crate) async fn owner(
    write: &mut SharedWrite,
    place: Place<'_>,
    now: i64,
) -> Result<Option<String>, SqlError> {
    let sql = "SELECT job FROM job_keys WHERE project = $1 AND queue = $2 AND unique_key = $3
               AND (expires_at IS NULL OR expires_at > $4)";
    let query = write.query(sql).bind(place.project.as_str()).bind(place.queue.as_str());
    Ok(query.bind(place.key).bind(now).optional::<(String,)>().await?.map(|row| row.0))
}

/// Gives a key that is free to a job, or leaves it with this one; says whether that was so.
pub(crate) async fn take(
    write: &mut SharedWrite,
    place: Place<'_>,
    job: &JobId,
    now: i64,
) -> Result<bool, SqlError> {
    let sql = "INSERT INTO job_keys (project, queue, unique_key, job) VALUES ($1, $2, $3, $4)
               ON CONFLICT (project, queue, unique_key) DO UPDATE SET job = $4, expires_at = NULL
               WHERE job_keys.expires_at <= $5 OR job_keys.job = $4";
    let query = write.query(sql).bind(place.project.as_str()).bind(place.queue.as_str());
    Ok(query.bind(place.key).bind(job.as_str()).bind(now).execute().await? > 0)
}

/// The job ends: its key goes when the time is over for which it is kept.
pub(crate) async fn end(
    write: &mut SharedWrite,
    place: Place<'_>,
    job: &JobId,
    now: i64,
) -> Result<(), SqlError> {
    let sql = "UPDATE job_keys SET expires_at = $5 +
               coalesce((SELECT unique_keep_ms FROM job_queue WHERE id = $4), 0)
               WHERE project = $1 AND queue = $2 AND unique_key = $3 AND job = $4";
    let query = write.query(sql).bind(place.project.as_str()).bind(place.queue.as_str());
    query.bind(place.key).bind(job.as_str()).bind(now).execute().await?;
    Ok(())
}

/// Removes some keys whose time is over; gives their projects.
pub(crate) async fn sweep(write: &mut SharedWrite, now: i64) -> Result<Vec<String>, SqlError> {
    let skip = write.dialect().skip_locked();
    let sql = format!(
        "DELETE FROM job_keys WHERE (project, queue, unique_key) IN (SELECT project, queue, unique_key
         FROM job_keys WHERE expires_at <= $1 LIMIT $2{skip}) RETURNING project"
    );
    super::texts(write.query(sql).bind(now).bind(SHARE_MAX)).await
}

/// Removes those of a project's kept keys that would go first.
pub(crate) async fn trim(write: &mut SharedWrite, project: &ProjectId, count: u64) -> Result<(), SqlError> {
    let sql = "DELETE FROM job_keys WHERE (project, queue, unique_key) IN
               (SELECT project, queue, unique_key FROM job_keys WHERE project = $1 AND expires_at IS NOT NULL
               ORDER BY expires_at LIMIT $2)";
    write.query(sql).bind(project.as_str()).bind(signed(count)).execute().await?;
    Ok(())
}

/// How many keys of ended jobs a project has.
pub(crate) async fn kept(write: &mut SharedWrite, project: &ProjectId) -> Result<u64, SqlError> {
    let sql = "SELECT count(*) FROM job_keys WHERE project = $1 AND expires_at IS NOT NULL";
    Ok(unsigned(write.query(sql).bind(project.as_str()).one::<(i64,)>().await?.0))
}

/// How many keys of ended jobs each project has.
pub(crate) async fn count_kept(write: &mut SharedWrite) -> Result<Vec<(String, i64)>, SqlError> {
    let sql = "SELECT project, count(*) FROM job_keys WHERE expires_at IS NOT NULL GROUP BY project";
    write.query(sql).all().await
}
