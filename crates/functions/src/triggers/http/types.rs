//! What goes in and out, in JSON.

use ::jobs::{QueueName, QueueStats, Schedule, ScheduleRun, When};
use ports::jobs::{EnqueueOptions, Queued};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use service_kit::clock::{now_ms, rfc3339};
use utoipa::ToSchema;

/// Times of a schedule that are shown ahead.
const NEXT_TIMES: usize = 5;

/// A job to be enqueued.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnqueueJob {
    /// What the function gets.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub(crate) payload: Value,
    /// `{delay_ms?, priority?, unique_key?, concurrency_key?, concurrency?, attempts_max?, timeout_ms?}`.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub(crate) options: EnqueueOptions,
}

/// What became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EnqueuedJob {
    pub(crate) id: String,
    /// Whether another job had its unique key, and this is that one.
    pub(crate) existed: bool,
}

impl From<Queued> for EnqueuedJob {
    fn from(job: Queued) -> Self {
        Self { id: job.id.to_string(), existed: job.existed }
    }
}

/// How many jobs were changed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Changed {
    pub(crate) count: u64,
}

/// What stands in a queue.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueueView {
    name: String,
    /// The function that consumes it; its jobs wait where there is none.
    pub(crate) consumer: Option<String>,
    /// Jobs that may run and wait for a slot.
    ready: u64,
    /// Jobs that may run and wait for others of their concurrency key.
    held: u64,
    /// Jobs whose time has not come.
    delayed: u64,
    running: u64,
    /// Dead letters.
    dead: u64,
    /// Since when the oldest job waits that may run.
    oldest_at: Option<String>,
    paused: bool,
    /// Jobs at once.
    concurrency: Option<u32>,
}

impl QueueView {
    pub(crate) fn of(name: &QueueName, stats: &QueueStats, consumer: Option<String>) -> Self {
        Self {
            name: name.to_string(),
            consumer,
            ready: stats.ready,
            held: stats.held,
            delayed: stats.delayed,
            running: stats.running,
            dead: stats.dead,
            oldest_at: stats.oldest_at_ms.map(rfc3339),
            paused: stats.settings.paused,
            concurrency: stats.settings.concurrency_max,
        }
    }
}

/// The queues of a project.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueueList {
    pub(crate) queues: Vec<QueueView>,
}

/// A job that has not ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobView {
    id: String,
    queue: String,
    /// `ready`, `delayed`, `held` or `running`.
    state: &'static str,
    /// Attempts that began.
    attempt: u32,
    attempts_max: u32,
    priority: i32,
    unique_key: Option<String>,
    schedule: Option<String>,
    created_at: String,
    run_at: String,
    claimed_at: Option<String>,
    last_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    payload: Option<Value>,
}

impl JobView {
    pub(crate) fn whole(job: ::jobs::JobView) -> Self {
        let payload = payload(&job.spec.payload);
        Self { payload, ..Self::without_payload(job) }
    }

    pub(crate) fn without_payload(job: ::jobs::JobView) -> Self {
        Self {
            id: job.id.to_string(),
            queue: job.spec.queue.to_string(),
            state: job.state.as_str(),
            attempt: job.attempt,
            attempts_max: job.spec.options.retry.attempts_max,
            priority: job.spec.options.priority,
            unique_key: job.unique_key,
            schedule: job.scheduled.map(|run| run.schedule.to_string()),
            created_at: rfc3339(job.created_at_ms),
            run_at: rfc3339(job.run_at_ms),
            claimed_at: job.claimed_at_ms.map(rfc3339),
            last_error: job.last_error,
            payload: None,
        }
    }
}

fn payload(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(bytes).ok()
}

/// A page of jobs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobList {
    pub(crate) jobs: Vec<JobView>,
    pub(crate) next_cursor: Option<String>,
}

/// A dead letter.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeadJobView {
    id: String,
    queue: String,
    attempts: u32,
    unique_key: Option<String>,
    schedule: Option<String>,
    created_at: String,
    failed_at: String,
    /// What the last attempt failed with.
    error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    payload: Option<Value>,
}

impl DeadJobView {
    pub(crate) fn whole(job: ::jobs::DeadJob) -> Self {
        let payload = payload(&job.spec.payload);
        Self { payload, ..Self::without_payload(job) }
    }

    pub(crate) fn without_payload(job: ::jobs::DeadJob) -> Self {
        Self {
            id: job.id.to_string(),
            queue: job.spec.queue.to_string(),
            attempts: job.attempts,
            unique_key: job.unique.map(|(key, _)| key),
            schedule: job.scheduled.map(|run| run.schedule.to_string()),
            created_at: rfc3339(job.created_at_ms),
            failed_at: rfc3339(job.failed_at_ms),
            error: job.error,
            payload: None,
        }
    }
}

/// A page of dead letters.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeadList {
    pub(crate) jobs: Vec<DeadJobView>,
    pub(crate) next_cursor: Option<String>,
}

/// A schedule.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScheduleView {
    name: String,
    pub(crate) function: String,
    /// The cron expression.
    schedule: String,
    time_zone: String,
    jitter_ms: u64,
    #[schema(value_type = String)]
    overlap: ::jobs::Overlap,
    #[schema(value_type = Object)]
    catch_up: ::jobs::CatchUp,
    paused: bool,
    /// The next planned time, without jitter; paused or not.
    next_at: Option<String>,
    /// That and the times after it.
    next: Vec<String>,
    last_at: Option<String>,
    created_at: String,
}

impl From<Schedule> for ScheduleView {
    fn from(schedule: Schedule) -> Self {
        let saved = schedule.saved;
        let times = saved.when.preview(now_ms(), NEXT_TIMES).unwrap_or_default();
        let function = super::super::names::function_of(&saved.name).to_owned();
        let (expression, time_zone) = match saved.when {
            When::Cron { expression, time_zone } => (expression, time_zone),
            When::Every { interval_ms } => (format!("every {}s", interval_ms / 1_000), "UTC".to_owned()),
            When::At { at_ms } => (rfc3339(at_ms), "UTC".to_owned()),
        };
        Self {
            name: saved.name.to_string(),
            function,
            schedule: expression,
            time_zone,
            jitter_ms: saved.jitter_ms,
            overlap: saved.overlap,
            catch_up: saved.catch_up,
            paused: schedule.paused,
            next_at: times.first().copied().map(rfc3339),
            next: times.into_iter().map(rfc3339).collect(),
            last_at: schedule.last_at_ms.map(rfc3339),
            created_at: rfc3339(schedule.created_at_ms),
        }
    }
}

/// A page of schedules.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScheduleList {
    pub(crate) schedules: Vec<ScheduleView>,
    pub(crate) next_cursor: Option<String>,
}

/// A line of a schedule's history.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScheduleRunView {
    planned_at: String,
    fired_at: String,
    job: Option<String>,
    /// `enqueued`, `done`, `dead`, `cancelled`, `overlapped`, `missed` or `refused`.
    outcome: &'static str,
    finished_at: Option<String>,
    error: Option<String>,
}

impl From<ScheduleRun> for ScheduleRunView {
    fn from(run: ScheduleRun) -> Self {
        Self {
            planned_at: rfc3339(run.planned_at_ms),
            fired_at: rfc3339(run.fired_at_ms),
            job: run.job.map(|job| job.to_string()),
            outcome: run.outcome.as_str(),
            finished_at: run.finished_at_ms.map(rfc3339),
            error: run.error,
        }
    }
}

/// A schedule and its history.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScheduleDetail {
    pub(crate) schedule: ScheduleView,
    pub(crate) runs: Vec<ScheduleRunView>,
    pub(crate) next_cursor: Option<String>,
}
