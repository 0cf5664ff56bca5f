//! Settings of the queue and the schedules (`jobs.*`).

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use std::num::{NonZeroU64, NonZeroUsize};

const PAYLOAD_BYTES_MAX: usize = 1 << 20;
const JOBS_PER_PROJECT_MAX: u64 = 100_000;
const DAY_MS: u64 = 24 * 3600 * 1000;
const QUEUE_MAX: NonZeroUsize = NonZeroUsize::new(1_024).expect("not zero");
const BATCH_MAX: NonZeroUsize = NonZeroUsize::new(512).expect("not zero");
const SWEEP_EVERY_MS: NonZeroU64 = NonZeroU64::new(10_000).expect("not zero");

/// What is allowed; each setting has a default.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JobsConfig {
    /// The PostgreSQL that keeps the jobs in place of the file `jobs.db`, and may be shared by several processes:
    /// `postgres://user:password@host/database`.
    #[serde(deserialize_with = "secret")]
    pub database_url: Option<SecretString>,
    /// Whose events this process reads: where tables are shared, cursors are kept apart by it. No setting.
    #[serde(skip)]
    pub installation: String,
    /// Bytes of one job's payload.
    pub payload_bytes_max: usize,
    /// Jobs of one project that wait, delayed ones included.
    pub jobs_per_project_max: u64,
    /// Jobs that one call enqueues.
    pub enqueue_jobs_max: usize,
    /// Milliseconds that a job may be put off.
    pub delay_ms_max: u64,
    /// Milliseconds that one attempt may take.
    pub timeout_ms_max: u64,
    /// Milliseconds for which a unique key may be kept after its job ended.
    pub unique_keep_ms_max: u64,
    /// Unique keys of one project whose jobs have ended; beyond it those go that would go first anyway.
    pub unique_keys_per_project_max: u64,
    /// Dead letters of one project; beyond it the oldest go.
    pub failures_per_project_max: u64,
    /// Days after which a dead letter goes.
    pub failures_days: u32,
    /// Queues of one project that have settings of their own.
    pub queues_per_project_max: u64,
    /// Schedules of one project.
    pub schedules_per_project_max: u64,
    /// Runs of one schedule that are remembered.
    pub schedule_runs_max: u64,
    /// Cursors of one project's subscribers.
    pub cursors_per_project_max: u64,
    /// Calls that may wait to be written; over it comes `overloaded`.
    pub queue_max: NonZeroUsize,
    /// Bytes of payloads that may wait to be written; one project has at most half.
    pub queue_bytes_max: usize,
    /// Calls that share one transaction.
    pub batch_max: NonZeroUsize,
    /// How often what is too old is removed.
    pub sweep_every_ms: NonZeroU64,
}

impl Default for JobsConfig {
    fn default() -> Self {
        Self {
            database_url: None,
            installation: String::new(),
            payload_bytes_max: PAYLOAD_BYTES_MAX,
            jobs_per_project_max: JOBS_PER_PROJECT_MAX,
            enqueue_jobs_max: 1_000,
            delay_ms_max: 366 * DAY_MS,
            timeout_ms_max: DAY_MS,
            unique_keep_ms_max: 30 * DAY_MS,
            unique_keys_per_project_max: 1_000_000,
            failures_per_project_max: 10_000,
            failures_days: 30,
            queues_per_project_max: 1_000,
            schedules_per_project_max: 1_000,
            schedule_runs_max: 100,
            cursors_per_project_max: 10_000,
            queue_max: QUEUE_MAX,
            queue_bytes_max: 64 << 20,
            batch_max: BATCH_MAX,
            sweep_every_ms: SWEEP_EVERY_MS,
        }
    }
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()).map(SecretString::from))
}
