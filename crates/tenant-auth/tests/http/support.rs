//! A server with everything around it in memory, and requests to it.

use crate::memory::Memory;
use crate::secrets::TestSecrets;
use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use mail::{CapturedMail, MailConfig, Mailer};
use ports::access::{
    Access, AccessError, Action, Ask, Caller, Credentials, Grant, KEY_HEADER, KeyKind, Peer, Role,
};
use ports::audit::AuditEntry;
use ports::events::{BusError, Deliveries, Demand, EventBus, Realm, Subscribe, Topic};
use ports::tenant::{EndUser, TenantIdentity};
use routes::RouteRow;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use service_kit::clock::{Clock, now_ms};
use service_kit::ids::{KeyId, ProjectId, UserId};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tenant_auth::{TenantAuthConfig, TenantAuthDeps, TenantAuthService};
use tower::ServiceExt as _;

pub(crate) const PUBLIC_URL: &str = "https://base.example";
pub(crate) const PASSWORD: &str = "correct horse";
pub(crate) const EMAIL: &str = "ada@example.com";

/// Keys are `pk_<project>` and `sk_<project>`, sessions of developers `<role>:<project>`.
struct TestAccess(Arc<TenantAuthService>);

impl TestAccess {
    async fn with_key(&self, credentials: &Credentials, action: Action) -> Result<Grant, AccessError> {
        let key = credentials.key.as_ref().ok_or(AccessError::Unauthenticated("bring a key"))?;
        let (kind, project) = key.expose_secret().split_at(3);
        let kind = if kind == "sk_" { KeyKind::Secret } else { KeyKind::Public };
        let project = ProjectId::parse(project).map_err(|_| AccessError::Unauthenticated("no such key"))?;
        if !kind.allows(action) {
            return Err(AccessError::Forbidden("this key may not"));
        }
        let end_user = match (&credentials.bearer, &credentials.end_user_session) {
            (Some(token), _) => Some(self.verify(&project, token).await.ok_or(AccessError::EndUserToken)?),
            (None, Some(cookie)) => self.verify(&project, cookie).await,
            (None, None) => None,
        };
        Ok(Grant { caller: Caller::Key { id: KeyId::generate(), kind }, project: Some(project), end_user })
    }

    async fn verify(&self, project: &ProjectId, token: &SecretString) -> Option<Arc<EndUser>> {
        self.0.verify(project, token).await.unwrap()
    }

    fn member(credentials: &Credentials, wanted: &str, action: Action) -> Result<Grant, AccessError> {
        let session = credentials.session.as_ref().ok_or(AccessError::Unauthenticated("sign in"))?;
        let (role, project) = session.expose_secret().split_once(':').unwrap();
        let role = Role::parse(role).unwrap();
        if project != wanted {
            return Err(AccessError::ProjectNotFound);
        }
        if !role.allows(action) {
            return Err(AccessError::Forbidden("this role may not"));
        }
        let caller = Caller::Developer { user: UserId::generate(), role: Some(role), token: None };
        Ok(Grant { caller, project: ProjectId::parse(wanted).ok(), end_user: None })
    }
}

#[async_trait]
impl Access for TestAccess {
    async fn authorize(&self, credentials: &Credentials, ask: Ask<'_>) -> Result<Grant, AccessError> {
        match ask {
            Ask::Key { action } => self.with_key(credentials, action).await,
            Ask::Project { project, action } if credentials.key.is_some() => {
                let grant = self.with_key(credentials, action).await?;
                let own = grant.project.as_ref().is_some_and(|own| own.as_str() == project);
                if own { Ok(grant) } else { Err(AccessError::ProjectNotFound) }
            }
            Ask::Project { project, action } => Self::member(credentials, project, action),
            Ask::Developer { .. } | Ask::Session | Ask::Operator => {
                Err(AccessError::Forbidden("nothing here asks this"))
            }
        }
    }

    async fn record(&self, _entry: AuditEntry) -> Result<(), AccessError> {
        Ok(())
    }
}

/// Remembers what was published.
#[derive(Default)]
pub(crate) struct TestBus(pub(crate) Mutex<Vec<(Realm, String, Value)>>);

#[async_trait]
impl EventBus for TestBus {
    async fn publish(&self, realm: &Realm, topic: &Topic, payload: Bytes) -> Result<Option<u64>, BusError> {
        let payload = serde_json::from_slice(&payload).unwrap();
        self.0.lock().unwrap().push((realm.clone(), topic.as_str().to_owned(), payload));
        Ok(None)
    }

    async fn subscribe(&self, _wish: Subscribe) -> Result<Deliveries, BusError> {
        Err(BusError::Limit("nobody subscribes here"))
    }

    fn demand(&self) -> tokio::sync::watch::Receiver<Arc<Demand>> {
        tokio::sync::watch::channel(Arc::default()).1
    }
}

/// What a server stands on.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) documents: Arc<Memory>,
    pub(crate) secrets: Arc<TestSecrets>,
    pub(crate) bus: Arc<TestBus>,
    mailer: Arc<Mailer>,
    clock: Arc<AtomicI64>,
    _directory: Arc<tempfile::TempDir>,
}

pub(crate) struct Server {
    pub(crate) service: Arc<TenantAuthService>,
    pub(crate) around: Surroundings,
    pub(crate) rows: Vec<RouteRow>,
    router: Router,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap_or_else(|| panic!("no {field} in {self:?}")).to_owned()
    }

    /// The cookie as a browser sends it back.
    pub(crate) fn cookie(&self) -> String {
        let set = self.headers[header::SET_COOKIE].to_str().unwrap();
        set.split(';').next().unwrap().to_owned()
    }

    pub(crate) fn user_id(&self) -> String {
        self.body["user"]["id"].as_str().unwrap_or_else(|| panic!("no user in {self:?}")).to_owned()
    }
}

/// One request, put together.
pub(crate) struct Call {
    request: http::request::Builder,
    body: Body,
    peer: IpAddr,
}

impl Call {
    /// From an address of its own, so that no limit of addresses is met.
    pub(crate) fn new(method: Method, path: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0x0a00_0000);
        let request = Request::builder().method(method).uri(path);
        let peer = IpAddr::V4(NUMBER.fetch_add(1, Ordering::SeqCst).into());
        Self { request, body: Body::empty(), peer }
    }

    pub(crate) fn post(path: &str, body: &Value) -> Self {
        Self::new(Method::POST, path).json(body)
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        let call = self.header("content-type", "application/json");
        Self { body: body.to_string().into(), ..call }
    }

    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        Self { request: self.request.header(name, value), ..self }
    }

    pub(crate) fn public(self, project: &ProjectId) -> Self {
        self.header(KEY_HEADER, &format!("pk_{project}"))
    }

    pub(crate) fn secret(self, project: &ProjectId) -> Self {
        self.header(KEY_HEADER, &format!("sk_{project}"))
    }

    pub(crate) fn role(self, role: &str, project: &ProjectId) -> Self {
        self.header("cookie", &format!("session_token={role}:{project}"))
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn from(self, peer: &str) -> Self {
        Self { peer: peer.parse().unwrap(), ..self }
    }
}

/// Limits so wide that a test does not meet them.
pub(crate) fn wide() -> TenantAuthConfig {
    let limit = NonZeroU32::new(100_000).unwrap();
    TenantAuthConfig {
        attempts_per_minute_per_account: limit,
        attempts_per_minute_per_account_everywhere: limit,
        mails_per_hour_per_address: limit,
        ..TenantAuthConfig::default()
    }
}

pub(crate) fn person(email: &str) -> Value {
    json!({ "email": email, "password": PASSWORD, "name": "Ada" })
}

pub(crate) fn login(email: &str, password: &str) -> Value {
    json!({ "email": email, "password": password })
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(wide()).await
    }

    pub(crate) async fn start_with(config: TenantAuthConfig) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let mailer = Mailer::start(MailConfig::default(), directory.path()).unwrap();
        let clock = Arc::new(AtomicI64::new(now_ms()));
        let (documents, secrets, bus) = <(Arc<Memory>, Arc<TestSecrets>, Arc<TestBus>)>::default();
        let around = Surroundings { documents, secrets, bus, mailer, clock, _directory: directory };
        Self::on(config, around).await
    }

    /// Another process on the same stores.
    pub(crate) async fn second(&self) -> Self {
        Self::on(wide(), self.around.clone()).await
    }

    async fn on(config: TenantAuthConfig, around: Surroundings) -> Self {
        let clock = around.clock.clone();
        let deps = TenantAuthDeps {
            documents: around.documents.clone(),
            secrets: around.secrets.clone(),
            mailer: around.mailer.clone(),
            events: around.bus.clone(),
            public_url: PUBLIC_URL.to_owned(),
            clock: Clock::reading(move || clock.load(Ordering::SeqCst)),
        };
        let service = TenantAuthService::start(config, deps).await.unwrap();
        let routes = service.routes(Arc::new(TestAccess(service.clone())));
        Self { service, around, rows: routes.rows, router: routes.router }
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, milliseconds: i64) {
        self.around.clock.fetch_add(milliseconds, Ordering::SeqCst);
    }

    pub(crate) async fn send(&self, call: Call) -> Answer {
        let mut request = call.request.body(call.body).unwrap();
        request.extensions_mut().insert(Peer(call.peer));
        let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Answer { status: head.status, headers: head.headers, body }
    }

    pub(crate) async fn post(&self, project: &ProjectId, path: &str, body: &Value) -> Answer {
        self.send(Call::post(path, body).public(project)).await
    }

    pub(crate) async fn register(&self, project: &ProjectId, email: &str) -> Answer {
        let answer = self.post(project, "/v1/auth/project/register", &person(email)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        answer
    }

    pub(crate) async fn log_in(&self, project: &ProjectId, email: &str, password: &str) -> Answer {
        self.post(project, "/v1/auth/project/login", &login(email, password)).await
    }

    pub(crate) async fn refresh(&self, project: &ProjectId, token: &str) -> Answer {
        self.post(project, "/v1/auth/project/refresh", &json!({ "refresh_token": token })).await
    }

    /// Who a token stands for; the status where for nobody.
    pub(crate) async fn session(&self, project: &ProjectId, token: &str) -> Answer {
        self.send(Call::get("/v1/auth/session").public(project).bearer(token)).await
    }

    pub(crate) async fn configure(&self, project: &ProjectId, config: &Value) -> Answer {
        let call = Call::new(Method::PUT, &format!("/v1/projects/{project}/auth/config")).json(config);
        let answer = self.send(call.role("owner", project)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer
    }

    /// The newest `count` mails to `email`, the newest first; waits until they are there.
    pub(crate) async fn mails(&self, email: &str, count: usize) -> Vec<CapturedMail> {
        loop {
            let mut mails = self.around.mailer.captured().await.unwrap();
            mails.retain(|mail| mail.to == email);
            if mails.len() >= count {
                return mails;
            }
            tokio::task::yield_now().await;
        }
    }
}

/// The link in a mail.
pub(crate) fn link(mail: &CapturedMail) -> &str {
    mail.text.split_whitespace().find(|word| word.contains("#mode=")).unwrap()
}

/// The token in the link of a mail.
pub(crate) fn link_token(mail: &CapturedMail) -> String {
    link(mail).rsplit_once("&token=").unwrap().1.to_owned()
}
