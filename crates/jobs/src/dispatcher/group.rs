//! The calls that share one transaction.

use super::command::{Command, Done};
use super::share::Notice;
use super::state::{Entry, State};
use crate::config::JobsConfig;
use crate::error::JobsError;
use crate::metrics::Counts;
use crate::names::QueueName;
use crate::store::Store;
use crate::store::instances;
use crate::store::jobs::{self, NewRow};
use service_kit::ids::{JobId, ProjectId};
use sql::SqlError;
use sql::shared::SharedWrite;
use std::collections::HashSet;

/// Why a call did not do what it asked for.
pub(super) enum Failure {
    /// It may not; nothing was changed.
    Refused(JobsError),
    /// The store failed, and with it the whole group.
    Store(SqlError),
}

impl From<JobsError> for Failure {
    fn from(error: JobsError) -> Self {
        Self::Refused(error)
    }
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        Self::Store(error)
    }
}

/// A job that begins after the commit.
pub(super) struct Claimed {
    pub(super) ticket: u64,
    pub(super) entry: Entry,
}

/// What follows the commit.
#[derive(Default)]
pub(super) struct After {
    pub(super) claimed: Vec<Claimed>,
    /// Tickets of runs that ended.
    pub(super) finished: Vec<u64>,
    /// Tickets of runs whose job was removed.
    pub(super) removed: Vec<u64>,
    pub(super) counts: Counts,
    /// Whether there is more to do than one transaction takes.
    pub(super) has_more: bool,
}

/// One transaction.
pub(super) struct Group<'a> {
    pub(super) write: SharedWrite,
    /// Whether other processes use the tables too.
    pub(super) is_shared: bool,
    /// Whether this process had no lease, so that others may have taken its jobs.
    pub(super) is_new: bool,
    pub(super) state: &'a mut State,
    pub(super) config: &'a JobsConfig,
    pub(super) now: i64,
    pub(super) after: After,
    /// Jobs to be stored together.
    pub(super) inserts: Vec<NewRow>,
    /// Jobs to be marked as taken together.
    pub(super) claims: Vec<JobId>,
    /// Jobs whose runs end in this group and that are still this process's; `None` where nobody else can take them.
    pub(super) kept: Option<HashSet<String>>,
    /// Whether other instances wait for this transaction.
    pub(super) is_excluding: bool,
    /// Whether the lanes know what runs in all instances.
    pub(super) is_counted: bool,
    /// Queues of which more may run than before.
    pub(super) touched: HashSet<(ProjectId, QueueName)>,
    /// What other instances are told.
    pub(super) notices: Vec<Notice>,
    /// Jobs to be removed together.
    pub(super) deletes: Vec<JobId>,
    /// Projects that got dead letters.
    pub(super) buried: HashSet<ProjectId>,
    /// Projects with too many unique keys.
    pub(super) crowded: HashSet<ProjectId>,
}

impl<'a> Group<'a> {
    pub(super) async fn begin(
        store: &Store,
        state: &'a mut State,
        config: &'a JobsConfig,
        now: i64,
    ) -> Result<Self, SqlError> {
        let (mut write, is_shared) = (store.write().await?, store.is_shared());
        let is_new = is_shared && !instances::renew(&mut write, &state.instance).await?;
        if is_new {
            instances::insert(&mut write, &state.instance).await?;
        }
        let (after, inserts, claims, deletes) = Default::default();
        let (buried, crowded, touched, notices) = Default::default();
        Ok(Self {
            write,
            is_shared,
            is_new,
            state,
            config,
            now,
            after,
            inserts,
            claims,
            kept: None,
            is_excluding: false,
            is_counted: false,
            touched,
            notices,
            deletes,
            buried,
            crowded,
        })
    }

    /// Ends of runs first: they give slots and keys free. The rest in the order in which it came.
    pub(super) async fn apply_all(
        &mut self,
        commands: &[Command],
    ) -> Result<Vec<Result<Done, JobsError>>, SqlError> {
        self.prepare_shared(commands).await?;
        let mut results: Vec<Option<Result<Done, JobsError>>> = Vec::new();
        for command in commands {
            results.push(match command {
                Command::Finish { ticket, outcome } => {
                    Some(Ok(Done::Recorded(self.finish(*ticket, outcome).await?)))
                }
                _ => None,
            });
        }
        self.flush_deletes().await?;
        let mut answers = Vec::with_capacity(commands.len());
        for (command, result) in commands.iter().zip(results) {
            answers.push(match result {
                Some(result) => result,
                None => match self.apply(command).await {
                    Ok(done) => Ok(done),
                    Err(Failure::Refused(error)) => Err(error),
                    Err(Failure::Store(error)) => return Err(error),
                },
            });
        }
        Ok(answers)
    }

    async fn apply(&mut self, command: &Command) -> Result<Done, Failure> {
        match command {
            Command::Enqueue { project, jobs } => Ok(Done::Enqueued(self.enqueue(project, jobs).await?)),
            Command::Deliver { delivery, jobs } => Ok(Done::Enqueued(self.deliver(delivery, jobs).await?)),
            Command::ForgetCursor(cursor) => self.forget_cursor(cursor).await,
            Command::Update { project, id, change } => self.update(project, id, change).await,
            Command::Cancel { project, id } => self.cancel(project, id).await,
            Command::Configure { project, queue, change } => self.configure(project, queue, *change).await,
            Command::Replay { project, which } => self.replay(project, which).await,
            Command::Discard { project, which } => self.discard(project, which).await,
            Command::SaveSchedule { project, schedule } => self.save_schedule(project, schedule).await,
            Command::DeleteSchedule { project, name } => self.delete_schedule(project, name).await,
            Command::PauseSchedule { project, name, paused } => {
                self.pause_schedule(project, name, *paused).await
            }
            Command::RunSchedule { project, name } => self.run_schedule(project, name).await,
            Command::Purge(project) => self.purge(project).await,
            Command::Work(worker) => {
                self.state.workers.push(worker.clone());
                Ok(Done::Nothing)
            }
            Command::Finish { .. } | Command::Heard(_) | Command::Tick | Command::Close => Ok(Done::Nothing),
        }
    }

    /// What is due by itself.
    pub(super) async fn pass_time(&mut self) -> Result<(), SqlError> {
        if self.state.next_delayed.is_some_and(|due| due <= self.now) {
            self.promote().await?;
        }
        if self.state.next_schedule.is_some_and(|due| due <= self.now) {
            self.fire_due().await?;
        }
        if self.state.next_sweep <= self.now {
            self.sweep().await?;
        }
        Ok(())
    }

    /// Stores the jobs that wait for it; before anything that reads the queue.
    pub(super) async fn flush_inserts(&mut self) -> Result<(), SqlError> {
        let rows = std::mem::take(&mut self.inserts);
        if rows.is_empty() { Ok(()) } else { jobs::insert(&mut self.write, &rows).await }
    }

    pub(super) async fn flush_deletes(&mut self) -> Result<(), SqlError> {
        let ids = std::mem::take(&mut self.deletes);
        if ids.is_empty() { Ok(()) } else { jobs::delete(&mut self.write, &ids).await }
    }

    /// Refuses what is for a project that is being removed.
    pub(super) fn check_project(&self, project: &ProjectId) -> Result<(), JobsError> {
        if self.state.removed.contains(project) { Err(JobsError::ProjectRemoved) } else { Ok(()) }
    }

    pub(super) async fn commit(mut self) -> Result<After, SqlError> {
        self.flush_inserts().await?;
        self.flush_deletes().await?;
        self.trim().await?;
        self.tell().await?;
        self.write.commit().await?;
        Ok(self.after)
    }
}
