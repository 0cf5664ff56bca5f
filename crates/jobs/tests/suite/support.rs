//! A queue on a temporary file or on PostgreSQL, a clock, and a handler whose jobs the test ends by hand.

#[path = "../../../sql/tests/support/postgres.rs"]
mod postgres;

use async_trait::async_trait;
use jobs::{
    Enqueued, Handler, Job, Jobs, JobsConfig, JobsError, NewJob, Outcome, QueueName, Recorded, RetryPolicy,
    Selector, WorkOptions,
};
use postgres::TestPostgres;
use service_kit::clock::Clock;
use service_kit::ids::{JobId, ProjectId};
use sql::shared::SharedDatabase;
use sql::{Database, Durability};
use sqlx::{Connection as _, Executor as _, PgConnection};
use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
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

thread_local! {
    /// Where the tests of this thread keep their jobs, in place of a file.
    static POSTGRES: RefCell<Option<Rc<TestPostgres>>> = const { RefCell::new(None) };
}

/// Runs tests again, on a PostgreSQL.
pub(crate) fn run_on_postgres(tests: &[(&str, fn())]) {
    let Some(server) = TestPostgres::start() else { return };
    POSTGRES.set(Some(Rc::new(server)));
    for (name, test) in tests {
        println!("on PostgreSQL: {name}");
        test();
    }
    POSTGRES.set(None);
}

/// Runs the named tests of the module on PostgreSQL, too.
macro_rules! on_postgres {
    ($($test:ident),* $(,)?) => {
        #[test]
        fn on_postgres() {
            crate::support::run_on_postgres(&[$((stringify!($test), $test)),*]);
        }
    };
}
pub(crate) use on_postgres;

/// A database of PostgreSQL for one world.
#[derive(Clone)]
pub(crate) struct PostgresDatabase {
    server: Rc<TestPostgres>,
    name: String,
}

impl PostgresDatabase {
    async fn create(server: Rc<TestPostgres>, template: &str) -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let name = format!("world{}", LAST.fetch_add(1, Ordering::Relaxed));
        let made = Self { server, name };
        made.admin(&format!("CREATE DATABASE {} TEMPLATE {template}", made.name)).await;
        made
    }

    async fn admin(&self, sql: &str) {
        let mut connection = PgConnection::connect(&self.server.url()).await.unwrap();
        connection.execute(sqlx::AssertSqlSafe(sql.to_owned())).await.unwrap();
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/{}", self.server.url().strip_suffix("/postgres").unwrap(), self.name)
    }

    /// What is in it now, as another process finds it after this one and its lease have ended.
    async fn crash(&self) -> Self {
        self.allow(false).await;
        let copy = Self::create(self.server.clone(), &self.name).await;
        copy.expire_leases().await;
        copy
    }

    /// Whether anybody is let in; who is in is thrown out where not.
    pub(crate) async fn allow(&self, is_allowed: bool) {
        let name = &self.name;
        self.admin(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {is_allowed}")).await;
        if !is_allowed {
            let connected = format!("FROM pg_stat_activity WHERE datname = '{name}'");
            self.admin(&format!("SELECT pg_terminate_backend(pid, 10000) {connected}")).await;
        }
    }

    /// The leases of all instances are over.
    pub(crate) async fn expire_leases(&self) {
        let mut connection = PgConnection::connect(&self.url()).await.unwrap();
        connection.execute("UPDATE bunbase_jobs.job_instances SET seen_at = 0").await.unwrap();
    }
}

/// Where a world keeps its jobs.
enum Place {
    File(tempfile::TempDir),
    Postgres(PostgresDatabase),
}

impl Place {
    async fn new() -> Self {
        match POSTGRES.with_borrow(Clone::clone) {
            Some(server) => Self::Postgres(PostgresDatabase::create(server, "template1").await),
            None => Self::File(tempfile::tempdir().unwrap()),
        }
    }

    async fn open(&self) -> SharedDatabase {
        match self {
            Self::File(directory) => database(directory.path()).await.into(),
            Self::Postgres(database) => {
                SharedDatabase::postgres(&database.url(), "bunbase_jobs").await.unwrap()
            }
        }
    }
}

pub(crate) struct World {
    pub(crate) jobs: Arc<Jobs>,
    pub(crate) project: ProjectId,
    pub(crate) now_ms: Arc<AtomicI64>,
    database: SharedDatabase,
    config: JobsConfig,
    place: Place,
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
        let (place, now_ms) = (Place::new().await, Arc::new(AtomicI64::new(BEGIN_MS)));
        Self::at(place, config, now_ms, ProjectId::generate()).await
    }

    async fn at(place: Place, config: JobsConfig, now_ms: Arc<AtomicI64>, project: ProjectId) -> Self {
        let database = place.open().await;
        let read = now_ms.clone();
        let clock = Clock::reading(move || read.load(Ordering::Relaxed));
        let jobs = Jobs::open(config.clone(), database.clone(), clock).await.unwrap();
        let (started_sender, started) = mpsc::unbounded_channel();
        let (recorded_sender, recorded) = mpsc::unbounded_channel();
        let hands = Arc::new(Hands { started: started_sender, recorded: recorded_sender });
        Self { jobs, project, now_ms, database, config, place, hands, started, recorded }
    }

    /// The state after a kill: what is on disk now, opened by another process.
    pub(crate) async fn crash(self) -> Self {
        let directory = match &self.place {
            Place::File(directory) => directory,
            Place::Postgres(database) => {
                let copy = Place::Postgres(database.crash().await);
                return Self::at(copy, self.config, self.now_ms, self.project).await;
            }
        };
        let copy = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(directory.path()).unwrap() {
            let entry = entry.unwrap();
            // The shared memory file is only for living processes.
            if !entry.file_name().to_str().unwrap().ends_with("-shm") {
                std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
            }
        }
        Self::at(Place::File(copy), self.config, self.now_ms, self.project).await
    }

    /// Another process on the same tables.
    pub(crate) async fn beside(&self) -> Self {
        let place = Place::Postgres(self.postgres().clone());
        Self::at(place, self.config.clone(), self.now_ms.clone(), self.project.clone()).await
    }

    /// The file, where it is one.
    pub(crate) fn file(&self) -> &Database {
        match &self.database {
            SharedDatabase::Sqlite(database) => database,
            SharedDatabase::Postgres(_) => panic!("it has no file"),
        }
    }

    /// Its database, where it is on PostgreSQL.
    pub(crate) fn postgres(&self) -> &PostgresDatabase {
        match &self.place {
            Place::Postgres(database) => database,
            Place::File(_) => panic!("it is on a file"),
        }
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
