//! Reading jobs and dead letters, beside the writer.

use super::failures::{FailureRow, HEAD};
use super::{Store, queues, signed, undecodable, unsigned};
use crate::inspect::{DeadFilter, DeadJob, JobFilter, JobView, QueueStats};
use crate::job::{JobOptions, JobSpec, JobState};
use crate::names::QueueName;
use service_kit::ids::{JobId, ProjectId};
use sql::SqlError;
use std::collections::BTreeMap;

#[derive(sqlx::FromRow)]
struct ViewRow {
    id: String,
    queue: String,
    state: String,
    run_at: i64,
    attempt: i64,
    created_at: i64,
    claimed_at: Option<i64>,
    unique_key: Option<String>,
    schedule: Option<String>,
    planned_at: Option<i64>,
    last_error: Option<String>,
    options: String,
    payload: Vec<u8>,
}

impl ViewRow {
    fn view(self) -> Result<JobView, SqlError> {
        let options: JobOptions = serde_json::from_str(&self.options).map_err(undecodable)?;
        let unknown = || undecodable(std::io::Error::other(format!("state `{}`", self.state)));
        let state =
            JobState::ALL.into_iter().find(|state| state.as_str() == self.state).ok_or_else(unknown)?;
        let queue = QueueName::stored(&self.queue);
        Ok(JobView {
            id: JobId::parse(&self.id).map_err(undecodable)?,
            state,
            spec: JobSpec { queue, payload: self.payload.into(), options },
            attempt: u32::try_from(self.attempt).unwrap_or(u32::MAX),
            unique_key: self.unique_key,
            scheduled: super::jobs::scheduled(self.schedule, self.planned_at),
            created_at_ms: self.created_at,
            run_at_ms: self.run_at,
            claimed_at_ms: self.claimed_at,
            last_error: self.last_error,
        })
    }
}

/// Payloads stay out of lists.
fn columns(payload: &str) -> String {
    format!(
        "SELECT id, queue, state, run_at, attempt, created_at, claimed_at, unique_key, schedule, planned_at,
         last_error, options, {payload} AS payload FROM job_queue WHERE project = "
    )
}

impl Store {
    /// One job.
    pub(crate) async fn job(&self, project: &ProjectId, id: &JobId) -> Result<Option<JobView>, SqlError> {
        let mut read = self.database.read().await?;
        let query = read.query(columns("payload")).push_bind(project.as_str());
        let row: Option<ViewRow> = query.push(" AND id = ").push_bind(id.as_str()).optional().await?;
        row.map(ViewRow::view).transpose()
    }

    /// Jobs of a project, the newest first.
    pub(crate) async fn jobs(
        &self,
        project: &ProjectId,
        filter: &JobFilter,
    ) -> Result<Vec<JobView>, SqlError> {
        let mut read = self.database.read().await?;
        let sql = columns(read.dialect().no_bytes());
        let mut query = read.query(sql).push_bind(project.as_str());
        if let Some(queue) = &filter.queue {
            query = query.push(" AND queue = ").push_bind(queue.as_str());
        }
        if let Some(state) = filter.state {
            query = query.push(&format!(" AND state = '{}'", state.as_str()));
        }
        if let Some(before) = &filter.before {
            query = query.push(" AND id < ").push_bind(before.as_str());
        }
        query = query.push(" ORDER BY id DESC LIMIT ").push_bind(signed(filter.limit as u64));
        let rows: Vec<ViewRow> = query.all().await?;
        rows.into_iter().map(ViewRow::view).collect()
    }

    /// One dead letter.
    pub(crate) async fn failure(&self, project: &ProjectId, id: &JobId) -> Result<Option<DeadJob>, SqlError> {
        let sql = format!("SELECT {HEAD}, payload FROM job_failures WHERE project = $1 AND id = $2");
        let mut read = self.database.read().await?;
        let row: Option<FailureRow> =
            read.query(sql).bind(project.as_str()).bind(id.as_str()).optional().await?;
        row.map(FailureRow::dead).transpose()
    }

    /// Dead letters of a project, those that were enqueued last first.
    pub(crate) async fn failures(
        &self,
        project: &ProjectId,
        filter: &DeadFilter,
    ) -> Result<Vec<DeadJob>, SqlError> {
        let mut read = self.database.read().await?;
        let payload = read.dialect().no_bytes();
        let sql = format!("SELECT {HEAD}, {payload} AS payload FROM job_failures WHERE project = ");
        let mut query = read.query(sql).push_bind(project.as_str());
        if let Some(queue) = &filter.queue {
            query = query.push(" AND queue = ").push_bind(queue.as_str());
        }
        if let Some(before) = &filter.before {
            query = query.push(" AND id < ").push_bind(before.as_str());
        }
        query = query.push(" ORDER BY id DESC LIMIT ").push_bind(signed(filter.limit as u64));
        let rows: Vec<FailureRow> = query.all().await?;
        rows.into_iter().map(FailureRow::dead).collect()
    }

    /// What stands in each queue of a project.
    pub(crate) async fn stats(
        &self,
        project: &ProjectId,
    ) -> Result<BTreeMap<QueueName, QueueStats>, SqlError> {
        let mut queues: BTreeMap<QueueName, QueueStats> = BTreeMap::new();
        let mut read = self.database.read().await?;
        let sql = "SELECT queue, state, count(*), min(run_at) FROM job_queue WHERE project = $1
                   GROUP BY queue, state";
        let counted: Vec<(String, String, i64, i64)> = read.query(sql).bind(project.as_str()).all().await?;
        for (queue, state, count, first) in counted {
            queues.entry(QueueName::stored(&queue)).or_default().add(&state, unsigned(count), first);
        }
        let sql = "SELECT queue, count(*) FROM job_failures WHERE project = $1 GROUP BY queue";
        let dead: Vec<(String, i64)> = read.query(sql).bind(project.as_str()).all().await?;
        for (queue, count) in dead {
            queues.entry(QueueName::stored(&queue)).or_default().dead = unsigned(count);
        }
        let sql = "SELECT queue, paused, concurrency_max FROM job_queue_settings WHERE project = $1";
        let settings: Vec<(String, i64, Option<i64>)> = read.query(sql).bind(project.as_str()).all().await?;
        for (queue, paused, max) in settings {
            queues.entry(QueueName::stored(&queue)).or_default().settings = queues::settings(paused, max);
        }
        Ok(queues)
    }
}
