//! The job queue: what is enqueued is run by the function of the project that consumes the queue, at least once.

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use service_kit::error::{Classify, ErrorCode};
use service_kit::ids::{JobId, ProjectId};

/// How a job is run. What is absent is as the queue has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnqueueOptions {
    /// Milliseconds that it waits before it may run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// Higher ones are run first, within their queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// One job of the queue has this key while it waits or runs; another one with it is not enqueued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unique_key: Option<String>,
    /// So many jobs with this key run at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_key: Option<String>,
    /// How many: 1 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Attempts in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts_max: Option<u32>,
    /// Milliseconds that one attempt may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// Bytes of the name of a queue, and of a key of a job.
pub const NAME_BYTES_MAX: usize = 255;

/// Refuses what is no name of a queue of a project: 1 to 255 bytes without control characters; what begins with
/// `$` is the server's.
///
/// # Errors
/// `QueueError::Invalid`.
pub fn check_queue(name: &str) -> Result<(), QueueError> {
    let is_plain = !name.starts_with('$') && !name.chars().any(char::is_control);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !is_plain {
        let rule =
            format!("a queue has 1 to {NAME_BYTES_MAX} bytes, no control characters, and no `$` in front");
        return Err(QueueError::Invalid(rule));
    }
    Ok(())
}

/// A job to be enqueued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// The queue.
    pub queue: String,
    /// What the handler gets, as JSON.
    pub payload: Bytes,
    /// How it is run.
    pub options: EnqueueOptions,
    /// Names where it came from, such as an entry of an outbox: enqueued again with the same name within a
    /// day, it is the same job. A `unique_key` goes before it.
    pub origin: Option<String>,
}

/// What became of a job that was to be enqueued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// The new job, or the one that was there with the key.
    pub id: JobId,
    /// Whether it was there before.
    pub existed: bool,
}

/// Why nothing was enqueued.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// A name, a payload or an option is not valid.
    #[error("{0}")]
    Invalid(String),
    /// A payload is too long.
    #[error("{0}")]
    TooLarge(String),
    /// Too many jobs wait, or a limit of the project is reached.
    #[error("{0}")]
    LimitExceeded(String),
    /// The disk is full.
    #[error("the disk is full: free some space, then try again")]
    DiskFull,
    /// The queue cannot be reached, or is stopping.
    #[error("the job queue cannot be reached, try again")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Classify for QueueError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid(_) => ErrorCode::InvalidRequest,
            Self::TooLarge(_) => ErrorCode::BodyTooLarge,
            Self::LimitExceeded(_) => ErrorCode::LimitExceeded,
            Self::DiskFull => ErrorCode::DiskFull,
            Self::Unavailable(_) => ErrorCode::Unavailable,
        }
    }
}

/// The queue of every project.
#[async_trait]
pub trait JobQueue: Send + Sync {
    /// Enqueues all or none; they are on disk when this answers, in the order given.
    async fn enqueue(&self, project: &ProjectId, jobs: Vec<NewJob>) -> Result<Vec<Queued>, QueueError>;
}
