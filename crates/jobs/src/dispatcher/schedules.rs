//! Schedules are kept and fire: the job, the line of the history and the next time are one transaction.

use super::command::{Done, Prepared};
use super::group::{Failure, Group};
use crate::error::JobsError;
use crate::job::{ConcurrencyKey, Enqueued, NewJob, ScheduledRun, Start, UniqueKey};
use crate::names::ScheduleName;
use crate::schedule::{NewSchedule, Overlap, RunOutcome, Schedule, due};
use crate::store::keys::Place;
use crate::store::runs::{self, NewRun};
use crate::store::{jobs, schedules, unsigned};
use service_kit::ids::{JobId, ProjectId};
use sql::SqlError;
use std::time::Duration;

/// Runs that wait for one another.
const QUEUED_MAX: i64 = 100;
/// Runs that one transaction enqueues.
const FIRED_MAX: usize = 200;

impl Group<'_> {
    /// Saving the same times again leaves the next one as it is.
    pub(super) async fn save_schedule(
        &mut self,
        project: &ProjectId,
        new: &NewSchedule,
    ) -> Result<Done, Failure> {
        self.check_project(project)?;
        self.exclude().await?;
        let found = schedules::read(&mut self.write, project, &new.name).await?;
        let max = self.config.schedules_per_project_max;
        if found.is_none() && unsigned(schedules::count(&mut self.write, project).await?) >= max {
            let setting = "schedules_per_project_max";
            return Err(JobsError::LimitExceeded { what: "schedules", max, setting }.into());
        }
        let schedule = match found {
            Some(found) if found.saved.when == new.when => Schedule { saved: new.clone(), ..found },
            found => {
                let next_at_ms = new.when.times(self.now)?.next(self.now);
                if next_at_ms.is_none() {
                    let text = "the time of the schedule has passed".to_owned();
                    return Err(JobsError::InvalidSchedule(text).into());
                }
                Schedule {
                    saved: new.clone(),
                    paused: found.as_ref().is_some_and(|found| found.paused),
                    next_at_ms,
                    last_at_ms: found.as_ref().and_then(|found| found.last_at_ms),
                    created_at_ms: found.map_or(self.now, |found| found.created_at_ms),
                    anchor_ms: self.now,
                }
            }
        };
        self.keep(project, &schedule).await?;
        Ok(Done::Scheduled(Box::new(schedule)))
    }

    async fn keep(&mut self, project: &ProjectId, schedule: &Schedule) -> Result<(), SqlError> {
        schedules::save(&mut self.write, project, schedule).await?;
        self.state.next_schedule = schedules::next_fire(&mut self.write).await?;
        Ok(())
    }

    async fn find(&mut self, project: &ProjectId, name: &ScheduleName) -> Result<Schedule, Failure> {
        let found = schedules::read(&mut self.write, project, name).await?;
        found.ok_or(Failure::Refused(JobsError::ScheduleNotFound))
    }

    pub(super) async fn delete_schedule(
        &mut self,
        project: &ProjectId,
        name: &ScheduleName,
    ) -> Result<Done, Failure> {
        if !schedules::delete(&mut self.write, project, name).await? {
            return Err(JobsError::ScheduleNotFound.into());
        }
        runs::delete(&mut self.write, project, name).await?;
        self.state.next_schedule = schedules::next_fire(&mut self.write).await?;
        Ok(Done::Nothing)
    }

    /// Times that pass while it is paused are not made up.
    pub(super) async fn pause_schedule(
        &mut self,
        project: &ProjectId,
        name: &ScheduleName,
        paused: bool,
    ) -> Result<Done, Failure> {
        let mut schedule = self.find(project, name).await?;
        if schedule.paused && !paused {
            schedule.next_at_ms = schedule.saved.when.times(schedule.anchor_ms)?.next(self.now);
        }
        schedule.paused = paused;
        self.keep(project, &schedule).await?;
        Ok(Done::Scheduled(Box::new(schedule)))
    }

    pub(super) async fn run_schedule(
        &mut self,
        project: &ProjectId,
        name: &ScheduleName,
    ) -> Result<Done, Failure> {
        self.check_project(project)?;
        let schedule = self.find(project, name).await?;
        let enqueued = self.enqueue_run(project, &schedule, self.now, None).await?;
        let run = NewRun { job: Some(&enqueued.id), ..self.line(self.now, RunOutcome::Enqueued) };
        self.note(project, name, run).await?;
        Ok(Done::Enqueued(vec![enqueued]))
    }

    /// Fires what is due.
    pub(super) async fn fire_due(&mut self) -> Result<(), SqlError> {
        let mut left = FIRED_MAX;
        let rows = schedules::due(&mut self.write, self.now).await?;
        let is_skipped = rows.is_empty();
        for row in rows {
            let Ok(project) = ProjectId::parse(&row.project) else { continue };
            let schedule = row.schedule()?;
            if self.state.removed.contains(&project) {
                schedules::delete(&mut self.write, &project, &schedule.saved.name).await?;
                continue;
            }
            if left == 0 {
                break;
            }
            left -= self.fire(&project, schedule, left).await?;
        }
        let next = schedules::next_fire(&mut self.write).await?;
        self.state.next_schedule = self.not_skipped(next, is_skipped);
        self.after.has_more |= self.state.next_schedule.is_some_and(|due| due <= self.now);
        Ok(())
    }

    /// Fires one schedule, at most so many times; says how many.
    async fn fire(
        &mut self,
        project: &ProjectId,
        mut schedule: Schedule,
        most: usize,
    ) -> Result<usize, SqlError> {
        let name = schedule.saved.name.clone();
        let due = match due(&schedule, self.now - schedule.saved.offset_ms(project.as_str())) {
            Ok(due) => due,
            // The time zone is no longer known: it stands still, and its history says why.
            Err(error) => {
                let (planned, text) = (schedule.next_at_ms.unwrap_or(self.now), error.to_string());
                let run = NewRun { error: Some(&text), ..self.line(planned, RunOutcome::Refused) };
                self.note(project, &name, run).await?;
                schedule.next_at_ms = None;
                schedules::save(&mut self.write, project, &schedule).await?;
                return Ok(1);
            }
        };
        if let Some(missed) = due.missed {
            let run = self.line(missed, RunOutcome::Missed);
            self.note(project, &name, run).await?;
        }
        for planned in due.fire.iter().take(most) {
            self.fire_at(project, &schedule, *planned).await?;
            schedule.last_at_ms = Some(*planned);
        }
        schedule.next_at_ms = due.fire.get(most).copied().or(due.next);
        schedules::save(&mut self.write, project, &schedule).await?;
        runs::trim(&mut self.write, project, &name, self.config.schedule_runs_max).await?;
        Ok(due.fire.len().min(most).max(1))
    }

    async fn fire_at(
        &mut self,
        project: &ProjectId,
        schedule: &Schedule,
        planned: i64,
    ) -> Result<(), SqlError> {
        let name = &schedule.saved.name;
        self.flush_inserts().await?;
        let unfinished = jobs::of_schedule(&mut self.write, project, name).await?;
        let is_overlapping = match schedule.saved.overlap {
            Overlap::Skip => unfinished > 0,
            Overlap::Queue => unfinished >= QUEUED_MAX,
            Overlap::Allow => false,
        };
        if is_overlapping {
            let run = self.line(planned, RunOutcome::Overlapped);
            return self.note(project, name, run).await;
        }
        let key = format!("schedule/{name}/{planned}");
        let unique = Some(UniqueKey { key, keep: Duration::ZERO });
        match self.enqueue_run(project, schedule, planned, unique).await {
            Ok(enqueued) => {
                let run = NewRun { job: Some(&enqueued.id), ..self.line(planned, RunOutcome::Enqueued) };
                self.note(project, name, run).await
            }
            Err(Failure::Refused(error)) => {
                let text = error.to_string();
                let run = NewRun { error: Some(&text), ..self.line(planned, RunOutcome::Refused) };
                self.note(project, name, run).await
            }
            Err(Failure::Store(error)) => Err(error),
        }
    }

    async fn enqueue_run(
        &mut self,
        project: &ProjectId,
        schedule: &Schedule,
        planned_at_ms: i64,
        unique: Option<UniqueKey>,
    ) -> Result<Enqueued, Failure> {
        let name = &schedule.saved.name;
        let mut spec = schedule.saved.job.clone();
        if schedule.saved.overlap == Overlap::Queue {
            spec.options.concurrency = Some(ConcurrencyKey { key: format!("schedule/{name}"), limit: 1 });
        }
        if let Some(unique) = &unique {
            let place = Place { project, queue: &spec.queue, key: &unique.key };
            if let Some(id) = self.owner(place).await? {
                return Ok(Enqueued { id, existed: true });
            }
        }
        self.check_room(project, 1).await?;
        let prepared = Prepared { id: JobId::generate(), job: NewJob { spec, start: Start::Now, unique } };
        let run = ScheduledRun { schedule: name.clone(), planned_at_ms };
        self.add(project, &prepared, Some(run)).await?;
        Ok(Enqueued { id: prepared.id, existed: false })
    }

    async fn note(
        &mut self,
        project: &ProjectId,
        name: &ScheduleName,
        run: NewRun<'_>,
    ) -> Result<(), SqlError> {
        self.after.counts.fired(run.outcome);
        runs::insert(&mut self.write, project, name, run).await
    }

    /// A line of the history, of now.
    fn line<'r>(&self, planned_at: i64, outcome: RunOutcome) -> NewRun<'r> {
        NewRun { planned_at, fired_at: self.now, job: None, outcome, error: None }
    }
}
