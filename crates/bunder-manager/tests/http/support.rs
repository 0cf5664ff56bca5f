//! A store in a temporary directory with a clock that tests move, and callers of it.

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::Request;
use bunder_manager::{KeyValueService, KvConfig};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use ports::access::{Access, AccessError, Ask, Caller, Credentials, Grant, KeyKind, Role};
use ports::tenant::EndUser;
use routes::ServiceRoutes;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use service_kit::clock::Clock;
use service_kit::ids::{EndUserId, KeyId, ProjectId, UserId};
use sql::{Database, Durability};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tower::ServiceExt;

/// Keys are `sk_<project>` and `pk_<project>`; a bearer token beside one is an end user's id; a session is
/// the name of a role, in any project.
pub(crate) struct StandInAccess;

#[async_trait]
impl Access for StandInAccess {
    async fn authorize(&self, credentials: &Credentials, ask: Ask<'_>) -> Result<Grant, AccessError> {
        match ask {
            Ask::Key { action } => {
                let key = credentials.key.as_ref().ok_or(AccessError::Unauthenticated("send a key"))?;
                let (kind, project) = key.expose_secret().split_once('_').expect("a key has a prefix");
                let kind = if kind == "sk" { KeyKind::Secret } else { KeyKind::Public };
                if !kind.allows(action) {
                    return Err(AccessError::Forbidden("a public key may not do this"));
                }
                let caller = Caller::Key { id: KeyId::generate(), kind };
                let end_user = credentials.bearer.as_ref().map(|uid| {
                    let id = EndUserId::parse(uid.expose_secret()).expect("a user id");
                    let claims = json!({ "role": "editor" }).as_object().expect("an object").clone();
                    Arc::new(EndUser { id, claims })
                });
                Ok(Grant { caller, project: ProjectId::parse(project).ok(), end_user })
            }
            Ask::Project { project, action } => {
                let session = credentials.session.as_ref().ok_or(AccessError::Unauthenticated("sign in"))?;
                let role = Role::parse(session.expose_secret()).ok_or(AccessError::ProjectNotFound)?;
                if !role.allows(action) {
                    return Err(AccessError::Forbidden("the role does not allow this"));
                }
                let caller = Caller::Developer { user: UserId::generate(), role: Some(role), token: None };
                Ok(Grant { caller, project: ProjectId::parse(project).ok(), end_user: None })
            }
            Ask::Developer { .. } | Ask::Session | Ask::Operator => {
                Err(AccessError::Forbidden("not asked here"))
            }
        }
    }

    async fn record(&self, _: ports::audit::AuditEntry) -> Result<(), AccessError> {
        Ok(())
    }
}

/// A running service.
pub(crate) struct World {
    pub(crate) service: Arc<KeyValueService>,
    pub(crate) database: Database,
    pub(crate) routes: ServiceRoutes,
    now: Arc<AtomicI64>,
    directory: tempfile::TempDir,
}

async fn open(directory: &Path, config: KvConfig, now: &Arc<AtomicI64>) -> (Arc<KeyValueService>, Database) {
    let database = Database::open(&directory.join("kv.db"), Durability::Full).await.unwrap();
    let now = now.clone();
    let clock = Clock::reading(move || now.load(Ordering::SeqCst));
    (KeyValueService::start_at(config, database.clone(), clock).await.unwrap(), database)
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(KvConfig::default()).await
    }

    pub(crate) async fn with(config: KvConfig) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let now = Arc::new(AtomicI64::new(1_700_000_000_000));
        let (service, database) = open(directory.path(), config, &now).await;
        let routes = service.routes(Arc::new(StandInAccess));
        Self { service, database, routes, now, directory }
    }

    /// Stops, and starts again on the same file.
    pub(crate) async fn restart(self) -> Self {
        self.service.shutdown().await;
        let (service, database) = open(self.directory.path(), KvConfig::default(), &self.now).await;
        let routes = service.routes(Arc::new(StandInAccess));
        Self { service, database, routes, ..self }
    }

    /// Moves the clock.
    pub(crate) fn pass_ms(&self, ms: i64) {
        self.now.fetch_add(ms, Ordering::SeqCst);
    }

    /// A new project.
    pub(crate) fn project(&self) -> Project<'_> {
        self.project_of(ProjectId::generate())
    }

    pub(crate) fn project_of(&self, id: ProjectId) -> Project<'_> {
        Project { world: self, id }
    }

    /// A request by nobody.
    pub(crate) fn call(&self, method: Method, path: &str) -> Call {
        let request = http::Request::builder().method(method).uri(path);
        Call { router: self.routes.router.clone(), request }
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
    pub(crate) bytes: Bytes,
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

    /// With the public key, an end user being signed in.
    pub(crate) fn user(&self, user: &EndUserId, method: Method, path: &str) -> Call {
        self.public(method, path).header("authorization", &format!("Bearer {user}"))
    }

    /// As a developer with a role.
    pub(crate) fn developer(&self, role: &str, method: Method, path: &str) -> Call {
        let call = self.world.call(method, &format!("/v1/projects/{}{path}", self.id));
        call.header("cookie", &format!("session_token={role}"))
    }

    fn with_key(&self, kind: &str, method: Method, path: &str) -> Call {
        let call = self.world.call(method, &format!("/v1{path}"));
        call.header("x-bunbase-client-key", &format!("{kind}_{}", self.id))
    }

    pub(crate) async fn put(&self, key: &str, value: &str) -> Answer {
        self.secret(Method::PUT, &format!("/kv/kv/{key}")).body(value.to_owned()).await
    }

    pub(crate) async fn get(&self, key: &str) -> Answer {
        self.secret(Method::GET, &format!("/kv/kv/{key}")).send().await
    }

    pub(crate) async fn set_rules(&self, rules: Value) -> Answer {
        self.secret(Method::PUT, "/kv-rules").json(&json!({ "rules": rules })).await
    }
}

impl Call {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) async fn send(self) -> Answer {
        self.body("").await
    }

    pub(crate) async fn json(self, body: &Value) -> Answer {
        self.header("content-type", "application/json").body(body.to_string()).await
    }

    pub(crate) async fn body(self, body: impl Into<Bytes>) -> Answer {
        let request: Request = self.request.body(Body::from(body.into())).unwrap();
        let response = self.router.oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, bytes }
    }
}

impl Answer {
    pub(crate) fn value(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }

    /// Status and code of an error.
    pub(crate) fn refusal(&self) -> (u16, String) {
        let code = self.value()["error"]["code"].as_str().unwrap_or("no error").to_owned();
        (self.status.as_u16(), code)
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The keys of a page.
    pub(crate) fn keys(&self) -> Vec<String> {
        let value = self.value();
        let keys = value["keys"].as_array().unwrap_or_else(|| panic!("no page: {self:?}"));
        keys.iter().map(|key| key["key"].as_str().unwrap().to_owned()).collect()
    }
}
