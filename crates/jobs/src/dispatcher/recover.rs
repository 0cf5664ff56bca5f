//! The tables are read again: at the start, and after a transaction that failed.

use super::group::Group;
use crate::job::Job;
use crate::lanes::Lanes;
use crate::names::QueueName;
use crate::store::jobs::Again;
use crate::store::{failures, jobs, keys, queues, schedules, unsigned};
use service_kit::ids::{JobId, ProjectId};
use sql::SqlError;
use std::collections::HashMap;

/// What a job failed with whose process was killed.
const PROCESS_ENDED: &str = "the process ended while the job ran";

impl Group<'_> {
    /// Brings the state in memory to what the tables say.
    pub(super) async fn reload(&mut self) -> Result<(), SqlError> {
        self.state.lanes = Lanes::default();
        self.match_running().await?;
        if self.is_shared {
            jobs::release_idle(&mut self.write).await?;
        } else {
            jobs::release_all(&mut self.write).await?;
        }
        // What was buried above is removed from the queue before it is counted.
        jobs::delete(&mut self.write, &std::mem::take(&mut self.deletes)).await?;
        self.count().await?;
        for (project, queue, paused, max) in queues::all(&mut self.write).await? {
            let Ok(project) = ProjectId::parse(&project) else { continue };
            let settings = queues::settings(paused, max);
            self.state.lanes.configure(&project, &QueueName::stored(&queue), settings);
        }
        for project in &self.state.removed {
            self.state.lanes.remove(project);
        }
        self.place_running();
        self.state.next_delayed = jobs::next_delayed(&mut self.write).await?;
        self.state.next_schedule = schedules::next_fire(&mut self.write).await?;
        Ok(())
    }

    /// Jobs that run by the table and that no handler has go back; runs that are not in the table are over.
    async fn match_running(&mut self) -> Result<(), SqlError> {
        let mut known: HashMap<(JobId, u32), u64> = HashMap::new();
        for (ticket, entry) in &self.state.running {
            known.insert((entry.job.id.clone(), entry.job.attempt), *ticket);
        }
        let own = [self.state.instance.as_str()];
        let own = self.is_shared.then_some(&own[..]);
        let is_lost = !self.state.is_opened;
        for row in jobs::running(&mut self.write, own).await? {
            let job = row.job()?;
            if known.remove(&(job.id.clone(), job.attempt)).is_none() {
                self.give_back(&job, is_lost).await?;
            }
        }
        known.into_values().for_each(|ticket| self.state.stop(ticket));
        Ok(())
    }

    /// In this process the claim was not answered and no handler saw the job: the attempt does not count. In one
    /// that is lost it may have run, so it counts. Says whether it may run again.
    pub(super) async fn give_back(&mut self, job: &Job, is_lost: bool) -> Result<bool, SqlError> {
        if is_lost && job.attempt >= job.spec.options.retry.attempts_max {
            self.bury(job, PROCESS_ENDED).await?;
            return Ok(false);
        }
        let attempt = if is_lost { job.attempt } else { job.attempt.saturating_sub(1) };
        let error = is_lost.then_some(PROCESS_ENDED);
        let again = Again { ready: true, run_at: job.run_at_ms, attempt, error };
        jobs::put_back(&mut self.write, &job.id, again).await?;
        Ok(true)
    }

    async fn count(&mut self) -> Result<(), SqlError> {
        for (project, queue, state, count) in jobs::count(&mut self.write).await? {
            let Ok(project) = ProjectId::parse(&project) else { continue };
            if state != "running" {
                self.state.lanes.project(&project).waiting += unsigned(count);
            }
            if state == "ready" {
                self.state.lanes.add_ready(&project, &QueueName::stored(&queue), unsigned(count));
            }
        }
        for (project, count) in failures::count(&mut self.write).await? {
            let Ok(project) = ProjectId::parse(&project) else { continue };
            self.state.lanes.project(&project).dead = unsigned(count);
        }
        for (project, count) in keys::count_kept(&mut self.write).await? {
            let Ok(project) = ProjectId::parse(&project) else { continue };
            self.state.lanes.project(&project).kept_keys = unsigned(count);
        }
        Ok(())
    }

    /// Runs take their places again, removed ones too: they have their slots until they end.
    fn place_running(&mut self) {
        for worker in &mut self.state.workers {
            worker.running = 0;
            worker.by_project.clear();
        }
        let (lanes, workers) = (&mut self.state.lanes, &mut self.state.workers);
        for entry in self.state.running.values() {
            lanes.add_running(&entry.job.project, &entry.job.spec.queue, entry.job.concurrency_key(), 1);
            workers[entry.worker].begin(&entry.job.project);
        }
    }
}
