//! A pool over a temporary directory, a host that keeps what it is told, and short ways to call.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt;
use tokio::sync::Notify;
use worker_pool::{
    BunBinary, CalledHandler, Host, InvokeError, InvokeRequest, InvokeResponse, LaunchProgram, LoadError,
    PoolConfig, PortCall, PortReply, RequestBody, VersionPool, VersionSettings, VersionSpec, WorkerChange,
    WorkerLog, WorkerPool,
};

/// Longer than anything here takes, so that a hang is a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Keeps log lines, and answers port calls with what it was asked.
#[derive(Default)]
pub(crate) struct Recorder {
    lines: Mutex<Vec<WorkerLog>>,
    changes: Mutex<Vec<WorkerChange>>,
    changed: Notify,
}

impl Host for Recorder {
    fn log(&self, line: WorkerLog) {
        self.lines.lock().unwrap().push(line);
        self.changed.notify_waiters();
    }

    fn worker_changed(&self, change: WorkerChange) {
        self.changes.lock().unwrap().push(change);
    }

    fn port_call(&self, call: PortCall) -> BoxFuture<'static, PortReply> {
        async move {
            let mut headers = HeaderMap::new();
            headers.insert("x-project", HeaderValue::from_str(&call.project).unwrap());
            headers.insert("x-version", HeaderValue::from_str(&call.version).unwrap());
            let invocation = call.invocation_id.as_deref().unwrap_or("none");
            headers.insert("x-invocation", HeaderValue::from_str(invocation).unwrap());
            let head = format!("{} {} {:?} ", call.method, call.path, call.headers.get("x-asked"));
            let body = Bytes::from([head.as_bytes(), &call.body].concat());
            PortReply { status: StatusCode::ACCEPTED, headers, body }
        }
        .boxed()
    }
}

impl Recorder {
    pub(crate) fn lines(&self) -> Vec<WorkerLog> {
        self.lines.lock().unwrap().clone()
    }

    /// The states that the worker of a process went through.
    pub(crate) fn states(&self, pid: u32) -> Vec<&'static str> {
        let changes = self.changes.lock().unwrap();
        changes
            .iter()
            .filter(|change| change.worker.pid == pid)
            .map(|change| change.worker.state.as_str())
            .collect()
    }

    /// Waits until a line satisfies `wanted`.
    pub(crate) async fn line(&self, wanted: impl Fn(&WorkerLog) -> bool) -> WorkerLog {
        let search = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if let Some(line) = self.lines().into_iter().find(&wanted) {
                    return line;
                }
                changed.await;
            }
        };
        match tokio::time::timeout(PATIENCE, search).await {
            Ok(line) => line,
            Err(_) => panic!("line never came; there were {:?}", self.lines()),
        }
    }
}

pub(crate) struct Bench {
    pub(crate) pool: Arc<WorkerPool>,
    pub(crate) host: Arc<Recorder>,
    pub(crate) directory: tempfile::TempDir,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut PoolConfig)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let explicit = std::env::var_os("BUNBASE_BUN_PATH").map(PathBuf::from);
        let bun = BunBinary::find(explicit.as_deref(), &[]).expect("the tests need a bun");
        let mut config = PoolConfig::new(bun, directory.path().join("w"));
        config.launch_program = Some(LaunchProgram::new(env!("CARGO_BIN_EXE_worker-launch")));
        change(&mut config);
        let host = Arc::new(Recorder::default());
        let pool = WorkerPool::start(config, Arc::clone(&host) as Arc<dyn Host>).await.unwrap();
        Self { pool, host, directory }
    }

    pub(crate) fn spec(&self, name: &str, source: &str) -> VersionSpec {
        let bundle_path = self.directory.path().join(format!("{name}.js"));
        std::fs::write(&bundle_path, source).unwrap();
        VersionSpec {
            key: name.into(),
            project: "project-1".into(),
            bundle_path,
            bytecode_path: None,
            handlers: ["default".to_owned()].into(),
            env: Vec::new(),
            settings: VersionSettings::default(),
        }
    }

    pub(crate) async fn load(&self, name: &str, source: &str) -> Arc<VersionPool> {
        self.pool.load(self.spec(name, source)).await.unwrap()
    }

    pub(crate) async fn load_with(
        &self,
        name: &str,
        source: &str,
        change: impl FnOnce(&mut VersionSettings),
    ) -> Arc<VersionPool> {
        let mut spec = self.spec(name, source);
        change(&mut spec.settings);
        self.pool.load(spec).await.unwrap()
    }

    pub(crate) async fn load_error(&self, name: &str, source: &str) -> LoadError {
        self.pool.load(self.spec(name, source)).await.unwrap_err()
    }
}

pub(crate) fn get(path: &str) -> InvokeRequest {
    InvokeRequest {
        invocation_id: format!("inv-{path}").into(),
        handler: CalledHandler::default(),
        method: Method::GET,
        url: format!("http://localhost:3001{path}"),
        headers: HeaderMap::new(),
        body: RequestBody::Empty,
        deadline: None,
    }
}

pub(crate) fn post(path: &str, body: RequestBody) -> InvokeRequest {
    InvokeRequest { method: Method::POST, body, ..get(path) }
}

pub(crate) async fn call(
    version: &VersionPool,
    request: InvokeRequest,
) -> Result<InvokeResponse, InvokeError> {
    tokio::time::timeout(PATIENCE, version.invoke(request)).await.expect("a call hangs")
}

pub(crate) async fn text(response: InvokeResponse) -> String {
    let body = tokio::time::timeout(PATIENCE, response.body.collect()).await.expect("a body hangs");
    String::from_utf8(body.unwrap().to_bytes().to_vec()).unwrap()
}

pub(crate) async fn get_text(version: &VersionPool, path: &str) -> String {
    text(call(version, get(path)).await.unwrap()).await
}

/// Waits until `condition` holds; asks again whenever other tasks have run.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    let holds = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, holds).await.expect("condition never held");
}

pub(crate) fn kill(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}
