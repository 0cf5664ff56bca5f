//! Jobs that are enqueued by the project: over HTTP, by functions, with batches of documents.

use super::plan::{Consumer, Plans};
use crate::manifest::Retries;
use async_trait::async_trait;
use jobs::{ConcurrencyKey, JobOptions, JobSpec, Jobs, JobsError, QueueName, RetryPolicy, Start, UniqueKey};
use ports::jobs::{EnqueueOptions, JobQueue, NewJob, QueueError, Queued, check_queue};
use service_kit::error::{Classify, ErrorCode};
use service_kit::ids::ProjectId;
use std::sync::Arc;
use std::time::Duration;

/// How long an attempt may take where its job does not say: the function's own limit ends it before.
pub(super) const TIMEOUT_MS: u64 = 960_000;
/// How long the origin of a job still finds it after its end.
const ORIGIN_KEEP: Duration = Duration::from_secs(24 * 3_600);

/// The queues of every project.
pub(super) struct Queues {
    pub(super) jobs: Arc<Jobs>,
    pub(super) plans: Arc<Plans>,
}

#[async_trait]
impl JobQueue for Queues {
    async fn enqueue(&self, project: &ProjectId, jobs: Vec<NewJob>) -> Result<Vec<Queued>, QueueError> {
        let jobs = jobs.into_iter().map(|job| self.job(project, job)).collect::<Result<_, _>>()?;
        let enqueued = self.jobs.enqueue(project, jobs).await.map_err(refused)?;
        Ok(enqueued.into_iter().map(|job| Queued { id: job.id, existed: job.existed }).collect())
    }
}

impl Queues {
    fn job(&self, project: &ProjectId, job: NewJob) -> Result<jobs::NewJob, QueueError> {
        let NewJob { queue, payload, options, origin } = job;
        check_queue(&queue)?;
        let consumer = self.plans.consumer(project, &queue);
        let start =
            options.delay_ms.map_or(Start::Now, |wait_ms| Start::After(Duration::from_millis(wait_ms)));
        let unique = unique(options.unique_key.as_deref(), origin);
        let spec = JobSpec {
            queue: QueueName::parse(&queue).map_err(refused)?,
            payload,
            options: job_options(options, consumer.as_ref())?,
        };
        Ok(jobs::NewJob { spec, start, unique })
    }
}

fn unique(key: Option<&str>, origin: Option<String>) -> Option<UniqueKey> {
    let named = key.map(|key| UniqueKey { key: key.to_owned(), keep: Duration::ZERO });
    named.or_else(|| origin.map(|key| UniqueKey { key, keep: ORIGIN_KEEP }))
}

fn job_options(options: EnqueueOptions, consumer: Option<&Consumer>) -> Result<JobOptions, QueueError> {
    let mut retry = consumer.map_or_else(RetryPolicy::default, |known| policy(known.trigger.retries));
    retry.attempts_max = options.attempts_max.unwrap_or(retry.attempts_max);
    let concurrency = match (options.concurrency_key, options.concurrency) {
        (Some(key), limit) => Some(ConcurrencyKey { key, limit: limit.unwrap_or(1) }),
        (None, None) => None,
        (None, Some(_)) => {
            let rule = "`concurrency` says how many jobs with a `concurrency_key` run at once: give both";
            return Err(QueueError::Invalid(rule.to_owned()));
        }
    };
    Ok(JobOptions {
        priority: options.priority.unwrap_or(0),
        retry,
        timeout_ms: options.timeout_ms.unwrap_or(TIMEOUT_MS),
        concurrency,
        ..JobOptions::default()
    })
}

/// A manifest's words in those of the queue.
pub(super) fn policy(retries: Retries) -> RetryPolicy {
    RetryPolicy {
        attempts_max: retries.max_attempts,
        floor_ms: retries.backoff_ms,
        ceiling_ms: retries.max_backoff_ms.max(retries.backoff_ms),
    }
}

fn refused(error: JobsError) -> QueueError {
    match &error {
        JobsError::LimitExceeded { .. } => QueueError::LimitExceeded(error.to_string()),
        JobsError::Store(cause) if cause.code() == ErrorCode::DiskFull => QueueError::DiskFull,
        JobsError::Overloaded | JobsError::Stopped | JobsError::Store(_) => {
            QueueError::Unavailable(Box::new(error))
        }
        JobsError::PayloadTooLarge { .. } => QueueError::TooLarge(error.to_string()),
        JobsError::InvalidName(_)
        | JobsError::Invalid(_)
        | JobsError::InvalidSchedule(_)
        | JobsError::JobNotFound
        | JobsError::ScheduleNotFound
        | JobsError::KeyTaken
        | JobsError::CursorMoved
        | JobsError::ProjectRemoved => QueueError::Invalid(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_kept_for_a_day_and_a_key_goes_before_it() {
        let kept = unique(None, Some("e-1-0".to_owned())).unwrap();
        assert_eq!((kept.key.as_str(), kept.keep), ("e-1-0", ORIGIN_KEEP));
        let named = unique(Some("k"), Some("e-1-0".to_owned())).unwrap();
        assert_eq!((named.key.as_str(), named.keep), ("k", Duration::ZERO));
    }

    #[test]
    fn a_job_without_options_has_those_of_its_consumer() {
        let trigger = crate::manifest::QueueTrigger {
            queue: "mail".to_owned(),
            concurrency: 2,
            retries: Retries { max_attempts: 9, backoff_ms: 50, max_backoff_ms: 10 },
        };
        let consumer = Consumer { function: "f".into(), handler: "default".to_owned(), trigger };
        let retry = job_options(EnqueueOptions::default(), Some(&consumer)).unwrap().retry;
        assert_eq!(retry, RetryPolicy { attempts_max: 9, floor_ms: 50, ceiling_ms: 50 });
        let once = EnqueueOptions { attempts_max: Some(1), ..EnqueueOptions::default() };
        assert_eq!(job_options(once, Some(&consumer)).unwrap().retry.attempts_max, 1);
        let lone = EnqueueOptions { concurrency: Some(1), ..EnqueueOptions::default() };
        assert!(job_options(lone, None).is_err());
    }
}
