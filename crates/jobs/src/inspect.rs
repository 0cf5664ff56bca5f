//! How jobs, dead letters and queues are shown.

use crate::job::{JobSpec, JobState, ScheduledRun};
use crate::names::QueueName;
use crate::store::queues::QueueSettings;
use service_kit::ids::JobId;

/// Items of a page at most.
pub const PAGE_MAX: usize = 1_000;

/// A job that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobView {
    /// Which.
    pub id: JobId,
    /// How it stands.
    pub state: JobState,
    /// What. In lists without the payload.
    pub spec: JobSpec,
    /// Attempts that began.
    pub attempt: u32,
    /// The unique key.
    pub unique_key: Option<String>,
    /// The schedule that asked for it.
    pub scheduled: Option<ScheduledRun>,
    /// Milliseconds since the epoch.
    pub created_at_ms: i64,
    /// When it may run next.
    pub run_at_ms: i64,
    /// When the attempt began that runs.
    pub claimed_at_ms: Option<i64>,
    /// What the last attempt failed with.
    pub last_error: Option<String>,
}

/// Which jobs are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFilter {
    /// Of one queue.
    pub queue: Option<QueueName>,
    /// In one state.
    pub state: Option<JobState>,
    /// Those that were enqueued before this one: the last of the page before.
    pub before: Option<JobId>,
    /// At most so many, up to `PAGE_MAX`.
    pub limit: usize,
}

impl Default for JobFilter {
    fn default() -> Self {
        Self { queue: None, state: None, before: None, limit: 50 }
    }
}

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadJob {
    /// The job's id.
    pub id: JobId,
    /// What. In lists without the payload.
    pub spec: JobSpec,
    /// Attempts that were made.
    pub attempts: u32,
    /// The unique key, and for how many milliseconds it is kept.
    pub unique: Option<(String, u64)>,
    /// The schedule that asked for it.
    pub scheduled: Option<ScheduledRun>,
    /// Milliseconds since the epoch.
    pub created_at_ms: i64,
    /// When the last attempt failed.
    pub failed_at_ms: i64,
    /// With what.
    pub error: String,
}

/// Which dead letters are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadFilter {
    /// Of one queue.
    pub queue: Option<QueueName>,
    /// Those that were enqueued before this one: the last of the page before.
    pub before: Option<JobId>,
    /// At most so many, up to `PAGE_MAX`.
    pub limit: usize,
}

impl Default for DeadFilter {
    fn default() -> Self {
        Self { queue: None, before: None, limit: 50 }
    }
}

/// What stands in a queue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueStats {
    /// Jobs that may run and wait for a slot.
    pub ready: u64,
    /// Jobs that may run and wait for others of their concurrency key.
    pub held: u64,
    /// Jobs whose time has not come.
    pub delayed: u64,
    /// Jobs that a handler has.
    pub running: u64,
    /// Dead letters.
    pub dead: u64,
    /// Since when the oldest of the jobs waits that may run, in milliseconds since the epoch.
    pub oldest_at_ms: Option<i64>,
    /// Its settings.
    pub settings: QueueSettings,
}

impl QueueStats {
    /// Counts jobs of a state, the first of which may run since `first_ms`.
    pub(crate) fn add(&mut self, state: &str, count: u64, first_ms: i64) {
        match state {
            "ready" => self.ready += count,
            "held" => self.held += count,
            "delayed" => self.delayed += count,
            _ => self.running += count,
        }
        if matches!(state, "ready" | "held") {
            self.oldest_at_ms = Some(self.oldest_at_ms.map_or(first_ms, |oldest| oldest.min(first_ms)));
        }
    }
}
