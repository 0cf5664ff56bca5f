//! A log in a directory of its own, a project, a function, and what they write.

use run_log::{
    Level, LogLine, LogPage, LogQuery, Run, RunError, RunLog, RunLogConfig, RunQuery, RunStatus, RunTrace,
    Trigger,
};
use service_kit::clock::{Clock, now_ms};
use service_kit::ids::{FunctionId, InvocationId, ProjectId};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

pub(crate) struct Fixture {
    pub(crate) directory: Arc<tempfile::TempDir>,
    pub(crate) log: Arc<RunLog>,
    pub(crate) project: ProjectId,
    pub(crate) function: FunctionId,
    now_ms: Arc<AtomicI64>,
}

impl Fixture {
    pub(crate) async fn new(config: RunLogConfig) -> Self {
        Self::at(config, now_ms()).await
    }

    /// With a clock that stands still unless it is set.
    pub(crate) async fn at(config: RunLogConfig, at_ms: i64) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let now_ms = Arc::new(AtomicI64::new(at_ms));
        let log = open(&directory, config, &now_ms).await;
        Self { directory, log, project: ProjectId::generate(), function: FunctionId::generate(), now_ms }
    }

    /// The same directory, opened again.
    pub(crate) async fn again(&self, config: RunLogConfig) -> Self {
        self.log.close().await;
        Self {
            directory: self.directory.clone(),
            log: open(&self.directory, config, &self.now_ms).await,
            project: self.project.clone(),
            function: self.function.clone(),
            now_ms: self.now_ms.clone(),
        }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn set_now_ms(&self, at_ms: i64) {
        self.now_ms.store(at_ms, Ordering::Relaxed);
    }

    pub(crate) fn line(&self, message: &str) -> LogLine {
        LogLine {
            project: self.project.clone(),
            function: self.function.clone(),
            version: "v1".into(),
            invocation_id: Some("inv_1".into()),
            level: Level::Info,
            message: message.to_owned(),
            fields: None,
            at_ms: self.now_ms(),
        }
    }

    pub(crate) fn run(&self) -> Run {
        Run {
            id: InvocationId::generate().as_str().into(),
            project: self.project.clone(),
            function: self.function.clone(),
            version: "v1".into(),
            handler: None,
            trigger: Trigger::Http,
            status: RunStatus::Ok,
            http_status: Some(200),
            started_at_ms: self.now_ms(),
            duration_us: 1_500,
            queue_wait_us: 20,
            cold_start_us: None,
            attempt: 1,
            trace: RunTrace::root(false),
            spans: Vec::new(),
            error: None,
            parent_id: None,
            input: None,
            output: None,
        }
    }

    pub(crate) fn failed(&self, code: &'static str) -> Run {
        let error = RunError { code: code.into(), message: "it did not work".to_owned() };
        Run { status: RunStatus::Error, error: Some(error), http_status: Some(500), ..self.run() }
    }

    pub(crate) async fn query(&self, wanted: LogQuery) -> LogPage {
        self.log.query(&self.project, &self.function, wanted).await.unwrap()
    }

    pub(crate) async fn run_ids(&self, wanted: RunQuery) -> Vec<String> {
        let page = self.log.runs(&self.project, wanted).await.unwrap();
        page.runs.into_iter().map(|run| run.id).collect()
    }

    pub(crate) fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path().join("logs")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Everything that is in the JSONL files.
    pub(crate) fn text_of_files(&self) -> String {
        let read =
            |name: &String| std::fs::read_to_string(self.directory.path().join("logs").join(name)).unwrap();
        self.files().iter().map(read).collect()
    }
}

async fn open(directory: &tempfile::TempDir, config: RunLogConfig, now_ms: &Arc<AtomicI64>) -> Arc<RunLog> {
    let now_ms = now_ms.clone();
    let clock = Clock::reading(move || now_ms.load(Ordering::Relaxed));
    RunLog::open_with_clock(directory.path(), config, clock).await.unwrap()
}

pub(crate) fn messages(page: &LogPage) -> Vec<&str> {
    page.lines.iter().map(|line| line.message.as_str()).collect()
}

pub(crate) fn newest(limit: usize) -> LogQuery {
    LogQuery { limit, ..LogQuery::default() }
}

pub(crate) fn some_runs(limit: usize) -> RunQuery {
    RunQuery { limit, ..RunQuery::default() }
}
