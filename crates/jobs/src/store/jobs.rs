//! `job_queue`: jobs that have not ended.

use super::{SHARE_MAX, signed, undecodable};
use crate::job::{Job, JobOptions, JobSpec, ScheduledRun};
use crate::names::{QueueName, ScheduleName};
use service_kit::ids::{JobId, ProjectId};
use sql::{SqlError, Write};
use sqlx::{QueryBuilder, Sqlite};

/// Rows of one `INSERT`: 15 values each, and SQLite takes 32,766.
const INSERT_ROWS_MAX: usize = 100;
/// Ids of one list.
const IDS_MAX: usize = 500;

/// A job to be stored.
#[derive(Debug, Clone)]
pub(crate) struct NewRow {
    pub(crate) id: JobId,
    pub(crate) project: ProjectId,
    pub(crate) spec: JobSpec,
    pub(crate) ready: bool,
    pub(crate) run_at: i64,
    pub(crate) created_at: i64,
    pub(crate) unique: Option<(String, u64)>,
    pub(crate) scheduled: Option<ScheduledRun>,
}

/// A stored job.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct JobRow {
    pub(crate) id: String,
    pub(crate) project: String,
    pub(crate) queue: String,
    pub(crate) run_at: i64,
    pub(crate) attempt: i64,
    pub(crate) created_at: i64,
    pub(crate) unique_key: Option<String>,
    pub(crate) schedule: Option<String>,
    pub(crate) planned_at: Option<i64>,
    pub(crate) last_error: Option<String>,
    pub(crate) options: String,
    pub(crate) payload: Vec<u8>,
}

impl JobRow {
    /// The job as it stands in the table.
    pub(crate) fn job(self) -> Result<Job, SqlError> {
        let options: JobOptions = serde_json::from_str(&self.options).map_err(undecodable)?;
        let queue = QueueName::stored(&self.queue);
        Ok(Job {
            id: JobId::parse(&self.id).map_err(undecodable)?,
            project: ProjectId::parse(&self.project).map_err(undecodable)?,
            spec: JobSpec { queue, payload: self.payload.into(), options },
            attempt: u32::try_from(self.attempt).unwrap_or(u32::MAX),
            unique_key: self.unique_key,
            scheduled: scheduled(self.schedule, self.planned_at),
            created_at_ms: self.created_at,
            run_at_ms: self.run_at,
            last_error: self.last_error,
        })
    }
}

/// The run of a schedule, of two columns.
pub(crate) fn scheduled(schedule: Option<String>, planned_at: Option<i64>) -> Option<ScheduledRun> {
    let schedule = ScheduleName::stored(&schedule?);
    Some(ScheduledRun { schedule, planned_at_ms: planned_at? })
}

const COLUMNS: &str = "id, project, queue, run_at, attempt, created_at, unique_key, schedule, planned_at,
    last_error, options, payload";

/// Stores jobs.
pub(crate) async fn insert(write: &mut Write, rows: &[NewRow]) -> Result<(), SqlError> {
    for rows in rows.chunks(INSERT_ROWS_MAX) {
        let mut options = Vec::with_capacity(rows.len());
        for row in rows {
            options.push(serde_json::to_string(&row.spec.options).map_err(undecodable)?);
        }
        let mut query: QueryBuilder<Sqlite> = QueryBuilder::new(
            "INSERT INTO job_queue (id, project, queue, state, priority, run_at, created_at, unique_key,
             unique_keep_ms, concurrency_key, schedule, planned_at, options, payload) ",
        );
        query.push_values(rows.iter().zip(options), |mut values, (row, options)| {
            let concurrency = row.spec.options.concurrency.as_ref();
            let scheduled = row.scheduled.as_ref();
            values
                .push_bind(row.id.as_str())
                .push_bind(row.project.as_str())
                .push_bind(row.spec.queue.as_str())
                .push_bind(if row.ready { "ready" } else { "delayed" })
                .push_bind(row.spec.options.priority)
                .push_bind(row.run_at)
                .push_bind(row.created_at)
                .push_bind(row.unique.as_ref().map(|(key, _)| key.as_str()))
                .push_bind(row.unique.as_ref().map_or(0, |(_, keep_ms)| signed(*keep_ms)))
                .push_bind(concurrency.map(|concurrency| concurrency.key.as_str()))
                .push_bind(scheduled.map(|run| run.schedule.as_str()))
                .push_bind(scheduled.map(|run| run.planned_at_ms))
                .push_bind(options)
                .push_bind(row.spec.payload.as_ref());
        });
        query.build().execute(&mut **write).await?;
    }
    Ok(())
}

/// The first jobs of a queue that may run.
pub(crate) async fn candidates(
    write: &mut Write,
    project: &ProjectId,
    queue: &QueueName,
    count: usize,
) -> Result<Vec<JobRow>, SqlError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM job_queue WHERE state = 'ready' AND project = $1 AND queue = $2
         ORDER BY priority DESC, run_at, id LIMIT $3"
    ));
    let query = sqlx::query_as(sql).bind(project.as_str()).bind(queue.as_str()).bind(signed(count as u64));
    Ok(query.fetch_all(&mut **write).await?)
}

fn push_ids<'a>(query: &mut QueryBuilder<Sqlite>, ids: impl IntoIterator<Item = &'a JobId>) {
    query.push(" WHERE id IN (");
    let mut list = query.separated(", ");
    for id in ids {
        list.push_bind(id.as_str().to_owned());
    }
    query.push(")");
}

/// Gives jobs to a handler: another attempt begins.
pub(crate) async fn claim(write: &mut Write, ids: &[JobId], now: i64) -> Result<(), SqlError> {
    for ids in ids.chunks(IDS_MAX) {
        let mut query: QueryBuilder<Sqlite> =
            QueryBuilder::new("UPDATE job_queue SET state = 'running', attempt = attempt + 1, claimed_at = ");
        query.push_bind(now);
        push_ids(&mut query, ids);
        query.build().execute(&mut **write).await?;
    }
    Ok(())
}

/// Holds jobs until others with their concurrency key end.
pub(crate) async fn hold(write: &mut Write, ids: &[JobId]) -> Result<(), SqlError> {
    for ids in ids.chunks(IDS_MAX) {
        let mut query: QueryBuilder<Sqlite> = QueryBuilder::new("UPDATE job_queue SET state = 'held'");
        push_ids(&mut query, ids);
        query.build().execute(&mut **write).await?;
    }
    Ok(())
}

/// Removes jobs.
pub(crate) async fn delete(write: &mut Write, ids: &[JobId]) -> Result<(), SqlError> {
    for ids in ids.chunks(IDS_MAX) {
        let mut query: QueryBuilder<Sqlite> = QueryBuilder::new("DELETE FROM job_queue");
        push_ids(&mut query, ids);
        query.build().execute(&mut **write).await?;
    }
    Ok(())
}

/// Where a job goes after an attempt that failed.
pub(crate) struct Again<'a> {
    pub(crate) ready: bool,
    pub(crate) run_at: i64,
    pub(crate) attempt: u32,
    pub(crate) error: Option<&'a str>,
}

/// Puts a running job back.
pub(crate) async fn put_back(write: &mut Write, id: &JobId, again: Again<'_>) -> Result<(), SqlError> {
    let sql =
        "UPDATE job_queue SET state = $2, run_at = $3, attempt = $4, last_error = coalesce($5, last_error),
               claimed_at = NULL WHERE id = $1 AND state = 'running'";
    let query = sqlx::query(sql).bind(id.as_str()).bind(if again.ready { "ready" } else { "delayed" });
    query.bind(again.run_at).bind(again.attempt).bind(again.error).execute(&mut **write).await?;
    Ok(())
}

/// Lets one job go on that is held for a key; says whether there was one.
pub(crate) async fn release(
    write: &mut Write,
    project: &ProjectId,
    queue: &QueueName,
    key: &str,
) -> Result<bool, SqlError> {
    let sql = "UPDATE job_queue SET state = 'ready' WHERE id = (SELECT id FROM job_queue
               WHERE state = 'held' AND project = $1 AND queue = $2 AND concurrency_key = $3
               ORDER BY priority DESC, run_at, id LIMIT 1)";
    let query = sqlx::query(sql).bind(project.as_str()).bind(queue.as_str()).bind(key);
    Ok(query.execute(&mut **write).await?.rows_affected() > 0)
}

/// Makes jobs ready whose time has come; gives their projects and queues.
pub(crate) async fn promote(write: &mut Write, now: i64) -> Result<Vec<(String, String)>, SqlError> {
    let sql = "UPDATE job_queue SET state = 'ready' WHERE id IN (SELECT id FROM job_queue
               WHERE state = 'delayed' AND run_at <= $1 ORDER BY run_at, id LIMIT $2)
               RETURNING project, queue";
    Ok(sqlx::query_as(sql).bind(now).bind(SHARE_MAX).fetch_all(&mut **write).await?)
}

/// When the next delayed job may run.
pub(crate) async fn next_delayed(write: &mut Write) -> Result<Option<i64>, SqlError> {
    let query = sqlx::query_scalar("SELECT min(run_at) FROM job_queue WHERE state = 'delayed'");
    Ok(query.fetch_one(&mut **write).await?)
}

/// Every job that a handler has, or had when the process ended.
pub(crate) async fn running(write: &mut Write) -> Result<Vec<JobRow>, SqlError> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM job_queue WHERE state = 'running'"));
    Ok(sqlx::query_as(sql).fetch_all(&mut **write).await?)
}

/// Makes ready what is held.
pub(crate) async fn release_all(write: &mut Write) -> Result<(), SqlError> {
    sqlx::query("UPDATE job_queue SET state = 'ready' WHERE state = 'held'").execute(&mut **write).await?;
    Ok(())
}

/// Project, queue, state, and how many.
pub(crate) type Counted = (String, String, String, i64);

/// How many jobs there are.
pub(crate) async fn count(write: &mut Write) -> Result<Vec<Counted>, SqlError> {
    let sql = "SELECT project, queue, state, count(*) FROM job_queue GROUP BY project, queue, state";
    Ok(sqlx::query_as(sql).fetch_all(&mut **write).await?)
}

/// What the end of a job has to know about it.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Brief {
    pub(crate) queue: String,
    pub(crate) state: String,
    pub(crate) unique_key: Option<String>,
    pub(crate) concurrency_key: Option<String>,
    pub(crate) schedule: Option<String>,
}

/// Looks a job up.
pub(crate) async fn brief(
    write: &mut Write,
    project: &ProjectId,
    id: &JobId,
) -> Result<Option<Brief>, SqlError> {
    let sql = "SELECT queue, state, unique_key, concurrency_key, schedule FROM job_queue
               WHERE id = $1 AND project = $2";
    Ok(sqlx::query_as(sql).bind(id.as_str()).bind(project.as_str()).fetch_optional(&mut **write).await?)
}

/// Jobs of a schedule that have not ended.
pub(crate) async fn of_schedule(
    write: &mut Write,
    project: &ProjectId,
    schedule: &ScheduleName,
) -> Result<i64, SqlError> {
    let query = sqlx::query_scalar("SELECT count(*) FROM job_queue WHERE project = $1 AND schedule = $2");
    Ok(query.bind(project.as_str()).bind(schedule.as_str()).fetch_one(&mut **write).await?)
}
