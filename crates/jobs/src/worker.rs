//! Handlers: what runs jobs, and one attempt of a job.

use crate::dispatcher::{Command, Done, Request};
use crate::error::JobsError;
use crate::job::{Job, Outcome, Recorded};
use crate::metrics::Metrics;
use crate::names::QueueName;
use async_trait::async_trait;
use futures_util::FutureExt as _;
use service_kit::ids::ProjectId;
use std::collections::HashSet;
use std::fmt;
use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// How long a run waits before it reports its end again to a store that failed.
const REPORT_AGAIN: Duration = Duration::from_secs(1);

/// What runs jobs.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Runs one attempt. Where it panics or takes too long it counts as `Retry`; where the job is cancelled or its
    /// project removed it is dropped at the next `await`. It may see a job again that it was done with, if the
    /// process ended before that was recorded: `Job::idempotency_key` stays the same.
    async fn run(&self, job: Arc<Job>) -> Outcome;

    /// What is on disk about the attempt's end; after `Done` the job never runs again.
    fn recorded(&self, _job: &Job, _recorded: &Recorded) {}
}

/// Which queues a handler takes jobs from.
#[derive(Clone)]
pub struct Selector(Kind);

/// Whether a handler takes jobs of a queue.
type Wants = dyn Fn(&ProjectId, &QueueName) -> bool + Send + Sync;

#[derive(Clone)]
enum Kind {
    All,
    Queues(Arc<HashSet<QueueName>>),
    Matching(Arc<Wants>),
}

impl Selector {
    /// All queues of all projects.
    pub fn all() -> Self {
        Self(Kind::All)
    }

    /// Queues with these names, of all projects.
    pub fn queues(names: impl IntoIterator<Item = QueueName>) -> Self {
        Self(Kind::Queues(Arc::new(names.into_iter().collect())))
    }

    /// Queues that `wants` says yes to. It is asked often and must not block; after its answer changed call
    /// `Jobs::tick`.
    pub fn matching(wants: impl Fn(&ProjectId, &QueueName) -> bool + Send + Sync + 'static) -> Self {
        Self(Kind::Matching(Arc::new(wants)))
    }

    pub(crate) fn matches(&self, project: &ProjectId, queue: &QueueName) -> bool {
        match &self.0 {
            Kind::All => true,
            Kind::Queues(names) => names.contains(queue),
            Kind::Matching(wants) => wants(project, queue),
        }
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::All => f.write_str("all"),
            Kind::Queues(names) => names.fmt(f),
            Kind::Matching(_) => f.write_str("matching"),
        }
    }
}

/// How many jobs a handler has at once.
#[derive(Debug, Clone, Copy)]
pub struct WorkOptions {
    /// Of all projects.
    pub concurrency: NonZeroUsize,
    /// Of one project: less than `concurrency` keeps slots for others where jobs take long.
    pub concurrency_per_project_max: NonZeroUsize,
}

impl WorkOptions {
    /// So many at once, all of one project where no other has any.
    pub fn new(concurrency: NonZeroUsize) -> Self {
        Self { concurrency, concurrency_per_project_max: concurrency }
    }
}

/// One attempt.
pub(crate) struct Run {
    pub(crate) ticket: u64,
    pub(crate) job: Arc<Job>,
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) stop: CancellationToken,
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) metrics: Arc<Metrics>,
    /// The end of the process waits for it.
    pub(crate) work: TaskTrackerToken,
}

impl Run {
    /// Runs the handler and reports the end until it is on disk.
    pub(crate) async fn run(self) {
        let begun = Instant::now();
        let outcome = self.attempt().await;
        self.metrics.ran(begun.elapsed());
        loop {
            match self.report(outcome.clone()).await {
                Ok(recorded) => {
                    self.handler.recorded(&self.job, &recorded);
                    break;
                }
                Err(JobsError::Stopped) => break,
                Err(_) => tokio::time::sleep(REPORT_AGAIN).await,
            }
        }
        drop(self.work);
    }

    async fn attempt(&self) -> Outcome {
        let timeout_ms = self.job.spec.options.timeout_ms;
        let failed = |error: String| Outcome::Retry { after: None, error };
        let running = AssertUnwindSafe(self.handler.run(self.job.clone())).catch_unwind();
        tokio::select! {
            biased;
            () = self.stop.cancelled() => failed("the job was removed".to_owned()),
            ended = tokio::time::timeout(Duration::from_millis(timeout_ms), running) => match ended {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_panic)) => failed("the handler panicked".to_owned()),
                Err(_elapsed) => failed(format!("the attempt took longer than {timeout_ms} ms")),
            },
        }
    }

    async fn report(&self, outcome: Outcome) -> Result<Recorded, JobsError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Finish { ticket: self.ticket, outcome };
        let request = Request { command, reply, admitted: None };
        self.requests.send(request).await.map_err(|_| JobsError::Stopped)?;
        match answer.await.unwrap_or(Err(JobsError::Stopped))? {
            Done::Recorded(recorded) => Ok(recorded),
            _ => Err(JobsError::Stopped),
        }
    }
}
