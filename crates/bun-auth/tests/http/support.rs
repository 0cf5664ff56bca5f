//! A server in a directory of its own, and requests to it.

use crate::mails::SmtpServer;
use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use bun_auth::{AuthConfig, AuthDeps, AuthService, Registration};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use mail::{CapturedMail, MailConfig, Mailer};
use ports::access::{Access, AccessError, Ask, Caller, Credentials, Grant, Peer};
use ports::audit::AuditEntry;
use ports::events::{BusError, Deliveries, Demand, EventBus, Realm, Subscribe, Topic};
use ports::identity::DeveloperIdentity;
use routes::RouteRow;
use serde_json::{Value, json};
use service_kit::clock::{Clock, now_ms};
use sql::{Database, Durability};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use tower::ServiceExt as _;

pub(crate) const PUBLIC_URL: &str = "https://bunbase.example.org";

/// Lets in whoever has a session or a token, as the platform's access does for developers.
struct DeveloperAccess {
    service: Arc<AuthService>,
    records: Arc<Mutex<Vec<AuditEntry>>>,
}

#[async_trait]
impl Access for DeveloperAccess {
    async fn authorize(&self, credentials: &Credentials, ask: Ask<'_>) -> Result<Grant, AccessError> {
        let unknown = AccessError::Unauthenticated("sign in first");
        let Some(bearer) = &credentials.bearer else {
            let token = credentials.session.as_ref().ok_or(unknown)?;
            let user = self.service.session_user(token).await.unwrap();
            let user = user.ok_or(AccessError::Unauthenticated("sign in first"))?;
            return Ok(Caller::Developer { user, role: None, token: None }.into());
        };
        let Ask::Developer { action } = ask else { return Err(AccessError::Forbidden("sign in")) };
        let holder = self.service.token_holder(bearer).await.unwrap().ok_or(unknown)?;
        if !holder.scopes.reaches(action) {
            return Err(AccessError::Forbidden("scopes"));
        }
        Ok(Caller::Developer { user: holder.user, role: None, token: Some(holder.token) }.into())
    }

    async fn record(&self, entry: AuditEntry) -> Result<(), AccessError> {
        self.records.lock().unwrap().push(entry);
        Ok(())
    }
}

/// Keeps what was published.
#[derive(Default)]
pub(crate) struct Published(Mutex<Vec<(String, String)>>);

impl Published {
    pub(crate) fn topics(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(topic, _)| topic.clone()).collect()
    }

    pub(crate) fn text(&self) -> String {
        format!("{:?}", self.0.lock().unwrap())
    }
}

#[async_trait]
impl EventBus for Published {
    async fn publish(&self, realm: &Realm, topic: &Topic, payload: Bytes) -> Result<Option<u64>, BusError> {
        assert_eq!(realm, &Realm::System);
        let payload = String::from_utf8(payload.to_vec()).unwrap();
        self.0.lock().unwrap().push((topic.as_str().to_owned(), payload));
        Ok(None)
    }

    async fn subscribe(&self, _wish: Subscribe) -> Result<Deliveries, BusError> {
        Ok(Box::pin(futures_util::stream::empty()))
    }

    fn demand(&self) -> tokio::sync::watch::Receiver<Arc<Demand>> {
        tokio::sync::watch::channel(Arc::default()).1
    }
}

pub(crate) struct Server {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) service: Arc<AuthService>,
    pub(crate) database: Database,
    pub(crate) mailer: Arc<Mailer>,
    pub(crate) published: Arc<Published>,
    pub(crate) rows: Vec<RouteRow>,
    records: Arc<Mutex<Vec<AuditEntry>>>,
    passed_ms: Arc<AtomicI64>,
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

/// Whom a request comes from.
#[derive(Clone, Copy)]
pub(crate) enum From<'a> {
    Nobody,
    Cookie(&'a str),
    Token(&'a str),
}

/// Limits so wide that a test does not meet them.
pub(crate) fn wide() -> AuthConfig {
    let limit = NonZeroU32::new(100_000).unwrap();
    AuthConfig {
        requests_per_minute_per_address: limit,
        failures_per_minute_per_account_and_address: limit,
        failures_per_minute_per_account: limit,
        mails_per_hour_per_account: limit,
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
        Self::start_in(tempfile::tempdir().unwrap(), config, MailConfig::default()).await
    }

    pub(crate) async fn start_in(directory: tempfile::TempDir, config: AuthConfig, mail: MailConfig) -> Self {
        let path = directory.path().join("control.db");
        let database = Database::open(&path, Durability::Full).await.unwrap();
        let mailer = Mailer::start(mail, &directory.path().join("mail")).unwrap();
        let (published, records) = (Arc::new(Published::default()), Arc::default());
        let deps = AuthDeps {
            database: database.clone(),
            mailer: mailer.clone(),
            events: Some(published.clone()),
            public_url: format!("{PUBLIC_URL}/"),
        };
        let passed_ms = Arc::new(AtomicI64::new(0));
        let passed = passed_ms.clone();
        let clock = Clock::reading(move || now_ms() + passed.load(Ordering::Relaxed));
        let service = AuthService::start_with_clock(config, deps, clock).await.unwrap();
        let access = DeveloperAccess { service: service.clone(), records: Arc::clone(&records) };
        let routes = service.routes(Arc::new(access));
        let (rows, router) = (routes.rows, routes.router);
        Self { directory, service, database, mailer, published, rows, records, passed_ms, router }
    }

    /// Ends the server as a process ends, and starts another on the same files.
    pub(crate) async fn restart(self, config: AuthConfig) -> Self {
        let Self { directory, service, database, mailer, router, .. } = self;
        drop(router);
        service.shutdown().await;
        mailer.shutdown().await;
        database.close().await;
        Self::start_in(directory, config, MailConfig::default()).await
    }

    /// A server that was set up by `ada@example.com`.
    pub(crate) async fn set_up(config: AuthConfig) -> Self {
        Self::set_up_with(config, MailConfig::default()).await
    }

    /// The same, with a mail server.
    pub(crate) async fn set_up_mailing(config: AuthConfig, smtp: &SmtpServer) -> Self {
        Self::set_up_with(config, smtp.config()).await
    }

    pub(crate) async fn set_up_with(config: AuthConfig, mail: MailConfig) -> Self {
        let server = Self::start_in(tempfile::tempdir().unwrap(), config, mail).await;
        let answer = server.post("/v1/setup", &person("ada@example.com")).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        server
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, seconds: i64) {
        self.passed_ms.fetch_add(seconds * 1000, Ordering::Relaxed);
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
        self.ask(From::Cookie(cookie), method, path, &Value::Null).await
    }

    /// A request with a JSON body, or none where it is null.
    pub(crate) async fn ask(&self, from: From<'_>, method: &str, path: &str, body: &Value) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        request = match from {
            From::Nobody => request,
            From::Cookie(cookie) => request.header(header::COOKIE, cookie),
            From::Token(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
        };
        let request = match body {
            Value::Null => request.body(Body::empty()),
            body => request.header(header::CONTENT_TYPE, "application/json").body(body.to_string().into()),
        };
        self.send(request.unwrap()).await
    }

    /// Signs in and gives the cookie.
    pub(crate) async fn sign_in(&self, email: &str, password: &str) -> String {
        let answer = self.post("/v1/auth/login", &login(email, password)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.cookie()
    }

    /// Makes a token for whoever has the cookie; the whole answer.
    pub(crate) async fn token(&self, cookie: &str, scopes: &[&str]) -> Value {
        let body = json!({ "name": "ci", "scopes": scopes });
        let answer = self.ask(From::Cookie(cookie), "POST", "/v1/auth/tokens", &body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        answer.body
    }

    pub(crate) async fn me(&self, from: From<'_>) -> StatusCode {
        self.ask(from, "GET", "/v1/auth/me", &Value::Null).await.status
    }

    /// Captured mail, the newest first, once there are so many.
    pub(crate) async fn mails(&self, wanted: usize) -> Vec<CapturedMail> {
        loop {
            let mails = self.mailer.captured().await.unwrap();
            if mails.len() >= wanted {
                return mails;
            }
        }
    }

    /// What the audit log was told: action, account, targets.
    pub(crate) fn records(&self) -> Vec<AuditEntry> {
        self.records.lock().unwrap().clone()
    }
}

pub(crate) fn post_request(path: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    request.body(body.into()).unwrap()
}

/// The token of the link in a mail.
pub(crate) fn link_token(text: &str) -> String {
    let rest = text.split_once("&token=").unwrap().1;
    rest.split_whitespace().next().unwrap().to_owned()
}
