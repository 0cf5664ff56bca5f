//! What the dispatcher is told, and what it answers.

use super::share::Notice;
use super::state::Worker;
use crate::delivery::{CursorKey, Delivery};
use crate::error::JobsError;
use crate::job::{Enqueued, JobChange, NewJob, Outcome, Recorded};
use crate::names::{QueueName, ScheduleName};
use crate::schedule::{NewSchedule, Schedule};
use crate::store::failures::Which;
use crate::store::queues::QueueSettings;
use service_kit::admission::Admitted;
use service_kit::ids::{JobId, ProjectId};
use tokio::sync::oneshot;

/// A call that waits.
pub(crate) struct Request {
    pub(crate) command: Command,
    pub(crate) reply: oneshot::Sender<Result<Done, JobsError>>,
    /// The place among what waits, given back when the call is answered.
    pub(crate) admitted: Option<Admitted>,
}

/// A checked job with its id.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub(crate) id: JobId,
    pub(crate) job: NewJob,
}

/// A change of a queue's settings.
#[derive(Debug, Clone, Copy)]
pub(crate) enum QueueChange {
    Pause(bool),
    Limit(Option<u32>),
}

impl QueueChange {
    pub(crate) fn of(self, settings: QueueSettings) -> QueueSettings {
        match self {
            Self::Pause(paused) => QueueSettings { paused, ..settings },
            Self::Limit(concurrency_max) => QueueSettings { concurrency_max, ..settings },
        }
    }
}

/// What is to be done.
pub(crate) enum Command {
    Enqueue {
        project: ProjectId,
        jobs: Vec<Prepared>,
    },
    Deliver {
        delivery: Delivery,
        jobs: Vec<Prepared>,
    },
    ForgetCursor(CursorKey),
    Finish {
        ticket: u64,
        outcome: Outcome,
    },
    Update {
        project: ProjectId,
        id: JobId,
        change: JobChange,
    },
    Cancel {
        project: ProjectId,
        id: JobId,
    },
    Configure {
        project: ProjectId,
        queue: QueueName,
        change: QueueChange,
    },
    Replay {
        project: ProjectId,
        which: Which,
    },
    Discard {
        project: ProjectId,
        which: Which,
    },
    SaveSchedule {
        project: ProjectId,
        schedule: NewSchedule,
    },
    DeleteSchedule {
        project: ProjectId,
        name: ScheduleName,
    },
    PauseSchedule {
        project: ProjectId,
        name: ScheduleName,
        paused: bool,
    },
    RunSchedule {
        project: ProjectId,
        name: ScheduleName,
    },
    Purge(ProjectId),
    Work(Worker),
    /// Another instance said something.
    Heard(Notice),
    /// Do what is due.
    Tick,
    Close,
}

/// The answer to a command.
#[derive(Debug)]
pub(crate) enum Done {
    Enqueued(Vec<Enqueued>),
    Recorded(Recorded),
    Scheduled(Box<Schedule>),
    /// How many, and where the rest begins, if there is any.
    Replayed(usize, Option<JobId>),
    Discarded(u64),
    /// Whether there may be more.
    Purged(bool),
    Nothing,
}
