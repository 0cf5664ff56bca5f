//! Schedules: saved, looked at, fired by hand.

use super::Jobs;
use crate::dispatcher::{Command, Done};
use crate::error::JobsError;
use crate::inspect::PAGE_MAX;
use crate::job::Enqueued;
use crate::names::ScheduleName;
use crate::schedule::{NewSchedule, Schedule, ScheduleRun};
use service_kit::admission::Admitted;
use service_kit::ids::ProjectId;

impl Jobs {
    /// Saves a schedule, in place of one of the same name. If its times are the same as before, the next one stays
    /// what it was; whether it is paused stays in any case.
    ///
    /// # Errors
    /// It cannot be read, never fires, or the project has too many.
    pub async fn save_schedule(
        &self,
        project: &ProjectId,
        schedule: NewSchedule,
    ) -> Result<Schedule, JobsError> {
        schedule.check()?;
        self.check_spec(schedule.job.payload.len(), &schedule.job.options)?;
        let admitted = self.admit(project, schedule.job.payload.len())?;
        self.scheduled(Command::SaveSchedule { project: project.clone(), schedule }, Some(admitted)).await
    }

    /// Removes a schedule and its history; jobs that it enqueued stay.
    ///
    /// # Errors
    /// `ScheduleNotFound`.
    pub async fn delete_schedule(&self, project: &ProjectId, name: &ScheduleName) -> Result<(), JobsError> {
        let command = Command::DeleteSchedule { project: project.clone(), name: name.clone() };
        self.ask(command, None).await.map(|_| ())
    }

    /// Lets times pass without a run, from now on.
    ///
    /// # Errors
    /// `ScheduleNotFound`.
    pub async fn pause_schedule(
        &self,
        project: &ProjectId,
        name: &ScheduleName,
    ) -> Result<Schedule, JobsError> {
        let (project, name) = (project.clone(), name.clone());
        self.scheduled(Command::PauseSchedule { project, name, paused: true }, None).await
    }

    /// Goes on with the next time that comes.
    ///
    /// # Errors
    /// `ScheduleNotFound`.
    pub async fn resume_schedule(
        &self,
        project: &ProjectId,
        name: &ScheduleName,
    ) -> Result<Schedule, JobsError> {
        let (project, name) = (project.clone(), name.clone());
        self.scheduled(Command::PauseSchedule { project, name, paused: false }, None).await
    }

    /// Enqueues a run now, beside the planned ones, whether it is paused or an earlier one has not ended.
    ///
    /// # Errors
    /// `ScheduleNotFound`; the project has too many jobs.
    pub async fn run_schedule(
        &self,
        project: &ProjectId,
        name: &ScheduleName,
    ) -> Result<Enqueued, JobsError> {
        let command = Command::RunSchedule { project: project.clone(), name: name.clone() };
        self.enqueued(command, None).await?.pop().ok_or(JobsError::Stopped)
    }

    /// One schedule.
    ///
    /// # Errors
    /// `ScheduleNotFound`.
    pub async fn schedule(&self, project: &ProjectId, name: &ScheduleName) -> Result<Schedule, JobsError> {
        self.store.schedule(project, name).await?.ok_or(JobsError::ScheduleNotFound)
    }

    /// Schedules of a project after a name, in the order of their names.
    ///
    /// # Errors
    /// The store failed.
    pub async fn schedules(
        &self,
        project: &ProjectId,
        after: Option<&ScheduleName>,
        limit: usize,
    ) -> Result<Vec<Schedule>, JobsError> {
        Ok(self.store.schedules(project, after, limit.min(PAGE_MAX)).await?)
    }

    /// The history of a schedule before a line, the newest first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn schedule_runs(
        &self,
        project: &ProjectId,
        name: &ScheduleName,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<ScheduleRun>, JobsError> {
        Ok(self.store.runs(project, name, before, limit.min(PAGE_MAX)).await?)
    }

    async fn scheduled(&self, command: Command, admitted: Option<Admitted>) -> Result<Schedule, JobsError> {
        match self.ask(command, admitted).await? {
            Done::Scheduled(schedule) => Ok(*schedule),
            _ => Err(JobsError::Stopped),
        }
    }
}
