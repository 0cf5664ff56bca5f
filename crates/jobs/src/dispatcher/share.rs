//! What differs where several processes share the tables (PostgreSQL): leases, news from the others, and counts that
//! hold for all of them.

use super::command::Command;
use super::group::Group;
use crate::job::Job;
use crate::names::QueueName;
use crate::store::{instances, jobs};
use serde::{Deserialize, Serialize};
use service_kit::ids::{JobId, ProjectId};
use sql::SqlError;

/// News of one transaction; more of them are told as `Changed`.
const NOTICES_MAX: usize = 100;
/// When to look again where another instance has everything that is due.
const SKIPPED_MS: i64 = 20;

/// What an instance tells the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Notice {
    /// Jobs may run for which it has no slot: so many, as far as it knows.
    Ready { project: ProjectId, queue: QueueName, count: u64 },
    /// A job that another one runs was removed.
    Cancelled(JobId),
    /// A project was removed.
    Removed(ProjectId),
    /// Something else; or a notice may have been missed.
    Changed,
}

/// A notice as it is sent.
#[derive(Serialize, Deserialize)]
pub(super) struct Sent {
    pub(super) from: String,
    pub(super) notice: Notice,
}

impl Group<'_> {
    /// Jobs of a queue may run; other instances learn of those that are left over.
    pub(super) fn add_ready(&mut self, project: &ProjectId, queue: &QueueName, count: u64) {
        self.state.lanes.add_ready(project, queue, count);
        self.touch(project, queue);
    }

    /// More of a queue may run than before.
    pub(super) fn touch(&mut self, project: &ProjectId, queue: &QueueName) {
        if self.is_shared {
            self.touched.insert((project.clone(), queue.clone()));
        }
    }

    /// Lets instances that ask for this wait for each other, until the end of the transaction.
    pub(super) async fn exclude(&mut self) -> Result<(), SqlError> {
        if self.is_shared && !std::mem::replace(&mut self.is_excluding, true) {
            instances::exclude(&mut self.write).await?;
        }
        Ok(())
    }

    /// Before anything else is locked: what commands need to be safe from other instances.
    pub(super) async fn prepare_shared(&mut self, commands: &[Command]) -> Result<(), SqlError> {
        if !self.is_shared {
            return Ok(());
        }
        let mut ending = Vec::new();
        let mut is_exclusive = false;
        for command in commands {
            is_exclusive |= match command {
                Command::Finish { ticket, .. } => {
                    let entry = self.state.running.get(ticket).filter(|entry| !entry.is_removed);
                    ending.extend(entry.map(|entry| entry.job.id.clone()));
                    entry.is_some_and(|entry| entry.job.concurrency_key().is_some())
                }
                Command::Enqueue { jobs, .. } => jobs.iter().any(|one| one.job.unique.is_some()),
                Command::Deliver { .. } | Command::Replay { .. } | Command::SaveSchedule { .. } => true,
                _ => false,
            };
        }
        if is_exclusive {
            self.exclude().await?;
        }
        self.kept = Some(jobs::keep(&mut self.write, &ending, &self.state.instance).await?);
        Ok(())
    }

    /// Whether a job whose run ends was not removed, or given to another instance, meanwhile.
    pub(super) fn is_own(&self, job: &Job) -> bool {
        self.kept.as_ref().is_none_or(|kept| kept.contains(job.id.as_str()))
    }

    /// Brings the lanes to what runs in all instances, once in a transaction.
    pub(super) async fn count_running(&mut self) -> Result<(), SqlError> {
        if std::mem::replace(&mut self.is_counted, true) {
            return Ok(());
        }
        self.exclude().await?;
        self.flush_claims().await?;
        self.flush_deletes().await?;
        self.state.lanes.clear_running();
        for (project, queue, key, count) in jobs::count_running(&mut self.write).await? {
            let Ok(project) = ProjectId::parse(&project) else { continue };
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            self.state.lanes.add_running(&project, &QueueName::stored(&queue), key.as_deref(), count);
        }
        // Handlers that have not stopped yet.
        for (ticket, entry) in &self.state.running {
            if entry.is_removed && !self.after.finished.contains(ticket) {
                let (job, key) = (&entry.job, entry.job.concurrency_key());
                self.state.lanes.add_running(&job.project, &job.spec.queue, key, 1);
            }
        }
        Ok(())
    }

    /// Gives back what instances had that were not seen for long.
    pub(super) async fn reap(&mut self) -> Result<(), SqlError> {
        let gone = instances::expire(&mut self.write).await?;
        if gone.is_empty() {
            return Ok(());
        }
        self.exclude().await?;
        let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
        let lost = jobs::running(&mut self.write, Some(&gone)).await?;
        if !lost.is_empty() {
            tracing::warn!(jobs = lost.len(), "a process that shares the queue is gone: its jobs run again");
        }
        for row in lost {
            let job = row.job()?;
            if self.give_back(&job, true).await? {
                self.state.lanes.project(&job.project).waiting += 1;
                self.add_ready(&job.project, &job.spec.queue, 1);
            }
            self.flush_deletes().await?;
            self.release(&job.project, &job.spec.queue, job.concurrency_key()).await?;
        }
        Ok(())
    }

    /// When what is due next is looked at, where another instance may have been found to have it.
    pub(super) fn not_skipped(&self, next: Option<i64>, is_skipped: bool) -> Option<i64> {
        if is_skipped { next.map(|next| next.max(self.now + SKIPPED_MS)) } else { next }
    }

    /// Tells the others, with the commit.
    pub(super) async fn tell(&mut self) -> Result<(), SqlError> {
        if !self.is_shared {
            return Ok(());
        }
        let mut notices = std::mem::take(&mut self.notices);
        for (project, queue) in std::mem::take(&mut self.touched) {
            let count = self.state.lanes.queue(&project, &queue).ready;
            if count > 0 {
                notices.push(Notice::Ready { project, queue, count });
            }
        }
        if notices.is_empty() {
            return Ok(());
        }
        if notices.len() > NOTICES_MAX {
            notices = vec![Notice::Changed];
        }
        let from = &self.state.instance;
        let sent =
            notices.into_iter().map(|notice| serde_json::to_string(&Sent { from: from.clone(), notice }));
        let sent = sent.collect::<Result<Vec<_>, _>>().map_err(crate::store::undecodable)?;
        let sent: Vec<&str> = sent.iter().map(String::as_str).collect();
        instances::notify(&mut self.write, &sent).await
    }
}
