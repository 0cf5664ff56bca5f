//! The durable queue, schedules and delivery of events, over SQL: owns `jobs.db`, or the schema [`SCHEMA`] of a
//! PostgreSQL, which several processes (instances) share. Knows nothing of functions or HTTP: payloads are bytes, and
//! what runs them is a [`Handler`].
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
//! - On PostgreSQL each transaction of an instance begins by renewing its lease, of which the row stays locked: an
//!   instance in the middle of one is never taken to be gone. The jobs of one that was not seen for 30 s run elsewhere,
//!   and that attempt counted; it finds its lease gone before it writes anything, and stops them.
//! - There what is in memory is a hint: claims, ends, due schedules and unique keys are decided by the rows (locked, or
//!   left out where another instance has them), and what holds for all instances together (limits, concurrency keys,
//!   unique keys, first saves) under one lock. Calls that lose a race are tried again; their callers learn nothing of it.
//! - Instances tell each other what is ready, cancelled, removed or changed (`NOTIFY`); a notice that is lost costs
//!   time and nothing else: each counts the tables again every 10 s.
//! - A pause, a limit and the number of jobs of a project hold in the other instances a moment later.
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
    ConcurrencyKey, Enqueued, Job, JobChange, JobOptions, JobSpec, JobState, NewJob, Outcome, Recorded,
    ScheduledRun, Start, UniqueKey,
};
pub use jobs::Jobs;
pub use names::{NAME_BYTES_MAX, QueueName, ScheduleName};
pub use retry::RetryPolicy;
pub use schedule::{CATCH_UP_MAX, CatchUp, NewSchedule, Overlap, RunOutcome, Schedule, ScheduleRun, When};
pub use store::SCHEMA;
pub use store::queues::QueueSettings;
pub use worker::{Handler, Selector, WorkOptions};
