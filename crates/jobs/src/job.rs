//! A job: what is asked for, what a handler gets, and what it answers.

use crate::names::{QueueName, ScheduleName};
use crate::retry::RetryPolicy;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use service_kit::ids::{JobId, ProjectId};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long one attempt may take where nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(60);

/// So many jobs with the same key run at once, in one queue. Others wait without taking a slot. Jobs of one key
/// should agree on the limit: each is held to its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConcurrencyKey {
    /// 1 to 255 bytes.
    pub key: String,
    /// At least 1.
    pub limit: u32,
}

/// What one attempt is, and how it is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSpec {
    /// Where it waits.
    pub queue: QueueName,
    /// What the handler reads; opaque here, bounded by `jobs.payload_bytes_max`.
    pub payload: Bytes,
    /// The rest.
    pub options: JobOptions,
}

/// How a job is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobOptions {
    /// Higher ones are run first, within their queue.
    pub priority: i32,
    /// Small texts beside the payload, such as a trace's context: together at most 4 KiB.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// How often, and when again.
    pub retry: RetryPolicy,
    /// How long one attempt may take; then it is stopped and counts as failed.
    pub timeout_ms: u64,
    /// How many of a kind run at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<ConcurrencyKey>,
}

impl Default for JobOptions {
    fn default() -> Self {
        Self {
            priority: 0,
            attributes: BTreeMap::new(),
            retry: RetryPolicy::default(),
            timeout_ms: TIMEOUT.as_millis() as u64,
            concurrency: None,
        }
    }
}

/// When a job may run first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// At once.
    #[default]
    Now,
    /// After so long.
    After(Duration),
    /// At a moment, in milliseconds since the epoch.
    At(i64),
}

/// A key that one job of a queue has while it waits or runs, and for `keep` after it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UniqueKey {
    /// 1 to 255 bytes.
    pub key: String,
    /// How long after the end the key still finds the job.
    pub keep: Duration,
}

/// A job to be enqueued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// What.
    pub spec: JobSpec,
    /// When.
    pub start: Start,
    /// Only once.
    pub unique: Option<UniqueKey>,
}

impl NewJob {
    /// A job that may run at once, with default options.
    pub fn new(queue: QueueName, payload: impl Into<Bytes>) -> Self {
        let spec = JobSpec { queue, payload: payload.into(), options: JobOptions::default() };
        Self { spec, start: Start::Now, unique: None }
    }
}

/// What became of a job that was to be enqueued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enqueued {
    /// The job: the new one, or the one that has the unique key.
    pub id: JobId,
    /// Whether the key was taken, and nothing was enqueued.
    pub existed: bool,
}

/// A run that a schedule asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledRun {
    /// Which schedule.
    pub schedule: ScheduleName,
    /// The time that was planned, without jitter, in milliseconds since the epoch.
    pub planned_at_ms: i64,
}

/// A job as its handler gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The same for each attempt.
    pub id: JobId,
    /// Whose.
    pub project: ProjectId,
    /// What.
    pub spec: JobSpec,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The unique key, if it has one.
    pub unique_key: Option<String>,
    /// The schedule that asked for it, if one did.
    pub scheduled: Option<ScheduledRun>,
    /// Milliseconds since the epoch.
    pub created_at_ms: i64,
    /// When this attempt could begin.
    pub run_at_ms: i64,
    /// What the attempt before failed with.
    pub last_error: Option<String>,
}

impl Job {
    /// What stays the same if the same thing is delivered again: the unique key, else the id.
    pub fn idempotency_key(&self) -> &str {
        self.unique_key.as_deref().unwrap_or(self.id.as_str())
    }

    /// The key whose jobs run only so many at once, if it has one.
    pub(crate) fn concurrency_key(&self) -> Option<&str> {
        self.spec.options.concurrency.as_ref().map(|concurrency| concurrency.key.as_str())
    }
}

/// A change of a job that waits; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct JobChange {
    /// The higher is first.
    pub priority: Option<i32>,
    /// What the handler gets.
    pub payload: Option<Bytes>,
}

/// What a handler answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is done, and is removed.
    Done,
    /// It failed; it is run again, while attempts are left, after the time given or the one of its policy.
    Retry {
        /// A wish for when.
        after: Option<Duration>,
        /// Why, for people; at most 4 KiB are kept.
        error: String,
    },
    /// It could not be begun: it is run again after this time, and this attempt does not count.
    Later {
        /// How long it waits.
        after: Duration,
    },
    /// It failed and another attempt would too: it is a dead letter at once.
    Fail {
        /// Why, for people; at most 4 KiB are kept.
        error: String,
    },
}

/// What is on disk about the end of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// It was done, and never runs again.
    Done,
    /// It is run again at this time.
    Retried {
        /// Milliseconds since the epoch.
        run_at_ms: i64,
    },
    /// It is a dead letter.
    Dead,
    /// It was removed while it ran.
    Removed,
}

/// How a job that has not ended stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It may run and waits for a slot.
    Ready,
    /// Its time has not come: put off, or waiting for another attempt.
    Delayed,
    /// It may run and waits for others with its concurrency key.
    Held,
    /// A handler has it.
    Running,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Ready, Self::Delayed, Self::Held, Self::Running];

    /// The state as it stands in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Delayed => "delayed",
            Self::Held => "held",
            Self::Running => "running",
        }
    }
}
