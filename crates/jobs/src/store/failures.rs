//! `job_failures`: dead letters.

use super::{SHARE_MAX, signed, undecodable, unsigned};
use crate::inspect::DeadJob;
use crate::job::{JobOptions, JobSpec};
use crate::names::QueueName;
use service_kit::ids::{JobId, ProjectId};
use sql::SqlError;
use sql::shared::SharedWrite;

/// A stored dead letter.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct FailureRow {
    pub(crate) id: String,
    pub(crate) queue: String,
    pub(crate) attempts: i64,
    pub(crate) created_at: i64,
    pub(crate) failed_at: i64,
    pub(crate) unique_key: Option<String>,
    pub(crate) unique_keep_ms: i64,
    pub(crate) schedule: Option<String>,
    pub(crate) planned_at: Option<i64>,
    pub(crate) error: String,
    pub(crate) options: String,
    pub(crate) payload: Vec<u8>,
}

/// The columns of a row but the payload.
pub(crate) const HEAD: &str = "id, queue, attempts, created_at, failed_at, unique_key, unique_keep_ms,
    schedule, planned_at, error, options";

impl FailureRow {
    pub(crate) fn dead(self) -> Result<DeadJob, SqlError> {
        let options: JobOptions = serde_json::from_str(&self.options).map_err(undecodable)?;
        let queue = QueueName::stored(&self.queue);
        Ok(DeadJob {
            id: JobId::parse(&self.id).map_err(undecodable)?,
            spec: JobSpec { queue, payload: self.payload.into(), options },
            attempts: u32::try_from(self.attempts).unwrap_or(u32::MAX),
            unique: self.unique_key.map(|key| (key, unsigned(self.unique_keep_ms))),
            scheduled: super::jobs::scheduled(self.schedule, self.planned_at),
            created_at_ms: self.created_at,
            failed_at_ms: self.failed_at,
            error: self.error,
        })
    }
}

/// Which dead letters are meant.
#[derive(Debug, Clone)]
pub(crate) enum Which {
    /// One.
    One(JobId),
    /// Those of a queue after an id.
    Queue { queue: QueueName, after: Option<JobId> },
}

/// Makes a job that stands in the queue a dead letter.
pub(crate) async fn bury(write: &mut SharedWrite, id: &JobId, error: &str, now: i64) -> Result<(), SqlError> {
    let sql = "INSERT INTO job_failures (id, project, queue, attempts, created_at, failed_at, unique_key,
               unique_keep_ms, schedule, planned_at, error, options, payload)
               SELECT id, project, queue, attempt, created_at, $2, unique_key,
               unique_keep_ms, schedule, planned_at, $3, options, payload FROM job_queue WHERE id = $1";
    write.query(sql).bind(id.as_str()).bind(now).bind(error).execute().await?;
    Ok(())
}

/// Some dead letters of a project, in the order of their ids.
pub(crate) async fn read(
    write: &mut SharedWrite,
    project: &ProjectId,
    which: &Which,
    count: usize,
) -> Result<Vec<DeadJob>, SqlError> {
    let (lock, skip) = (write.dialect().for_update(), write.dialect().skip_locked());
    let rows: Vec<FailureRow> = match which {
        Which::One(id) => {
            let sql =
                format!("SELECT {HEAD}, payload FROM job_failures WHERE project = $1 AND id = $2{lock}");
            let query = write.query(sql).bind(project.as_str()).bind(id.as_str());
            query.all().await?
        }
        Which::Queue { queue, after } => {
            let sql = format!(
                "SELECT {HEAD}, payload FROM job_failures WHERE project = $1 AND queue = $2 AND id > $3
                 ORDER BY id LIMIT $4{skip}"
            );
            let after = after.as_ref().map_or("", JobId::as_str);
            let query = write.query(sql).bind(project.as_str()).bind(queue.as_str());
            query.bind(after).bind(signed(count as u64)).all().await?
        }
    };
    rows.into_iter().map(FailureRow::dead).collect()
}

/// Removes one.
pub(crate) async fn delete(write: &mut SharedWrite, id: &JobId) -> Result<(), SqlError> {
    write.query("DELETE FROM job_failures WHERE id = $1").bind(id.as_str()).execute().await?;
    Ok(())
}

/// Removes some of those that are meant; says how many.
pub(crate) async fn discard(
    write: &mut SharedWrite,
    project: &ProjectId,
    which: &Which,
) -> Result<u64, SqlError> {
    let done = match which {
        Which::One(id) => {
            let query = write.query("DELETE FROM job_failures WHERE project = $1 AND id = $2");
            query.bind(project.as_str()).bind(id.as_str()).execute().await?
        }
        Which::Queue { queue, after: _ } => {
            let sql = "DELETE FROM job_failures WHERE id IN
                       (SELECT id FROM job_failures WHERE project = $1 AND queue = $2 ORDER BY id LIMIT $3)";
            let query = write.query(sql).bind(project.as_str()).bind(queue.as_str()).bind(SHARE_MAX);
            query.execute().await?
        }
    };
    Ok(done)
}

/// Removes the oldest ones of a project.
pub(crate) async fn trim(write: &mut SharedWrite, project: &ProjectId, count: u64) -> Result<u64, SqlError> {
    let sql = "DELETE FROM job_failures WHERE id IN
               (SELECT id FROM job_failures WHERE project = $1 ORDER BY failed_at LIMIT $2)";
    let query = write.query(sql).bind(project.as_str()).bind(signed(count));
    query.execute().await
}

/// Removes some that failed before a moment; gives their projects.
pub(crate) async fn sweep(write: &mut SharedWrite, before: i64) -> Result<Vec<String>, SqlError> {
    let skip = write.dialect().skip_locked();
    let sql = format!(
        "DELETE FROM job_failures WHERE id IN (SELECT id FROM job_failures
         WHERE failed_at < $1 ORDER BY failed_at LIMIT $2{skip}) RETURNING project"
    );
    super::texts(write.query(sql).bind(before).bind(SHARE_MAX)).await
}

/// How many each project has.
pub(crate) async fn count(write: &mut SharedWrite) -> Result<Vec<(String, i64)>, SqlError> {
    let query = write.query("SELECT project, count(*) FROM job_failures GROUP BY project");
    query.all().await
}
