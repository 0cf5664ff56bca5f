//! Attempts end.

use super::group::Group;
use crate::job::{Job, Outcome, Recorded};
use crate::names::{QueueName, ScheduleName};
use crate::schedule::RunOutcome;
use crate::store::jobs::Again;
use crate::store::keys::{self, Place};
use crate::store::runs::{self, Ended};
use crate::store::{failures, jobs, signed};
use service_kit::ids::{JobId, ProjectId};
use sql::SqlError;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of an error that are kept.
const ERROR_BYTES_MAX: usize = 4 << 10;

/// The part of an error that is kept. PostgreSQL keeps no text that has NUL in it.
fn cut(error: &str) -> String {
    let mut end = error.len().min(ERROR_BYTES_MAX);
    while !error.is_char_boundary(end) {
        end -= 1;
    }
    error[..end].replace('\0', "\u{fffd}")
}

fn whole_ms(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}

/// A job that leaves the queue.
pub(super) struct Leaving<'a> {
    pub(super) project: &'a ProjectId,
    pub(super) queue: &'a QueueName,
    pub(super) id: &'a JobId,
    pub(super) unique_key: Option<&'a str>,
    pub(super) schedule: Option<&'a ScheduleName>,
}

impl<'a> Leaving<'a> {
    pub(super) fn of(job: &'a Job) -> Self {
        Self {
            project: &job.project,
            queue: &job.spec.queue,
            id: &job.id,
            unique_key: job.unique_key.as_deref(),
            schedule: job.scheduled.as_ref().map(|run| &run.schedule),
        }
    }
}

impl Group<'_> {
    /// Takes what a handler answered.
    pub(super) async fn finish(&mut self, ticket: u64, outcome: &Outcome) -> Result<Recorded, SqlError> {
        let Some(entry) = self.state.running.get(&ticket) else { return Ok(Recorded::Removed) };
        let (job, worker) = (Arc::clone(&entry.job), entry.worker);
        let is_removed = entry.is_removed || !self.is_own(&job);
        self.after.finished.push(ticket);
        self.state.workers[worker].end(&job.project);
        let key = job.concurrency_key();
        if self.state.lanes.is_limited(&job.project, &job.spec.queue) {
            self.touch(&job.project, &job.spec.queue);
        }
        self.state.lanes.end(&job.project, &job.spec.queue, key);
        let recorded = match outcome {
            _ if is_removed => Recorded::Removed,
            Outcome::Done => {
                self.after.counts.done += 1;
                self.leave(Leaving::of(&job), RunOutcome::Done, None).await?;
                Recorded::Done
            }
            Outcome::Retry { after, error } if job.attempt < job.spec.options.retry.attempts_max => {
                self.try_again(&job, *after, &cut(error)).await?
            }
            Outcome::Later { after } => self.put_off(&job, *after).await?,
            Outcome::Retry { error, .. } | Outcome::Fail { error } => {
                self.bury(&job, &cut(error)).await?;
                Recorded::Dead
            }
        };
        self.release(&job.project, &job.spec.queue, key).await?;
        Ok(recorded)
    }

    async fn try_again(
        &mut self,
        job: &Job,
        after: Option<Duration>,
        error: &str,
    ) -> Result<Recorded, SqlError> {
        let backoff_ms = || job.spec.options.retry.wait_ms(job.attempt, rand::random());
        let wait_ms = after.map_or_else(backoff_ms, whole_ms);
        self.put_back(job, wait_ms, (job.attempt, Some(error))).await
    }

    /// The attempt that ended was none.
    async fn put_off(&mut self, job: &Job, after: Duration) -> Result<Recorded, SqlError> {
        let before = (job.attempt.saturating_sub(1), job.last_error.as_deref());
        self.put_back(job, whole_ms(after), before).await
    }

    async fn put_back(
        &mut self,
        job: &Job,
        wait_ms: u64,
        (attempt, error): (u32, Option<&str>),
    ) -> Result<Recorded, SqlError> {
        let wait_ms = wait_ms.min(self.config.delay_ms_max);
        let run_at = self.now + signed(wait_ms);
        let ready = wait_ms == 0;
        let again = Again { ready, run_at, attempt, error };
        jobs::put_back(&mut self.write, &job.id, again).await?;
        self.state.lanes.project(&job.project).waiting += 1;
        if ready {
            self.add_ready(&job.project, &job.spec.queue, 1);
        } else {
            self.note_delayed(run_at);
        }
        self.after.counts.retried += 1;
        Ok(Recorded::Retried { run_at_ms: run_at })
    }

    /// Makes a job a dead letter.
    pub(super) async fn bury(&mut self, job: &Job, error: &str) -> Result<(), SqlError> {
        failures::bury(&mut self.write, &job.id, error, self.now).await?;
        self.state.lanes.project(&job.project).dead += 1;
        self.buried.insert(job.project.clone());
        self.after.counts.dead += 1;
        self.leave(Leaving::of(job), RunOutcome::Dead, Some(error)).await
    }

    /// Removes a job; its unique key stays for its time, and the history of its schedule learns of it.
    pub(super) async fn leave(
        &mut self,
        job: Leaving<'_>,
        outcome: RunOutcome,
        error: Option<&str>,
    ) -> Result<(), SqlError> {
        self.deletes.push(job.id.clone());
        if let Some(key) = job.unique_key {
            let place = Place { project: job.project, queue: job.queue, key };
            keys::end(&mut self.write, place, job.id, self.now).await?;
            let own = self.state.lanes.project(job.project);
            own.kept_keys += 1;
            if own.kept_keys > self.config.unique_keys_per_project_max {
                self.crowded.insert(job.project.clone());
            }
        }
        if let Some(schedule) = job.schedule {
            let ended = Ended { job: job.id, outcome, finished_at: self.now, error };
            runs::end(&mut self.write, job.project, schedule, ended).await?;
        }
        Ok(())
    }

    /// A job with this concurrency key is out of the way: another one that is held may go on.
    pub(super) async fn release(
        &mut self,
        project: &ProjectId,
        queue: &QueueName,
        key: Option<&str>,
    ) -> Result<(), SqlError> {
        let Some(key) = key else { return Ok(()) };
        if self.state.lanes.queue(project, queue).held == 0 && !self.is_shared {
            return Ok(());
        }
        if jobs::release(&mut self.write, project, queue, key).await? {
            let lane = self.state.lanes.queue(project, queue);
            lane.held = lane.held.saturating_sub(1);
            self.add_ready(project, queue, 1);
        }
        Ok(())
    }
}
