//! A server in a directory of its own, and requests to it.

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use bun_auth::{AuthConfig, AuthService, Registration};
use http::{HeaderMap, Request, StatusCode, header};
use ports::access::{Access, AccessError, Ask, Caller, Credentials, Grant, Peer};
use ports::identity::DeveloperIdentity;
use serde_json::{Value, json};
use sql::{Database, Durability};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use tower::ServiceExt as _;

/// Lets in whoever has a session, as the platform's access does for developers.
struct SessionAccess(Arc<AuthService>);

#[async_trait]
impl Access for SessionAccess {
    async fn authorize(&self, credentials: &Credentials, _ask: Ask<'_>) -> Result<Grant, AccessError> {
        let user = match &credentials.session {
            Some(token) => self.0.session_user(token).await.unwrap(),
            None => None,
        };
        let user = user.ok_or(AccessError::Unauthenticated("sign in first"))?;
        Ok(Grant { caller: Caller::Developer { user, role: None }, project: None })
    }
}

pub(crate) struct Server {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) service: Arc<AuthService>,
    pub(crate) database: Database,
    router: Router,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    /// The cookie as a client sends it back.
    pub(crate) fn cookie(&self) -> String {
        let set = self.headers[header::SET_COOKIE].to_str().unwrap();
        set.split(';').next().unwrap().to_owned()
    }
}

/// Limits so wide that a test does not meet them.
pub(crate) fn wide() -> AuthConfig {
    let limit = NonZeroU32::new(100_000).unwrap();
    AuthConfig {
        requests_per_minute_per_address: limit,
        requests_per_minute_per_account: limit,
        ..AuthConfig::default()
    }
}

pub(crate) fn with_registration(registration: Registration) -> AuthConfig {
    AuthConfig { registration, ..wide() }
}

pub(crate) fn person(email: &str) -> Value {
    json!({ "email": email, "password": "correct horse", "name": "Ada" })
}

pub(crate) fn login(email: &str, password: &str) -> Value {
    json!({ "email": email, "password": password })
}

impl Server {
    pub(crate) async fn start(config: AuthConfig) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), config).await
    }

    pub(crate) async fn start_in(directory: tempfile::TempDir, config: AuthConfig) -> Self {
        let path = directory.path().join("control.db");
        let database = Database::open(&path, Durability::Full).await.unwrap();
        let service = AuthService::start(config, database.clone()).await.unwrap();
        let router = service.routes(Arc::new(SessionAccess(service.clone()))).router;
        Self { directory, service, database, router }
    }

    /// Ends the server as a process ends, and starts another on the same files.
    pub(crate) async fn restart(self, config: AuthConfig) -> Self {
        let Self { directory, service, database, router } = self;
        drop(router);
        service.shutdown().await;
        database.close().await;
        Self::start_in(directory, config).await
    }

    /// A server that was set up by `ada@example.com`.
    pub(crate) async fn set_up(config: AuthConfig) -> Self {
        let server = Self::start(config).await;
        let answer = server.post("/v1/setup", &person("ada@example.com")).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        server
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Answer { status: head.status, headers: head.headers, body }
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(post_request(path, body.to_string())).await
    }

    pub(crate) async fn post_from(&self, peer: &str, path: &str, body: &Value) -> Answer {
        let mut request = post_request(path, body.to_string());
        request.extensions_mut().insert(Peer(peer.parse::<IpAddr>().unwrap()));
        self.send(request).await
    }

    pub(crate) async fn with_cookie(&self, method: &str, path: &str, cookie: &str) -> Answer {
        let request = Request::builder().method(method).uri(path).header(header::COOKIE, cookie);
        self.send(request.body(Body::empty()).unwrap()).await
    }
}

pub(crate) fn post_request(path: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    request.body(body.into()).unwrap()
}
