//! Free slots take jobs.

use super::group::{Claimed, Group};
use super::state::{Entry, State};
use crate::job::Job;
use crate::lanes::Take;
use crate::names::QueueName;
use crate::store::jobs::{self, JobRow};
use service_kit::ids::ProjectId;
use sql::SqlError;
use std::collections::HashMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// How often one queue is looked at in one transaction where jobs are found that have to be held.
const LOOKS_MAX: usize = 8;

impl Group<'_> {
    /// Gives ready jobs to the workers that have free slots.
    pub(super) async fn claim(&mut self) -> Result<(), SqlError> {
        self.flush_inserts().await?;
        if self.is_shared && self.state.has_free_slot() && self.state.lanes.has_limited() {
            self.count_running().await?;
        }
        for worker in 0..self.state.workers.len() {
            let State { lanes, workers, removed, .. } = &mut *self.state;
            let own = &workers[worker];
            if own.free() == 0 {
                continue;
            }
            let wants = |project: &ProjectId, queue: &QueueName| {
                own.selector.matches(project, queue) && !removed.contains(project)
            };
            let takes = lanes.deal(own.free(), &wants, |project| own.room(project));
            let mut found = self.candidates_of(&takes).await?;
            for take in takes {
                let first = found.remove(&(take.project.clone(), take.queue.clone()));
                self.claim_from(worker, &take, first).await?;
            }
            self.flush_claims().await?;
        }
        Ok(())
    }

    /// What several queues have, where that is one statement.
    async fn candidates_of(
        &mut self,
        takes: &[Take],
    ) -> Result<HashMap<(ProjectId, QueueName), Vec<Job>>, SqlError> {
        let mut found: HashMap<_, Vec<Job>> = HashMap::new();
        if !self.is_shared || takes.len() < 2 {
            return Ok(found);
        }
        for take in takes {
            found.insert((take.project.clone(), take.queue.clone()), Vec::new());
        }
        for row in jobs::candidates_of(&mut self.write, takes).await? {
            let job = row.job()?;
            found.entry((job.project.clone(), job.spec.queue.clone())).or_default().push(job);
        }
        Ok(found)
    }

    /// Takes jobs of one queue, those that were found before first.
    async fn claim_from(
        &mut self,
        worker: usize,
        take: &Take,
        mut first: Option<Vec<Job>>,
    ) -> Result<(), SqlError> {
        let mut left = take.count;
        for _ in 0..LOOKS_MAX {
            let found = match first.take() {
                Some(found) => found,
                None => {
                    let rows = jobs::candidates(&mut self.write, &take.project, &take.queue, left).await?;
                    rows.into_iter().map(JobRow::job).collect::<Result<_, _>>()?
                }
            };
            let is_short = found.len() < left;
            if self.is_shared && found.iter().any(|job| job.concurrency_key().is_some()) {
                self.count_running().await?;
            }
            let mut held = Vec::new();
            for job in found {
                if self.has_to_wait(&job) {
                    held.push(job.id);
                    continue;
                }
                self.state.lanes.begin(&job.project, &job.spec.queue, job.concurrency_key());
                self.state.workers[worker].begin(&job.project);
                self.claims.push(job.id.clone());
                left -= 1;
                self.start(worker, job);
            }
            let lane = self.state.lanes.queue(&take.project, &take.queue);
            lane.ready = lane.ready.saturating_sub(held.len() as u64);
            lane.held += held.len() as u64;
            if is_short && self.is_shared {
                // Others have taken the rest.
                lane.ready = 0;
            }
            if held.is_empty() {
                return Ok(());
            }
            jobs::hold(&mut self.write, &held).await?;
            self.flush_claims().await?;
            if left == 0 || is_short {
                return Ok(());
            }
        }
        self.after.has_more = true;
        Ok(())
    }

    /// The jobs that were taken are marked, before the queue is looked at again.
    pub(super) async fn flush_claims(&mut self) -> Result<(), SqlError> {
        let ids = std::mem::take(&mut self.claims);
        jobs::claim(&mut self.write, &ids, &self.state.instance, self.now).await
    }

    fn has_to_wait(&mut self, job: &Job) -> bool {
        let Some(concurrency) = &job.spec.options.concurrency else { return false };
        let running = self.state.lanes.queue(&job.project, &job.spec.queue).running_with(&concurrency.key);
        running >= concurrency.limit
    }

    fn start(&mut self, worker: usize, mut job: Job) {
        job.attempt += 1;
        self.state.last_ticket += 1;
        let stop = CancellationToken::new();
        let entry = Entry { job: Arc::new(job), worker, stop, is_removed: false };
        self.after.claimed.push(Claimed { ticket: self.state.last_ticket, entry });
    }
}
