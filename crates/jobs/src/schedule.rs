//! Schedules: what they are, and when they fire. Knows no store.
//!
//! Clock changes, for cron expressions in a time zone: a fixed time of day (single second, minute and hour) that
//! the clock jumps over fires at the first moment after the jump; one that comes twice fires the first time. An
//! expression with ranges, steps or wildcards in them leaves out times that are jumped over and fires in both
//! passes of a repeated hour. Fixed intervals do not see clock changes.

mod due;
mod when;

pub(crate) use due::due;
pub use when::When;

use crate::error::JobsError;
use crate::job::JobSpec;
use crate::names::ScheduleName;
use serde::{Deserialize, Serialize};
use service_kit::ids::JobId;
use xxhash_rust::xxh3::xxh3_64;

/// The longest jitter: an hour.
const JITTER_MS_MAX: u64 = 3_600_000;
/// Runs that `CatchUp::All` makes up at most.
pub const CATCH_UP_MAX: u32 = 1_000;

/// What happens where a run is due and an earlier one has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// The run is left out; the history says so.
    #[default]
    Skip,
    /// The run waits for the earlier ones, at most 100 of them.
    Queue,
    /// Both run.
    Allow,
}

/// What happens to times that passed while nothing could fire (the process was down, or the clock jumped).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// Nothing is made up: only the newest planned time fires, and only within a minute of it.
    None,
    /// The newest planned time fires, however late.
    #[default]
    Last,
    /// The newest `max` planned times fire, the oldest of them first.
    All {
        /// 1 to 1,000.
        max: u32,
    },
}

/// A schedule to be saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSchedule {
    /// Its name in the project.
    pub name: ScheduleName,
    /// When it fires.
    pub when: When,
    /// Each schedule fires this much later at most, always by the same share of it, so that those with the same
    /// expression do not fire all at once.
    pub jitter_ms: u64,
    /// What happens where the run before has not ended.
    pub overlap: Overlap,
    /// What happens to missed times.
    pub catch_up: CatchUp,
    /// The job that is enqueued.
    pub job: JobSpec,
}

impl NewSchedule {
    /// A schedule with the default policies.
    pub fn new(name: ScheduleName, when: When, job: JobSpec) -> Self {
        let (overlap, catch_up) = (Overlap::default(), CatchUp::default());
        Self { name, when, jitter_ms: 0, overlap, catch_up, job }
    }

    /// Refuses what never fires, and what contradicts itself.
    pub(crate) fn check(&self) -> Result<(), JobsError> {
        let wrong = |text: &str| Err(JobsError::InvalidSchedule(text.to_owned()));
        if self.jitter_ms > JITTER_MS_MAX {
            return wrong("the jitter of a schedule is at most an hour");
        }
        if matches!(self.catch_up, CatchUp::All { max } if max == 0 || max > CATCH_UP_MAX) {
            return wrong("a schedule makes up 1 to 1000 runs");
        }
        if self.overlap == Overlap::Queue && self.job.options.concurrency.is_some() {
            return wrong("runs that wait for one another have no concurrency key of their own");
        }
        self.when.check()
    }

    /// The part of the jitter that falls to this schedule; the same at every start.
    pub(crate) fn offset_ms(&self, project: &str) -> i64 {
        let hash = xxh3_64(format!("{project}\n{}", self.name).as_bytes());
        i64::try_from(hash % (self.jitter_ms + 1)).unwrap_or(0)
    }
}

/// A schedule as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// What was saved.
    pub saved: NewSchedule,
    /// Whether it is paused: planned times pass without a run.
    pub paused: bool,
    /// The next planned time, without jitter, in milliseconds since the epoch; `None` where none will come.
    pub next_at_ms: Option<i64>,
    /// The last planned time that fired.
    pub last_at_ms: Option<i64>,
    /// When it was saved first.
    pub created_at_ms: i64,
    /// From when on fixed intervals count.
    pub(crate) anchor_ms: i64,
}

/// How a run of a schedule stands or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// The job is enqueued and has not ended.
    Enqueued,
    /// The job is done.
    Done,
    /// The job is a dead letter.
    Dead,
    /// The job was cancelled.
    Cancelled,
    /// An earlier run had not ended.
    Overlapped,
    /// Times passed while nothing could fire, and the policy does not make them up.
    Missed,
    /// The project had too many jobs.
    Refused,
}

impl RunOutcome {
    const ALL: [Self; 7] = [
        Self::Enqueued,
        Self::Done,
        Self::Dead,
        Self::Cancelled,
        Self::Overlapped,
        Self::Missed,
        Self::Refused,
    ];

    /// The outcome as it stands in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enqueued => "enqueued",
            Self::Done => "done",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
            Self::Overlapped => "overlapped",
            Self::Missed => "missed",
            Self::Refused => "refused",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }
}

/// A line of a schedule's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleRun {
    /// Its place in the history.
    pub cursor: i64,
    /// The planned time; for `Missed` the last of them; for a run by hand the time of asking.
    pub planned_at_ms: i64,
    /// When it was enqueued or left out.
    pub fired_at_ms: i64,
    /// The job, if there is one.
    pub job: Option<JobId>,
    /// How it stands.
    pub outcome: RunOutcome,
    /// When the job ended.
    pub finished_at_ms: Option<i64>,
    /// What it failed with, or how many times were missed.
    pub error: Option<String>,
}
