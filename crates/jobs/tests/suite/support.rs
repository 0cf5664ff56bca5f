//! A queue on a temporary file, a clock, and a handler whose jobs the test ends by hand.

use async_trait::async_trait;
use jobs::{
    Enqueued, Handler, Job, Jobs, JobsConfig, JobsError, NewJob, Outcome, QueueName, Recorded, RetryPolicy,
    Selector, WorkOptions,
};
use service_kit::clock::Clock;
use service_kit::ids::{JobId, ProjectId};
use sql::{Database, Durability};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// 2026-01-01T00:00:00Z.
pub(crate) const BEGIN_MS: i64 = 1_767_225_600_000;

/// What has to happen happens within this time.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it did not happen in time")
}

/// A job that began.
pub(crate) struct Started {
    pub(crate) job: Arc<Job>,
    pub(crate) answer: oneshot::Sender<Outcome>,
}

impl Started {
    pub(crate) fn done(self) {
        self.end(Outcome::Done);
    }

    pub(crate) fn end(self, outcome: Outcome) {
        self.answer.send(outcome).unwrap();
    }
}

pub(crate) fn retry(error: &str) -> Outcome {
    Outcome::Retry { after: None, error: error.to_owned() }
}

struct Hands {
    started: mpsc::UnboundedSender<Started>,
    recorded: mpsc::UnboundedSender<(JobId, Recorded)>,
}

#[async_trait]
impl Handler for Hands {
    async fn run(&self, job: Arc<Job>) -> Outcome {
        assert!(job.spec.payload.as_ref() != b"panic", "as the payload asks for");
        let (answer, outcome) = oneshot::channel();
        let _ = self.started.send(Started { job, answer });
        // Who was forgotten runs on.
        match outcome.await {
            Ok(outcome) => outcome,
            Err(_) => std::future::pending().await,
        }
    }

    fn recorded(&self, job: &Job, recorded: &Recorded) {
        let _ = self.recorded.send((job.id.clone(), recorded.clone()));
    }
}

pub(crate) struct World {
    pub(crate) jobs: Arc<Jobs>,
    pub(crate) project: ProjectId,
    pub(crate) database: Database,
    pub(crate) now_ms: Arc<AtomicI64>,
    config: JobsConfig,
    directory: tempfile::TempDir,
    hands: Arc<Hands>,
    started: mpsc::UnboundedReceiver<Started>,
    recorded: mpsc::UnboundedReceiver<(JobId, Recorded)>,
}

pub(crate) async fn database(directory: &Path) -> Database {
    Database::open(&directory.join("jobs.db"), Durability::Full).await.unwrap()
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(JobsConfig::default()).await
    }

    pub(crate) async fn with(config: JobsConfig) -> Self {
        let (directory, now_ms) = (tempfile::tempdir().unwrap(), Arc::new(AtomicI64::new(BEGIN_MS)));
        Self::at(directory, config, now_ms, ProjectId::generate()).await
    }

    async fn at(
        directory: tempfile::TempDir,
        config: JobsConfig,
        now_ms: Arc<AtomicI64>,
        project: ProjectId,
    ) -> Self {
        let database = database(directory.path()).await;
        let read = now_ms.clone();
        let clock = Clock::reading(move || read.load(Ordering::Relaxed));
        let jobs = Jobs::open(config.clone(), database.clone(), clock).await.unwrap();
        let (started_sender, started) = mpsc::unbounded_channel();
        let (recorded_sender, recorded) = mpsc::unbounded_channel();
        let hands = Arc::new(Hands { started: started_sender, recorded: recorded_sender });
        Self { jobs, project, database, now_ms, config, directory, hands, started, recorded }
    }

    /// The state after a kill: what is on disk now, opened by another process.
    pub(crate) async fn crash(self) -> Self {
        let copy = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(self.directory.path()).unwrap() {
            let entry = entry.unwrap();
            // The shared memory file is only for living processes.
            if !entry.file_name().to_str().unwrap().ends_with("-shm") {
                std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
            }
        }
        Self::at(copy, self.config, self.now_ms, self.project).await
    }

    pub(crate) async fn work(&self, concurrency: usize) {
        self.work_on(Selector::all(), concurrency).await;
    }

    pub(crate) async fn work_on(&self, selector: Selector, concurrency: usize) {
        let options = WorkOptions::new(NonZeroUsize::new(concurrency).unwrap());
        self.jobs.work(selector, self.hands.clone(), options).await.unwrap();
    }

    pub(crate) async fn work_with(&self, options: WorkOptions) {
        self.jobs.work(Selector::all(), self.hands.clone(), options).await.unwrap();
    }

    /// The next job that begins.
    pub(crate) async fn next(&mut self) -> Started {
        soon(self.started.recv()).await.unwrap()
    }

    /// Nothing begins, once what is due was done.
    pub(crate) async fn assert_idle(&mut self) {
        self.jobs.tick().await.unwrap();
        tokio::task::yield_now().await;
        if let Ok(started) = self.started.try_recv() {
            panic!("{} began", started.job.id);
        }
    }

    /// The next end of an attempt that is on disk.
    pub(crate) async fn recorded(&mut self) -> (JobId, Recorded) {
        soon(self.recorded.recv()).await.unwrap()
    }

    pub(crate) async fn advance(&self, duration: Duration) {
        self.now_ms.fetch_add(duration.as_millis() as i64, Ordering::Relaxed);
        self.jobs.tick().await.unwrap();
    }

    pub(crate) fn now(&self) -> i64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    pub(crate) async fn enqueue(&self, job: NewJob) -> JobId {
        let enqueued = self.enqueue_all(vec![job]).await.unwrap().remove(0);
        assert!(!enqueued.existed);
        enqueued.id
    }

    pub(crate) async fn enqueue_all(&self, jobs: Vec<NewJob>) -> Result<Vec<Enqueued>, JobsError> {
        self.jobs.enqueue(&self.project, jobs).await
    }

    /// A job that was retried until it was a dead letter.
    pub(crate) async fn dead(&mut self, job: NewJob) -> JobId {
        let id = self.enqueue(job).await;
        self.next().await.end(Outcome::Fail { error: "broken".to_owned() });
        assert_eq!(self.recorded().await, (id.clone(), Recorded::Dead));
        id
    }
}

pub(crate) fn queue(name: &str) -> QueueName {
    QueueName::parse(name).unwrap()
}

/// A job of the queue `q` whose payload is `payload`.
pub(crate) fn job(payload: &str) -> NewJob {
    NewJob::new(queue("q"), payload.to_owned())
}

/// A job that waits exactly 5 s between its attempts.
pub(crate) fn steady(payload: &str, attempts_max: u32) -> NewJob {
    let mut job = job(payload);
    job.spec.options.retry = RetryPolicy { attempts_max, floor_ms: 5_000, ceiling_ms: 5_000 };
    job
}
