//! A server over a store in a temporary directory, and callers of it.

use crate::stream::Stream;
use async_trait::async_trait;
use axum::body::Body;
use axum::extract::Request;
use bundoc::{EngineOptions, FjallEngine};
use bundoc_server::{BundocServer, DocumentsConfig};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use ports::access::{Access, AccessError, Ask, Caller, Credentials, Grant, KeyKind, Role};
use ports::tenant::EndUser;
use routes::ServiceRoutes;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use service_kit::ids::{EndUserId, KeyId, ProjectId, UserId};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use tower::ServiceExt;

/// Keys are `sk_<project>` and `pk_<project>`; a session is the name of a role.
#[derive(Default)]
pub(crate) struct StandInAccess {
    revoked: Mutex<HashSet<String>>,
    /// End users whose claims are others than their token says.
    claims: Mutex<HashMap<EndUserId, Value>>,
    keys: Mutex<HashMap<String, KeyId>>,
    developers: Mutex<HashMap<String, UserId>>,
    /// Changes that were written down: what, and in which project.
    recorded: Mutex<Vec<String>>,
}

impl StandInAccess {
    /// What was written down so far.
    pub(crate) fn recorded(&self) -> Vec<String> {
        self.recorded.lock().unwrap().clone()
    }

    /// The key is not valid any more.
    pub(crate) fn revoke(&self, key: &str) {
        self.revoked.lock().unwrap().insert(key.to_owned());
    }

    /// The end user has other claims from now on.
    pub(crate) fn change_claims(&self, user: &EndUserId, claims: Value) {
        self.claims.lock().unwrap().insert(user.clone(), claims);
    }

    /// The end user whose token is `<id> <claims as JSON>`.
    fn end_user(&self, token: &str) -> Arc<EndUser> {
        let (id, claims) = token.split_once(' ').expect("a token has claims");
        let id = EndUserId::parse(id).expect("an id");
        let changed = self.claims.lock().unwrap().get(&id).cloned();
        let claims = changed.unwrap_or_else(|| serde_json::from_str(claims).expect("claims"));
        Arc::new(EndUser { id, claims: claims.as_object().expect("an object").clone() })
    }
}

#[async_trait]
impl Access for StandInAccess {
    async fn authorize(&self, credentials: &Credentials, ask: Ask<'_>) -> Result<Grant, AccessError> {
        match ask {
            Ask::Key { action } => {
                let key = credentials.key.as_ref().ok_or(AccessError::Unauthenticated("send a key"))?;
                if self.revoked.lock().unwrap().contains(key.expose_secret()) {
                    return Err(AccessError::Unauthenticated("the key was revoked"));
                }
                let (kind, project) = key.expose_secret().split_once('_').expect("a key has a prefix");
                let kind = if kind == "sk" { KeyKind::Secret } else { KeyKind::Public };
                if !kind.allows(action) {
                    return Err(AccessError::Forbidden("a public key may not do this"));
                }
                let mut keys = self.keys.lock().unwrap();
                let id = keys.entry(key.expose_secret().to_owned()).or_insert_with(KeyId::generate).clone();
                let caller = Caller::Key { id, kind };
                let end_user = credentials.bearer.as_ref().map(|token| self.end_user(token.expose_secret()));
                Ok(Grant { caller, project: ProjectId::parse(project).ok(), end_user })
            }
            Ask::Project { project, action } => {
                let session = credentials.session.as_ref().or(credentials.bearer.as_ref());
                let session = session.ok_or(AccessError::Unauthenticated("sign in"))?;
                let role = Role::parse(session.expose_secret()).expect("a role");
                if !role.allows(action) {
                    return Err(AccessError::Forbidden("the role does not allow this"));
                }
                let mut developers = self.developers.lock().unwrap();
                let user =
                    developers.entry(session.expose_secret().to_owned()).or_insert_with(UserId::generate);
                let caller = Caller::Developer { user: user.clone(), role: Some(role), token: None };
                Ok(Grant { caller, project: ProjectId::parse(project).ok(), end_user: None })
            }
            Ask::Developer { .. } | Ask::Session | Ask::Operator => {
                Err(AccessError::Forbidden("not asked here"))
            }
        }
    }

    async fn record(&self, entry: ports::audit::AuditEntry) -> Result<(), AccessError> {
        self.recorded.lock().unwrap().push(entry.action);
        Ok(())
    }
}

/// A running service.
pub(crate) struct World {
    pub(crate) server: Arc<BundocServer>,
    pub(crate) routes: ServiceRoutes,
    pub(crate) access: Arc<StandInAccess>,
    config: DocumentsConfig,
    directory: tempfile::TempDir,
}

impl World {
    pub(crate) fn start() -> Self {
        Self::with(DocumentsConfig::default())
    }

    pub(crate) fn with(config: DocumentsConfig) -> Self {
        Self::open(config, tempfile::tempdir().unwrap())
    }

    fn open(config: DocumentsConfig, directory: tempfile::TempDir) -> Self {
        let (engine, _) = FjallEngine::open(directory.path(), EngineOptions::default()).unwrap();
        let server = BundocServer::start(&config, engine);
        let access = Arc::new(StandInAccess::default());
        let routes = server.routes(access.clone());
        Self { server, routes, access, config, directory }
    }

    /// Shuts down and starts again over the same directory.
    pub(crate) async fn restart(self) -> Self {
        let Self { server, routes, config, directory, .. } = self;
        server.shutdown().await;
        drop((server, routes));
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        // Tasks that still hold the engine end with their streams.
        while FjallEngine::open(directory.path(), EngineOptions::default()).is_err() {
            assert!(std::time::Instant::now() < deadline, "the store is still open");
            tokio::task::yield_now().await;
        }
        Self::open(config, directory)
    }

    /// A project that was made before.
    pub(crate) fn known(&self, id: ProjectId) -> Project<'_> {
        Project { world: self, id }
    }

    /// A new project.
    pub(crate) fn project(&self) -> Project<'_> {
        Project { world: self, id: ProjectId::generate() }
    }
}

/// A project of a running service.
pub(crate) struct Project<'a> {
    world: &'a World,
    pub(crate) id: ProjectId,
}

/// One request, before it is sent.
pub(crate) struct Call {
    router: axum::Router,
    request: http::request::Builder,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Project<'_> {
    /// With the secret key.
    pub(crate) fn secret(&self, method: Method, path: &str) -> Call {
        self.with_key("sk", method, path)
    }

    /// With the public key.
    pub(crate) fn public(&self, method: Method, path: &str) -> Call {
        self.with_key("pk", method, path)
    }

    /// As a developer with a role.
    pub(crate) fn developer(&self, role: &str, method: Method, path: &str) -> Call {
        let call = self.call(method, &format!("/v1/projects/{}/database{path}", self.id));
        call.header("cookie", &format!("session_token={role}"))
    }

    fn with_key(&self, kind: &str, method: Method, path: &str) -> Call {
        let call = self.call(method, &format!("/v1/database{path}"));
        call.header("x-bunbase-client-key", &format!("{kind}_{}", self.id))
    }

    fn call(&self, method: Method, path: &str) -> Call {
        let request = http::Request::builder().method(method).uri(path);
        Call { router: self.world.routes.router.clone(), request }
    }

    /// Sets the rules of a collection, creating it.
    pub(crate) async fn open(&self, collection: &str, rules: Value) {
        let body = json!({ "name": collection, "rules": rules });
        let answer = self.secret(Method::POST, "/collections").json(&body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    }

    /// Writes documents under their `_id`s.
    pub(crate) async fn put(&self, collection: &str, documents: impl IntoIterator<Item = Value>) {
        let operations: Vec<_> = documents
            .into_iter()
            .map(|document| json!({ "op": "insert", "collection": collection, "document": document }))
            .collect();
        for part in operations.chunks(500) {
            let answer = self.secret(Method::POST, "/batch").json(&json!({ "operations": part })).await;
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        }
    }
}

impl Call {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// Opens a stream.
    pub(crate) async fn stream(self) -> Stream {
        self.stream_with(Vec::new()).await
    }

    pub(crate) async fn stream_with(self, body: impl Into<Vec<u8>>) -> Stream {
        let request = self.request.header("content-type", "application/json");
        let request: Request = request.body(Body::from(body.into())).unwrap();
        let response = self.router.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Stream::new(response.into_body())
    }

    pub(crate) async fn send(self) -> Answer {
        self.body(Vec::new()).await
    }

    pub(crate) async fn json(self, body: &Value) -> Answer {
        self.body(body.to_string()).await
    }

    pub(crate) async fn body(self, body: impl Into<Vec<u8>>) -> Answer {
        let (head, body) = self.answer(body.into()).await;
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
        Answer { status: head.status, headers: head.headers, body }
    }

    /// The status alone, of what may be a stream.
    pub(crate) async fn status(self, body: &Value) -> StatusCode {
        let request = self.request.header("content-type", "application/json");
        let request: Request = request.body(Body::from(body.to_string())).unwrap();
        self.router.oneshot(request).await.unwrap().status()
    }

    /// Status and body as it is written.
    pub(crate) async fn text(self, body: String) -> (StatusCode, String) {
        let (head, body) = self.answer(body.into()).await;
        (head.status, String::from_utf8(body.into()).unwrap())
    }

    async fn answer(self, body: Vec<u8>) -> (http::response::Parts, bytes::Bytes) {
        let request = self.request.header("content-type", "application/json");
        let request: Request = request.body(Body::from(body)).unwrap();
        let response = self.router.oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        (head, body.collect().await.unwrap().to_bytes())
    }
}

impl Answer {
    /// The code of an error.
    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or("no error")
    }

    /// Status and code of an error.
    pub(crate) fn refusal(&self) -> (u16, &str) {
        (self.status.as_u16(), self.code())
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The `_id`s of a page.
    pub(crate) fn ids(&self) -> Vec<&str> {
        let documents = self.body["documents"].as_array().unwrap_or_else(|| panic!("no page: {self:?}"));
        documents.iter().map(|document| document["_id"].as_str().unwrap()).collect()
    }
}
