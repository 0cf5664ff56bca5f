//! The durable queue, schedules and delivery of events, over SQL: owns `jobs.db`. Knows nothing of functions or
//! HTTP: payloads are bytes, and what runs them is a [`Handler`].
//!
//! What must hold:
//! - An enqueue that was answered is on disk. Calls that wait together share a transaction and its fsync.
//! - A job runs at least once: after a crash it runs again, and that attempt counts. Once its end is on disk
//!   ([`Handler::recorded`]) it never runs again. Side effects are made once by the handler, with
//!   [`Job::idempotency_key`].
//! - A job that has no attempts left is a dead letter in the transaction that removes it from the queue.
//! - A planned time of a schedule is enqueued in the transaction that moves the schedule on, and the events that a
//!   subscriber read in the one that moves its cursor: a crash neither loses nor doubles them.
//! - Projects take turns, and within them queues: one that has many jobs does not stop another.
//! - One process owns the file, so a lease is the process itself: it needs no renewal while a handler runs, ends
//!   with `timeout_ms`, and is free when the file is opened again.
//!
//! Jobs that are done are removed; what ran is told to the handler, for whoever keeps a history of runs.

mod config;
mod delivery;
mod dispatcher;
mod error;
mod inspect;
mod job;
mod jobs;
mod lanes;
mod metrics;
mod names;
mod retry;
mod schedule;
mod store;
mod worker;

pub use config::JobsConfig;
pub use delivery::{CursorKey, Delivery};
pub use error::JobsError;
pub use inspect::{DeadFilter, DeadJob, JobFilter, JobView, PAGE_MAX, QueueStats};
pub use job::{
    ConcurrencyKey, Enqueued, Job, JobOptions, JobSpec, JobState, NewJob, Outcome, Recorded, ScheduledRun,
    Start, UniqueKey,
};
pub use jobs::Jobs;
pub use names::{NAME_BYTES_MAX, QueueName, ScheduleName};
pub use retry::RetryPolicy;
pub use schedule::{CATCH_UP_MAX, CatchUp, NewSchedule, Overlap, RunOutcome, Schedule, ScheduleRun, When};
pub use store::queues::QueueSettings;
pub use worker::{Handler, Selector, WorkOptions};
