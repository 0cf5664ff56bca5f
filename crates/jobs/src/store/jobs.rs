//! `job_queue`: jobs that have not ended.

use super::{SHARE_MAX, signed, undecodable};
use crate::job::{Job, JobChange, JobOptions, JobSpec, ScheduledRun};
use crate::lanes::Take;
use crate::names::{QueueName, ScheduleName};
use service_kit::ids::{JobId, ProjectId};
use sql::SqlError;
use sql::shared::SharedWrite;
use std::collections::HashSet;

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
pub(crate) async fn insert(write: &mut SharedWrite, rows: &[NewRow]) -> Result<(), SqlError> {
    for rows in rows.chunks(INSERT_ROWS_MAX) {
        let mut query = write.query(
            "INSERT INTO job_queue (id, project, queue, state, priority, run_at, created_at, unique_key,
             unique_keep_ms, concurrency_key, schedule, planned_at, options, payload) VALUES ",
        );
        for (place, row) in rows.iter().enumerate() {
            let options = serde_json::to_string(&row.spec.options).map_err(undecodable)?;
            let concurrency = row.spec.options.concurrency.as_ref();
            let scheduled = row.scheduled.as_ref();
            query = query
                .push(if place == 0 { "(" } else { "), (" })
                .push_bind(row.id.as_str())
                .push_next(row.project.as_str())
                .push_next(row.spec.queue.as_str())
                .push_next(if row.ready { "ready" } else { "delayed" })
                .push_next(i64::from(row.spec.options.priority))
                .push_next(row.run_at)
                .push_next(row.created_at)
                .push_next(row.unique.as_ref().map(|(key, _)| key.as_str()))
                .push_next(row.unique.as_ref().map_or(0, |(_, keep_ms)| signed(*keep_ms)))
                .push_next(concurrency.map(|concurrency| concurrency.key.as_str()))
                .push_next(scheduled.map(|run| run.schedule.as_str()))
                .push_next(scheduled.map(|run| run.planned_at_ms))
                .push_next(options)
                .push_next(row.spec.payload.as_ref());
        }
        query.push(")").execute().await?;
    }
    Ok(())
}

/// The first jobs of a queue that may run.
pub(crate) async fn candidates(
    write: &mut SharedWrite,
    project: &ProjectId,
    queue: &QueueName,
    count: usize,
) -> Result<Vec<JobRow>, SqlError> {
    let skip = write.dialect().skip_locked();
    let query = write.query(format!(
        "SELECT {COLUMNS} FROM job_queue WHERE state = 'ready' AND project = $1 AND queue = $2
         ORDER BY priority DESC, run_at, id LIMIT $3{skip}"
    ));
    query.bind(project.as_str()).bind(queue.as_str()).bind(signed(count as u64)).all().await
}

/// Gives jobs to a handler of an instance: another attempt begins.
pub(crate) async fn claim(
    write: &mut SharedWrite,
    ids: &[JobId],
    instance: &str,
    now: i64,
) -> Result<(), SqlError> {
    for ids in lists(ids) {
        let sql = "UPDATE job_queue SET state = 'running', attempt = attempt + 1, claimed_at = $1,
                   claimed_by = $2 WHERE id";
        write.query(sql).bind(now).bind(instance).push_list(&ids).execute().await?;
    }
    Ok(())
}

/// Those of these jobs that an instance still has; until the transaction ends nobody else removes them.
pub(crate) async fn keep(
    write: &mut SharedWrite,
    ids: &[JobId],
    instance: &str,
) -> Result<HashSet<String>, SqlError> {
    let mut kept = HashSet::with_capacity(ids.len());
    for ids in lists(ids) {
        let lock = write.dialect().for_update();
        let query =
            write.query("SELECT id FROM job_queue WHERE state = 'running' AND claimed_by = $1 AND id");
        kept.extend(super::texts(query.bind(instance).push_list(&ids).push(lock)).await?);
    }
    Ok(kept)
}

/// Holds jobs until others with their concurrency key end.
pub(crate) async fn hold(write: &mut SharedWrite, ids: &[JobId]) -> Result<(), SqlError> {
    for ids in lists(ids) {
        write.query("UPDATE job_queue SET state = 'held' WHERE id").push_list(&ids).execute().await?;
    }
    Ok(())
}

/// Removes jobs.
pub(crate) async fn delete(write: &mut SharedWrite, ids: &[JobId]) -> Result<(), SqlError> {
    for ids in lists(ids) {
        write.query("DELETE FROM job_queue WHERE id").push_list(&ids).execute().await?;
    }
    Ok(())
}

/// The first jobs that may run of several queues at once, so many of each; on PostgreSQL alone, where each statement is
/// a round trip.
pub(crate) async fn candidates_of(write: &mut SharedWrite, takes: &[Take]) -> Result<Vec<JobRow>, SqlError> {
    let skip = write.dialect().skip_locked();
    let query = write.query(format!(
        "SELECT job.* FROM unnest($1, $2, $3) AS take (project, queue, count), LATERAL (SELECT {COLUMNS}
         FROM job_queue WHERE state = 'ready' AND project = take.project AND queue = take.queue
         ORDER BY priority DESC, run_at, id LIMIT CAST(take.count AS bigint){skip}) AS job"
    ));
    let counts: Vec<String> = takes.iter().map(|take| take.count.to_string()).collect();
    let projects: Vec<&str> = takes.iter().map(|take| take.project.as_str()).collect();
    let queues: Vec<&str> = takes.iter().map(|take| take.queue.as_str()).collect();
    let counts: Vec<&str> = counts.iter().map(String::as_str).collect();
    query.bind_list(&projects).bind_list(&queues).bind_list(&counts).all().await
}

/// Ids as statements take them.
fn lists(ids: &[JobId]) -> impl Iterator<Item = Vec<&str>> {
    ids.chunks(IDS_MAX).map(|ids| ids.iter().map(JobId::as_str).collect())
}

/// Where a job goes after an attempt that failed.
pub(crate) struct Again<'a> {
    pub(crate) ready: bool,
    pub(crate) run_at: i64,
    pub(crate) attempt: u32,
    pub(crate) error: Option<&'a str>,
}

/// Puts a running job back.
pub(crate) async fn put_back(write: &mut SharedWrite, id: &JobId, again: Again<'_>) -> Result<(), SqlError> {
    let sql =
        "UPDATE job_queue SET state = $2, run_at = $3, attempt = $4, last_error = coalesce($5, last_error),
               claimed_at = NULL, claimed_by = NULL WHERE id = $1 AND state = 'running'";
    let query = write.query(sql).bind(id.as_str()).bind(if again.ready { "ready" } else { "delayed" });
    query.bind(again.run_at).bind(i64::from(again.attempt)).bind(again.error).execute().await?;
    Ok(())
}

/// Changes a job that no handler has; says whether there was one.
pub(crate) async fn update(
    write: &mut SharedWrite,
    project: &ProjectId,
    id: &JobId,
    change: &JobChange,
) -> Result<bool, SqlError> {
    let lock = write.dialect().for_update();
    let sql =
        format!("SELECT options FROM job_queue WHERE id = $1 AND project = $2 AND state <> 'running'{lock}");
    let found = write.query(sql).bind(id.as_str()).bind(project.as_str()).optional::<(String,)>().await?;
    let Some((options,)) = found else { return Ok(false) };
    let mut options: JobOptions = serde_json::from_str(&options).map_err(undecodable)?;
    options.priority = change.priority.unwrap_or(options.priority);
    let sql =
        "UPDATE job_queue SET priority = $2, options = $3, payload = coalesce($4, payload) WHERE id = $1";
    let query = write.query(sql).bind(id.as_str()).bind(i64::from(options.priority));
    let query = query.bind(serde_json::to_string(&options).map_err(undecodable)?);
    Ok(query.bind(change.payload.as_deref()).execute().await? > 0)
}

/// Lets one job go on that is held for a key; says whether there was one.
pub(crate) async fn release(
    write: &mut SharedWrite,
    project: &ProjectId,
    queue: &QueueName,
    key: &str,
) -> Result<bool, SqlError> {
    let skip = write.dialect().skip_locked();
    let sql = format!(
        "UPDATE job_queue SET state = 'ready' WHERE id = (SELECT id FROM job_queue
         WHERE state = 'held' AND project = $1 AND queue = $2 AND concurrency_key = $3
         ORDER BY priority DESC, run_at, id LIMIT 1{skip})"
    );
    let query = write.query(sql).bind(project.as_str()).bind(queue.as_str()).bind(key);
    Ok(query.execute().await? > 0)
}

/// Makes jobs ready whose time has come; gives their projects and queues.
pub(crate) async fn promote(write: &mut SharedWrite, now: i64) -> Result<Vec<(String, String)>, SqlError> {
    let skip = write.dialect().skip_locked();
    let sql = format!(
        "UPDATE job_queue SET state = 'ready' WHERE id IN (SELECT id FROM job_queue
         WHERE state = 'delayed' AND run_at <= $1 ORDER BY run_at, id LIMIT $2{skip})
         RETURNING project, queue"
    );
    write.query(sql).bind(now).bind(SHARE_MAX).all().await
}

/// When the next delayed job may run.
pub(crate) async fn next_delayed(write: &mut SharedWrite) -> Result<Option<i64>, SqlError> {
    let query = write.query("SELECT min(run_at) FROM job_queue WHERE state = 'delayed'");
    Ok(query.one::<(Option<i64>,)>().await?.0)
}

/// Every job that a handler has: of anybody, or of these instances.
pub(crate) async fn running(write: &mut SharedWrite, of: Option<&[&str]>) -> Result<Vec<JobRow>, SqlError> {
    let query = write.query(format!("SELECT {COLUMNS} FROM job_queue WHERE state = 'running'"));
    match of {
        Some(instances) => query.push(" AND claimed_by").push_list(instances).all().await,
        None => query.all().await,
    }
}

/// Project, queue, concurrency key, and how many jobs run.
pub(crate) type Running = (String, String, Option<String>, i64);

/// How many jobs run, of all instances.
pub(crate) async fn count_running(write: &mut SharedWrite) -> Result<Vec<Running>, SqlError> {
    let sql = "SELECT project, queue, concurrency_key, count(*) FROM job_queue WHERE state = 'running'
               GROUP BY project, queue, concurrency_key";
    write.query(sql).all().await
}

/// Makes ready what is held for a key that no running or ready job has.
pub(crate) async fn release_idle(write: &mut SharedWrite) -> Result<(), SqlError> {
    let skip = write.dialect().skip_locked();
    let sql = format!(
        "UPDATE job_queue SET state = 'ready' WHERE id IN (SELECT id FROM job_queue AS held
         WHERE state = 'held' AND NOT EXISTS (SELECT 1 FROM job_queue AS other WHERE other.state IN ('running', 'ready')
         AND other.project = held.project AND other.queue = held.queue
         AND other.concurrency_key = held.concurrency_key){skip})"
    );
    write.query(sql).execute().await?;
    Ok(())
}

/// Makes ready what is held.
pub(crate) async fn release_all(write: &mut SharedWrite) -> Result<(), SqlError> {
    write.query("UPDATE job_queue SET state = 'ready' WHERE state = 'held'").execute().await?;
    Ok(())
}

/// Project, queue, state, and how many.
pub(crate) type Counted = (String, String, String, i64);

/// How many jobs there are.
pub(crate) async fn count(write: &mut SharedWrite) -> Result<Vec<Counted>, SqlError> {
    let sql = "SELECT project, queue, state, count(*) FROM job_queue GROUP BY project, queue, state";
    write.query(sql).all().await
}

/// How many jobs of a project wait.
pub(crate) async fn count_waiting(write: &mut SharedWrite, project: &ProjectId) -> Result<i64, SqlError> {
    let query = write.query("SELECT count(*) FROM job_queue WHERE project = $1 AND state <> 'running'");
    Ok(query.bind(project.as_str()).one::<(i64,)>().await?.0)
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

/// Looks a job up; until the transaction ends nobody else changes it.
pub(crate) async fn brief(
    write: &mut SharedWrite,
    project: &ProjectId,
    id: &JobId,
) -> Result<Option<Brief>, SqlError> {
    let lock = write.dialect().for_update();
    let query = write.query(format!(
        "SELECT queue, state, unique_key, concurrency_key, schedule FROM job_queue
         WHERE id = $1 AND project = $2{lock}"
    ));
    query.bind(id.as_str()).bind(project.as_str()).optional().await
}

/// Jobs of a schedule that have not ended.
pub(crate) async fn of_schedule(
    write: &mut SharedWrite,
    project: &ProjectId,
    schedule: &ScheduleName,
) -> Result<i64, SqlError> {
    let query = write.query("SELECT count(*) FROM job_queue WHERE project = $1 AND schedule = $2");
    Ok(query.bind(project.as_str()).bind(schedule.as_str()).one::<(i64,)>().await?.0)
}
