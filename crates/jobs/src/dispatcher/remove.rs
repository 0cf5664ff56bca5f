//! Jobs, settings and projects are changed and removed from outside.

use super::command::{Done, QueueChange};
use super::finish::Leaving;
use super::group::{Failure, Group};
use super::share::Notice;
use crate::error::JobsError;
use crate::job::JobChange;
use crate::names::{QueueName, ScheduleName};
use crate::schedule::RunOutcome;
use crate::store::queues::QueueSettings;
use crate::store::{jobs, purge, queues, unsigned};
use service_kit::ids::{JobId, ProjectId};

impl Group<'_> {
    /// Changes a job that no handler has.
    pub(super) async fn update(
        &mut self,
        project: &ProjectId,
        id: &JobId,
        change: &JobChange,
    ) -> Result<Done, Failure> {
        self.flush_inserts().await?;
        if !jobs::update(&mut self.write, project, id, change).await? {
            return Err(JobsError::JobNotFound.into());
        }
        Ok(Done::Nothing)
    }

    /// Removes a job; where it runs its handler is stopped after the commit.
    pub(super) async fn cancel(&mut self, project: &ProjectId, id: &JobId) -> Result<Done, Failure> {
        self.flush_inserts().await?;
        let brief = jobs::brief(&mut self.write, project, id).await?.ok_or(JobsError::JobNotFound)?;
        if brief.concurrency_key.is_some() {
            self.exclude().await?;
        }
        let queue = QueueName::stored(&brief.queue);
        let schedule = brief.schedule.as_deref().map(ScheduleName::stored);
        let (unique_key, schedule) = (brief.unique_key.as_deref(), schedule.as_ref());
        let leaving = Leaving { project, queue: &queue, id, unique_key, schedule };
        self.leave(leaving, RunOutcome::Cancelled, None).await?;
        // Gone at once, so that nothing that follows in this group finds it.
        jobs::delete(&mut self.write, &std::mem::take(&mut self.deletes)).await?;
        self.after.counts.cancelled += 1;
        if brief.state == "running" {
            match self.state.ticket_of(id) {
                Some(ticket) => self.after.removed.push(ticket),
                None => self.notices.push(Notice::Cancelled(id.clone())),
            }
            return Ok(Done::Nothing);
        }
        let own = self.state.lanes.project(project);
        own.waiting = own.waiting.saturating_sub(1);
        let lane = self.state.lanes.queue(project, &queue);
        match brief.state.as_str() {
            "ready" => {
                lane.ready = lane.ready.saturating_sub(1);
                // It may have been the one that was let go on when another ended.
                self.release(project, &queue, brief.concurrency_key.as_deref()).await?;
            }
            "held" => lane.held = lane.held.saturating_sub(1),
            _ => {}
        }
        Ok(Done::Nothing)
    }

    pub(super) async fn configure(
        &mut self,
        project: &ProjectId,
        queue: &QueueName,
        change: QueueChange,
    ) -> Result<Done, Failure> {
        self.check_project(project)?;
        let before = queues::read(&mut self.write, project, queue).await?;
        let settings = change.of(before);
        let max = self.config.queues_per_project_max;
        let is_new = before == QueueSettings::default() && settings != before;
        if is_new && unsigned(queues::count(&mut self.write, project).await?) >= max {
            let setting = "queues_per_project_max";
            return Err(JobsError::LimitExceeded { what: "queues with settings", max, setting }.into());
        }
        queues::save(&mut self.write, project, queue, settings).await?;
        self.state.lanes.configure(project, queue, settings);
        self.notices.push(Notice::Changed);
        Ok(Done::Nothing)
    }

    /// Removes a share of what a project has; nothing of it runs or comes in from here on.
    pub(super) async fn purge(&mut self, project: &ProjectId) -> Result<Done, Failure> {
        self.flush_inserts().await?;
        self.after.removed.extend(self.state.remove(project));
        self.notices.push(Notice::Removed(project.clone()));
        Ok(Done::Purged(purge::some(&mut self.write, project).await?))
    }
}
