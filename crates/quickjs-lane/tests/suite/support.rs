//! A lane over a temporary directory, a host that keeps what it is told, a web server, and short ways to call.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt;
use outbound::{HostSet, Lookup, OutboundClient, OutboundConfig};
use quickjs_lane::{Capabilities, Lane, LaneConfig, LaneSpec, LaneVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use worker_pool::{
    CalledHandler, Host, InvokeError, InvokeRequest, InvokeResponse, LoadError, PortCall, PortReply,
    RequestBody, VersionSettings, VersionSpec, WorkerLog,
};

/// Longer than anything here takes, so that a hang is a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Keeps log lines, and answers port calls with what it was asked; a call of `/never` gets no answer.
#[derive(Default)]
pub(crate) struct Recorder {
    lines: Mutex<Vec<WorkerLog>>,
    changed: Notify,
}

impl Host for Recorder {
    fn log(&self, line: WorkerLog) {
        self.lines.lock().unwrap().push(line);
        self.changed.notify_waiters();
    }

    fn port_call(&self, call: PortCall) -> BoxFuture<'static, PortReply> {
        async move {
            if call.path == "/never" {
                std::future::pending::<()>().await;
            }
            let mut headers = HeaderMap::new();
            headers.insert("content-type", HeaderValue::from_static("application/json"));
            headers.insert("x-project", HeaderValue::from_str(&call.project).unwrap());
            headers.insert("x-version", HeaderValue::from_str(&call.version).unwrap());
            let invocation = call.invocation_id.as_deref().unwrap_or("none");
            headers.insert("x-invocation", HeaderValue::from_str(invocation).unwrap());
            let asked = call.headers.get("x-asked").map(|value| value.to_str().unwrap().to_owned());
            let body = format!(
                "{{\"method\":\"{}\",\"path\":\"{}\",\"asked\":{:?},\"body\":{:?}}}",
                call.method,
                call.path,
                asked.unwrap_or_default(),
                String::from_utf8_lossy(&call.body)
            );
            PortReply { status: StatusCode::ACCEPTED, headers, body: Bytes::from(body) }
        }
        .boxed()
    }
}

impl Recorder {
    pub(crate) fn lines(&self) -> Vec<WorkerLog> {
        self.lines.lock().unwrap().clone()
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

/// Every name is loopback.
struct Loopback;

impl Lookup for Loopback {
    fn lookup(&self, _host: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        async { Ok(vec!["127.0.0.1".parse().unwrap()]) }.boxed()
    }
}

pub(crate) struct Bench {
    pub(crate) lane: Arc<Lane>,
    pub(crate) host: Arc<Recorder>,
    pub(crate) directory: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// `inside.test` and `other.test` are hosts that the operator lets functions reach.
    pub(crate) fn start_with(change: impl FnOnce(&mut LaneConfig)) -> Self {
        let mut config = LaneConfig { threads: 4, ..LaneConfig::default() };
        change(&mut config);
        let private_hosts = HostSet::new(["inside.test", "other.test"]);
        let outbound = OutboundConfig { private_hosts, ..OutboundConfig::default() };
        let outbound = OutboundClient::with_lookup(outbound, Arc::new(Loopback));
        let host = Arc::new(Recorder::default());
        let lane = Lane::start(config, Arc::clone(&host) as Arc<dyn Host>, outbound).unwrap();
        Self { lane, host, directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn spec(&self, name: &str, source: &str) -> LaneSpec {
        let bundle_path = self.directory.path().join(format!("{name}.js"));
        std::fs::write(&bundle_path, source).unwrap();
        let version = VersionSpec {
            key: name.into(),
            project: "project-1".into(),
            bundle_path,
            bytecode_path: None,
            handlers: ["default".to_owned()].into(),
            env: Vec::new(),
            settings: VersionSettings::default(),
        };
        LaneSpec { version, capabilities: Capabilities::strict() }
    }

    pub(crate) async fn load(&self, name: &str, source: &str) -> Arc<LaneVersion> {
        self.load_with(name, source, |_| {}).await
    }

    pub(crate) async fn load_with(
        &self,
        name: &str,
        source: &str,
        change: impl FnOnce(&mut LaneSpec),
    ) -> Arc<LaneVersion> {
        let mut spec = self.spec(name, source);
        change(&mut spec);
        tokio::time::timeout(PATIENCE, self.lane.load(spec)).await.expect("a load hangs").unwrap()
    }

    pub(crate) async fn load_error(&self, name: &str, source: &str) -> LoadError {
        self.lane.load(self.spec(name, source)).await.unwrap_err()
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
    version: &LaneVersion,
    request: InvokeRequest,
) -> Result<InvokeResponse, InvokeError> {
    tokio::time::timeout(PATIENCE, version.invoke(request)).await.expect("a call hangs")
}

pub(crate) async fn text(response: InvokeResponse) -> String {
    String::from_utf8(response.body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

pub(crate) async fn get_text(version: &LaneVersion, path: &str) -> String {
    text(call(version, get(path)).await.unwrap()).await
}

pub(crate) async fn code(version: &LaneVersion, path: &str) -> &'static str {
    call(version, get(path)).await.unwrap_err().code()
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

/// A web server on loopback that answers each request with its own text, and `/to?…` with a redirect there.
pub(crate) async fn web_server() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut heard = vec![0; 64 << 10];
                let length = stream.read(&mut heard).await.unwrap_or(0);
                let heard = String::from_utf8_lossy(&heard[..length]).into_owned();
                let target = heard.split(' ').nth(1).unwrap_or_default();
                let answer = match target.strip_prefix("/to?") {
                    Some(to) => format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"),
                    None => format!(
                        "HTTP/1.1 200 OK\r\nx-from: server\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: {}\r\n\r\n{heard}",
                        heard.len()
                    ),
                };
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    port
}
