//! `schedule_runs`: the history of schedules, the newest of each.

use super::{Store, signed, undecodable};
use crate::names::ScheduleName;
use crate::schedule::{RunOutcome, ScheduleRun};
use service_kit::ids::{JobId, ProjectId};
use sql::SqlError;
use sql::shared::SharedWrite;

/// A line to be kept.
pub(crate) struct NewRun<'a> {
    pub(crate) planned_at: i64,
    pub(crate) fired_at: i64,
    pub(crate) job: Option<&'a JobId>,
    pub(crate) outcome: RunOutcome,
    pub(crate) error: Option<&'a str>,
}

#[derive(sqlx::FromRow)]
struct RunRow {
    id: i64,
    planned_at: i64,
    fired_at: i64,
    job: Option<String>,
    outcome: String,
    finished_at: Option<i64>,
    error: Option<String>,
}

impl RunRow {
    fn run(self) -> Result<ScheduleRun, SqlError> {
        let unknown = || undecodable(std::io::Error::other(format!("outcome `{}`", self.outcome)));
        Ok(ScheduleRun {
            cursor: self.id,
            planned_at_ms: self.planned_at,
            fired_at_ms: self.fired_at,
            job: self.job.as_deref().map(JobId::parse).transpose().map_err(undecodable)?,
            outcome: RunOutcome::parse(&self.outcome).ok_or_else(unknown)?,
            finished_at_ms: self.finished_at,
            error: self.error,
        })
    }
}

impl Store {
    /// The history of a schedule before a line, the newest first.
    pub(crate) async fn runs(
        &self,
        project: &ProjectId,
        name: &ScheduleName,
        before: Option<i64>,
        count: usize,
    ) -> Result<Vec<ScheduleRun>, SqlError> {
        let sql = "SELECT id, planned_at, fired_at, job, outcome, finished_at, error FROM schedule_runs
                   WHERE project = $1 AND schedule = $2 AND id < $3 ORDER BY id DESC LIMIT $4";
        let mut read = self.database.read().await?;
        let query = read.query(sql).bind(project.as_str()).bind(name.as_str());
        let query = query.bind(before.unwrap_or(i64::MAX)).bind(signed(count as u64));
        query.all().await?.into_iter().map(RunRow::run).collect()
    }
}

/// Adds a line.
pub(crate) async fn insert(
    write: &mut SharedWrite,
    project: &ProjectId,
    name: &ScheduleName,
    run: NewRun<'_>,
) -> Result<(), SqlError> {
    let sql = "INSERT INTO schedule_runs (project, schedule, planned_at, fired_at, job, outcome, error)
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let query = write.query(sql).bind(project.as_str()).bind(name.as_str()).bind(run.planned_at);
    let query = query.bind(run.fired_at).bind(run.job.map(JobId::as_str)).bind(run.outcome.as_str());
    query.bind(run.error).execute().await?;
    Ok(())
}

/// Keeps the newest lines only.
pub(crate) async fn trim(
    write: &mut SharedWrite,
    project: &ProjectId,
    name: &ScheduleName,
    kept: u64,
) -> Result<(), SqlError> {
    let sql = "DELETE FROM schedule_runs WHERE project = $1 AND schedule = $2 AND id <= (SELECT id
               FROM schedule_runs WHERE project = $1 AND schedule = $2 ORDER BY id DESC LIMIT 1 OFFSET $3)";
    let query = write.query(sql).bind(project.as_str()).bind(name.as_str()).bind(signed(kept));
    query.execute().await?;
    Ok(())
}

/// How the job of a run ended.
pub(crate) struct Ended<'a> {
    pub(crate) job: &'a JobId,
    pub(crate) outcome: RunOutcome,
    pub(crate) finished_at: i64,
    pub(crate) error: Option<&'a str>,
}

/// Notes how a run ended.
pub(crate) async fn end(
    write: &mut SharedWrite,
    project: &ProjectId,
    name: &ScheduleName,
    ended: Ended<'_>,
) -> Result<(), SqlError> {
    let sql = "UPDATE schedule_runs SET outcome = $4, finished_at = $5, error = $6
               WHERE project = $1 AND schedule = $2 AND job = $3";
    let query = write.query(sql).bind(project.as_str()).bind(name.as_str()).bind(ended.job.as_str());
    let query = query.bind(ended.outcome.as_str()).bind(ended.finished_at).bind(ended.error);
    query.execute().await?;
    Ok(())
}

/// Removes the history of a schedule.
pub(crate) async fn delete(
    write: &mut SharedWrite,
    project: &ProjectId,
    name: &ScheduleName,
) -> Result<(), SqlError> {
    let query = write.query("DELETE FROM schedule_runs WHERE project = $1 AND schedule = $2");
    query.bind(project.as_str()).bind(name.as_str()).execute().await?;
    Ok(())
}
