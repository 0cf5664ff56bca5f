//! Jobs come in.

use super::command::{Done, Prepared};
use super::group::{Failure, Group};
use crate::delivery::{CursorKey, Delivery};
use crate::error::JobsError;
use crate::job::{Enqueued, ScheduledRun, Start};
use crate::names::QueueName;
use crate::store::jobs::NewRow;
use crate::store::keys::{self, Place};
use crate::store::{cursors, jobs, unsigned};
use service_kit::ids::{JobId, ProjectId};
use sql::SqlError;
use std::collections::HashMap;

impl Group<'_> {
    /// All of them, or none. Those whose unique key is taken are there already.
    pub(super) async fn enqueue(
        &mut self,
        project: &ProjectId,
        jobs: &[Prepared],
    ) -> Result<Vec<Enqueued>, Failure> {
        self.check_project(project)?;
        let mut owners: HashMap<(&QueueName, &str), JobId> = HashMap::new();
        let mut enqueued = Vec::with_capacity(jobs.len());
        for prepared in jobs {
            let Some(unique) = &prepared.job.unique else {
                enqueued.push(Enqueued { id: prepared.id.clone(), existed: false });
                continue;
            };
            let slot = (&prepared.job.spec.queue, unique.key.as_str());
            let owner = match owners.get(&slot) {
                Some(owner) => Some(owner.clone()),
                None => self.owner(Place { project, queue: slot.0, key: slot.1 }).await?,
            };
            owners.entry(slot).or_insert_with(|| owner.clone().unwrap_or_else(|| prepared.id.clone()));
            let existed = owner.is_some();
            enqueued.push(Enqueued { id: owner.unwrap_or_else(|| prepared.id.clone()), existed });
        }
        let fresh = enqueued.iter().filter(|enqueued| !enqueued.existed).count() as u64;
        if fresh > 0 {
            self.check_room(project, fresh).await?;
        }
        for (prepared, enqueued) in jobs.iter().zip(&enqueued) {
            if enqueued.existed {
                self.after.counts.existed += 1;
            } else {
                self.add(project, prepared, None).await?;
            }
        }
        Ok(enqueued)
    }

    /// Refuses more jobs than a project may have.
    pub(super) async fn check_room(&mut self, project: &ProjectId, count: u64) -> Result<(), Failure> {
        let max = self.config.jobs_per_project_max;
        if self.state.lanes.waiting(project) + count > max && self.is_shared {
            // Others may have run some.
            self.flush_inserts().await?;
            let waiting = jobs::count_waiting(&mut self.write, project).await?;
            self.state.lanes.project(project).waiting = unsigned(waiting);
        }
        if self.state.lanes.waiting(project) + count > max {
            let setting = "jobs_per_project_max";
            return Err(JobsError::LimitExceeded { what: "jobs that wait", max, setting }.into());
        }
        Ok(())
    }

    /// The job that has a unique key.
    pub(super) async fn owner(&mut self, place: Place<'_>) -> Result<Option<JobId>, SqlError> {
        let owner = keys::owner(&mut self.write, place, self.now).await?;
        Ok(owner.and_then(|id| JobId::parse(&id).ok()))
    }

    /// Notes one job that was found to fit.
    pub(super) async fn add(
        &mut self,
        project: &ProjectId,
        prepared: &Prepared,
        scheduled: Option<ScheduledRun>,
    ) -> Result<(), SqlError> {
        let run_at = match prepared.job.start {
            Start::Now => self.now,
            Start::After(delay) => self.now + i64::try_from(delay.as_millis()).unwrap_or(0),
            Start::At(at_ms) => at_ms.max(self.now),
        };
        let unique = prepared.job.unique.as_ref();
        self.add_row(NewRow {
            id: prepared.id.clone(),
            project: project.clone(),
            spec: prepared.job.spec.clone(),
            ready: run_at <= self.now,
            run_at,
            created_at: self.now,
            unique: unique.map(|unique| (unique.key.clone(), unique.keep.as_millis() as u64)),
            scheduled,
        })
        .await?;
        self.after.counts.enqueued += 1;
        Ok(())
    }

    /// Notes a row, its key and what is counted.
    pub(super) async fn add_row(&mut self, row: NewRow) -> Result<(), SqlError> {
        let (project, queue) = (&row.project, &row.spec.queue);
        if let Some((key, _)) = &row.unique {
            let place = Place { project, queue, key };
            if !keys::take(&mut self.write, place, &row.id, self.now).await? {
                return Err(SqlError::Raced(sqlx::Error::RowNotFound));
            }
        }
        self.state.lanes.project(project).waiting += 1;
        if row.ready {
            self.add_ready(&row.project, &row.spec.queue, 1);
        } else {
            self.note_delayed(row.run_at);
        }
        self.inserts.push(row);
        Ok(())
    }

    /// A delayed job may run at `run_at`.
    pub(super) fn note_delayed(&mut self, run_at: i64) {
        let next = &mut self.state.next_delayed;
        *next = Some(next.map_or(run_at, |next| next.min(run_at)));
    }

    /// Makes ready what is due.
    pub(super) async fn promote(&mut self) -> Result<(), SqlError> {
        self.flush_inserts().await?;
        let due = jobs::promote(&mut self.write, self.now).await?;
        let is_skipped = due.is_empty();
        for (project, queue) in due {
            let Ok(project) = ProjectId::parse(&project) else { continue };
            self.add_ready(&project, &QueueName::stored(&queue), 1);
        }
        let next = jobs::next_delayed(&mut self.write).await?;
        self.state.next_delayed = self.not_skipped(next, is_skipped);
        self.after.has_more |= self.state.next_delayed.is_some_and(|due| due <= self.now);
        Ok(())
    }

    /// Enqueues what was read from a source and moves the cursor.
    pub(super) async fn deliver(
        &mut self,
        delivery: &Delivery,
        jobs: &[Prepared],
    ) -> Result<Vec<Enqueued>, Failure> {
        let key = &delivery.cursor;
        self.check_project(&key.project)?;
        let found = cursors::read(&mut self.write, key).await?;
        if found != delivery.expected {
            return Err(JobsError::CursorMoved.into());
        }
        let max = self.config.cursors_per_project_max;
        if found.is_none() && unsigned(cursors::count(&mut self.write, &key.project).await?) >= max {
            let setting = "cursors_per_project_max";
            return Err(JobsError::LimitExceeded { what: "cursors", max, setting }.into());
        }
        let enqueued = self.enqueue(&key.project, jobs).await?;
        cursors::save(&mut self.write, key, &delivery.position, self.now).await?;
        Ok(enqueued)
    }

    pub(super) async fn forget_cursor(&mut self, key: &CursorKey) -> Result<Done, Failure> {
        cursors::delete(&mut self.write, key).await?;
        Ok(Done::Nothing)
    }
}
