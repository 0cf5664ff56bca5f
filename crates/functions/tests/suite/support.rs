//! A service with two projects, their keys and a developer, in a directory of its own.

use async_trait::async_trait;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use functions::{CallBody, FunctionsConfig, FunctionsDeps, FunctionsService, InvocationFront};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use ports::access::{
    Access, AccessError, Ask, Caller, Credentials, Grant, KEY_HEADER, KeyKind, Role, SESSION_COOKIE,
};
use ports::events::{BusError, Deliveries, Demand, EventBus, Realm, Subscribe, Topic};
use ports::project_api::ProjectApi;
use ports::secrets::{Secrets, SecretsError};
use run_log::{RunLog, RunLogConfig};
use secrecy::{ExposeSecret, SecretSlice};
use serde_json::{Value, json};
use service_kit::ids::{KeyId, ProjectId, UserId};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::{mpsc, watch};
use tower::ServiceExt;
use worker_pool::BunBinary;

/// Knows `pk_a`, `sk_a`, `pk_b`, `sk_b` and the session `dev_a` of an owner of the first project.
struct Keys {
    a: ProjectId,
    b: ProjectId,
}

#[async_trait]
impl Access for Keys {
    async fn authorize(&self, credentials: &Credentials, ask: Ask<'_>) -> Result<Grant, AccessError> {
        let key = credentials.key.as_ref().map(|key| key.expose_secret().to_owned());
        let session = credentials.session.as_ref().map(|session| session.expose_secret().to_owned());
        let (caller, own) = match (key.as_deref(), session.as_deref()) {
            (Some(key), _) => {
                let kind = if key.starts_with("sk_") { KeyKind::Secret } else { KeyKind::Public };
                let own = match key {
                    "pk_a" | "sk_a" => self.a.clone(),
                    "pk_b" | "sk_b" => self.b.clone(),
                    _ => return Err(AccessError::Unauthenticated("the key is not known")),
                };
                (Caller::Key { id: KeyId::generate(), kind }, own)
            }
            (None, Some("dev_a")) => (
                Caller::Developer { user: UserId::generate(), role: Some(Role::Owner), token: None },
                self.a.clone(),
            ),
            _ => return Err(AccessError::Unauthenticated("bring a key or a session")),
        };
        match ask {
            Ask::Key { .. } => Ok(Grant { caller, project: Some(own), end_user: None }),
            Ask::Project { project, .. } if project == own.as_str() => {
                Ok(Grant { caller, project: Some(own), end_user: None })
            }
            Ask::Project { .. } => Err(AccessError::ProjectNotFound),
            Ask::Developer { .. } | Ask::Session | Ask::Operator => Err(AccessError::Forbidden("not here")),
        }
    }

    async fn record(&self, _: ports::audit::AuditEntry) -> Result<(), AccessError> {
        Ok(())
    }
}

/// The slug of a project as `EchoApi` knows it.
pub(crate) fn slug_of(project: &ProjectId) -> String {
    format!("shop-{}", &project.as_str()[24..])
}

/// Paths that functions have asked for, in order.
pub(crate) type Asked = Mutex<Vec<String>>;

/// Answers with what it was asked.
struct EchoApi(Arc<Asked>);

#[async_trait]
impl ProjectApi for EchoApi {
    async fn call(&self, grant: Grant, request: Request<Bytes>) -> Response<Bytes> {
        self.0.lock().unwrap().push(request.uri().path().to_owned());
        if request.uri().path() == "/v1/project" {
            let slug = slug_of(grant.project.as_ref().unwrap());
            return Response::new(json!({ "project": { "slug": slug } }).to_string().into());
        }
        let text = json!({
            "project": grant.project.map(|project| project.to_string()),
            "by_function": grant.caller == Caller::Function,
            "path": request.uri().to_string(),
            "method": request.method().as_str(),
        });
        Response::builder().header("content-type", "application/json").body(text.to_string().into()).unwrap()
    }
}

/// Keeps secrets by writing beside them for whom they are; can be out of reach.
#[derive(Default)]
pub(crate) struct Keeper {
    pub(crate) is_down: AtomicBool,
    pub(crate) named: Mutex<HashMap<String, Vec<u8>>>,
}

impl Keeper {
    fn reach(&self) -> Result<(), SecretsError> {
        if self.is_down.load(Ordering::SeqCst) {
            Err(SecretsError::Unavailable("out of reach".into()))
        } else {
            Ok(())
        }
    }
}

fn mask(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte ^ 0x5a).collect()
}

#[async_trait]
impl Secrets for Keeper {
    async fn seal(&self, project: &ProjectId, purpose: &str, plain: &[u8]) -> Result<Vec<u8>, SecretsError> {
        self.reach()?;
        Ok(mask(&[format!("{project}/{purpose}\n").as_bytes(), plain].concat()))
    }

    async fn open(
        &self,
        project: &ProjectId,
        purpose: &str,
        sealed: &[u8],
    ) -> Result<SecretSlice<u8>, SecretsError> {
        self.reach()?;
        let plain = mask(sealed);
        let bound = format!("{project}/{purpose}\n");
        let value = plain.strip_prefix(bound.as_bytes()).ok_or(SecretsError::NotSealedHere)?;
        Ok(SecretSlice::from(value.to_vec()))
    }

    async fn put(&self, _: &ProjectId, name: &str, value: &[u8]) -> Result<u32, SecretsError> {
        self.named.lock().unwrap().insert(name.to_owned(), value.to_vec());
        Ok(1)
    }

    async fn get(&self, _: &ProjectId, name: &str) -> Result<SecretSlice<u8>, SecretsError> {
        self.reach()?;
        let named = self.named.lock().unwrap();
        named.get(name).map(|value| SecretSlice::from(value.clone())).ok_or(SecretsError::NotFound)
    }

    async fn delete(&self, _: &ProjectId, name: &str) -> Result<(), SecretsError> {
        self.named.lock().unwrap().remove(name).map(drop).ok_or(SecretsError::NotFound)
    }
}

/// Realm, topic and payload of each event.
type Published = mpsc::UnboundedReceiver<(Realm, String, Value)>;

/// A bus that hands over what is published.
struct StandInBus(mpsc::UnboundedSender<(Realm, String, Value)>);

#[async_trait]
impl EventBus for StandInBus {
    async fn publish(&self, realm: &Realm, topic: &Topic, payload: Bytes) -> Result<Option<u64>, BusError> {
        let payload = serde_json::from_slice(&payload).unwrap();
        self.0.send((realm.clone(), topic.as_str().to_owned(), payload)).unwrap();
        Ok(None)
    }

    async fn subscribe(&self, _: Subscribe) -> Result<Deliveries, BusError> {
        Err(BusError::Limit("nobody subscribes here"))
    }

    fn demand(&self) -> watch::Receiver<Arc<Demand>> {
        watch::channel(Arc::default()).1
    }
}

pub(crate) fn bus() -> (Arc<dyn EventBus>, Published) {
    let (sender, published) = mpsc::unbounded_channel();
    (Arc::new(StandInBus(sender)), published)
}

pub(crate) struct Server {
    pub(crate) service: Arc<FunctionsService>,
    pub(crate) logs: Arc<RunLog>,
    pub(crate) front: InvocationFront,
    pub(crate) a: ProjectId,
    pub(crate) b: ProjectId,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) asked: Arc<Asked>,
    router: axum::Router,
    directory: Arc<tempfile::TempDir>,
    config: FunctionsConfig,
}

pub(crate) fn config() -> FunctionsConfig {
    FunctionsConfig {
        spare_workers: 1,
        max_workers: 2,
        startup_timeout_ms: 5_000,
        ..FunctionsConfig::default()
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(config()).await
    }

    pub(crate) async fn start_with(config: FunctionsConfig) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let projects = (ProjectId::generate(), ProjectId::generate());
        Self::open(config, directory, projects, Arc::default()).await
    }

    async fn open(
        config: FunctionsConfig,
        directory: Arc<tempfile::TempDir>,
        (a, b): (ProjectId, ProjectId),
        keeper: Arc<Keeper>,
    ) -> Self {
        let explicit = std::env::var_os("BUNBASE_BUN_PATH");
        let bun = BunBinary::find(explicit.as_deref().map(Path::new), &[]).unwrap();
        let logs = RunLog::open(directory.path(), RunLogConfig::default()).await.unwrap();
        let deps = FunctionsDeps {
            bun,
            data_dir: directory.path().join("functions"),
            work_dir: directory.path().join("w"),
            logs: logs.clone(),
            secrets: keeper.clone(),
            mailer: None,
            public_url: "https://api.example".to_owned(),
        };
        let service = FunctionsService::start(config.clone(), deps).await.unwrap();
        let asked = Arc::<Asked>::default();
        service.bind_project_api(Arc::new(EchoApi(asked.clone())));
        let access: Arc<dyn Access> = Arc::new(Keys { a: a.clone(), b: b.clone() });
        let (front, router) = (service.front(access.clone()), service.routes(access).router);
        Self { service, logs, front, a, b, keeper, asked, router, directory, config }
    }

    /// Ends it and starts it again over the same data.
    pub(crate) async fn restart(self) -> Self {
        self.stop().await;
        let projects = (self.a.clone(), self.b.clone());
        Self::open(self.config.clone(), self.directory.clone(), projects, self.keeper.clone()).await
    }

    pub(crate) async fn stop(&self) {
        self.service.shutdown().await;
        self.logs.close().await;
    }

    /// Where the bundles are.
    pub(crate) fn bundles_directory(&self) -> PathBuf {
        self.directory.path().join("functions/bundles")
    }

    /// Directories of bundles, one for each version.
    pub(crate) fn bundles(&self) -> usize {
        let functions = std::fs::read_dir(self.bundles_directory()).unwrap();
        functions.map(|function| std::fs::read_dir(function.unwrap().path()).unwrap().count()).sum()
    }

    /// A request of the developers' surface, with `sk_a`.
    pub(crate) async fn manage(&self, method: Method, tail: &str, body: Option<Value>) -> Answer {
        self.manage_as("sk_a", &self.a, (method, tail, body)).await
    }

    pub(crate) async fn manage_as(
        &self,
        key: &str,
        project: &ProjectId,
        (method, tail, body): (Method, &str, Option<Value>),
    ) -> Answer {
        let path = format!("/v1/projects/{project}/functions{tail}");
        let body = body.map(|body| ("application/json", body.to_string().into_bytes()));
        self.send(key, (method, &path), body).await
    }

    /// A request of the developers' surface of the first project, with `sk_a`: `path` behind the project.
    pub(crate) async fn of_project(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let path = format!("/v1/projects/{}{path}", self.a);
        let body = body.map(|body| ("application/json", body.to_string().into_bytes()));
        self.send("sk_a", (method, &path), body).await
    }

    /// A request with any body, of a content type.
    pub(crate) async fn send(
        &self,
        key: &str,
        (method, path): (Method, &str),
        body: Option<(&str, Vec<u8>)>,
    ) -> Answer {
        let request = Request::builder().method(method).uri(path).header(KEY_HEADER, key);
        let request = match body {
            Some((kind, bytes)) => request.header("content-type", kind).body(Body::from(bytes)),
            None => request.body(Body::empty()),
        };
        let request = request.unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Opens a stream of the developers' surface, with `sk_a`.
    pub(crate) async fn stream(&self, tail: &str, last: Option<&str>) -> Response<Body> {
        let request = Request::builder().uri(format!("/v1/projects/{}/functions{tail}", self.a));
        let request = request.header(KEY_HEADER, "sk_a").header("last-event-id", last.unwrap_or("0"));
        let mut request = request.body(Body::empty()).unwrap();
        if last.is_none() {
            request.headers_mut().remove("last-event-id");
        }
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Deploys a source as the first project.
    pub(crate) async fn deploy(&self, name: &str, source: &str) -> Answer {
        self.manage(Method::POST, "", Some(deployment(name, source, json!({})))).await
    }

    /// Deploys a source, with more fields.
    pub(crate) async fn deploy_with(&self, name: &str, source: &str, more: Value) -> Answer {
        self.manage(Method::POST, "", Some(deployment(name, source, more))).await
    }

    /// Calls through the front.
    pub(crate) async fn call(&self, request: Call<'_>) -> Answer {
        Answer::of(self.front.call(request.build()).await).await
    }

    /// A `GET` with `pk_a`.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Call::get(path).key("pk_a")).await
    }
}

pub(crate) fn deployment(name: &str, source: &str, more: Value) -> Value {
    let mut body = json!({ "name": name, "bundle": STANDARD.encode(source) });
    if let Value::Object(fields) = more {
        body.as_object_mut().unwrap().extend(fields);
    }
    body
}

/// A call of a function.
pub(crate) struct Call<'a> {
    builder: http::request::Builder,
    body: &'a [u8],
}

impl<'a> Call<'a> {
    pub(crate) fn new(method: Method, path: &str) -> Self {
        Self { builder: Request::builder().method(method).uri(path).header("host", "example.com"), body: b"" }
    }

    /// A `GET` for another host.
    pub(crate) fn at(host: &str, path: &str) -> Self {
        Self { builder: Request::get(path).header("host", host), body: b"" }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn post(path: &str, body: &'a [u8]) -> Self {
        Self { body, ..Self::new(Method::POST, path) }
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.header(KEY_HEADER, key)
    }

    pub(crate) fn session(self, session: &str) -> Self {
        self.header("cookie", &format!("{SESSION_COOKIE}={session}"))
    }

    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        Self { builder: self.builder.header(name, value), ..self }
    }

    pub(crate) fn build(self) -> Request<Full<Bytes>> {
        self.builder.body(Full::new(Bytes::copy_from_slice(self.body))).unwrap()
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) async fn of(response: Response<CallBody>) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// Checks status and error code.
    #[track_caller]
    pub(crate) fn is_error(&self, status: u16, code: &str) {
        assert_eq!((self.status.as_u16(), &self.json()["error"]["code"]), (status, &code.into()), "{self:?}");
    }

    #[track_caller]
    pub(crate) fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self
    }
}
