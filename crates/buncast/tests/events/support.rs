//! A service in a temporary directory, callers of its router, and a listener for streams.

use async_trait::async_trait;
use axum::body::Body;
use buncast::{Broker, BuncastConfig, BuncastDeps, BuncastService, Consumer, Item, Subscription};
use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use ports::access::{Access, AccessError, Action, Ask, Caller, Credentials, Grant, KeyKind, Role};
use ports::events::{Event, EventBus as _, Pattern, Realm, SlowPolicy, Subscribe, Topic};
use ports::tenant::EndUser;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use service_kit::drain::Drain;
use service_kit::ids::{EndUserId, KeyId, ProjectId, UserId};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower::ServiceExt as _;

/// Keys are `sk_<project>` and `pk_<project>`; a session is `<role>.<project>`; what was revoked is
/// refused. An end user's token is `<id> <claims as JSON>`. Operators have the token `operator`.
#[derive(Default)]
pub(crate) struct StandInAccess {
    revoked: Mutex<HashSet<String>>,
}

impl StandInAccess {
    pub(crate) fn revoke(&self, credential: &str) {
        self.revoked.lock().unwrap().insert(credential.to_owned());
    }

    fn known<'a>(&self, credential: Option<&'a secrecy::SecretString>) -> Result<&'a str, AccessError> {
        let text = credential.map(|secret| secret.expose_secret());
        let text = text.filter(|text| !self.revoked.lock().unwrap().contains(*text));
        text.ok_or(AccessError::Unauthenticated("say who you are"))
    }

    fn key(&self, credentials: &Credentials, action: Action) -> Result<Grant, AccessError> {
        let (kind, project) =
            self.known(credentials.key.as_ref())?.split_once('_').expect("a key has a prefix");
        let kind = if kind == "sk" { KeyKind::Secret } else { KeyKind::Public };
        if !kind.allows(action) {
            return Err(AccessError::Forbidden("a public key may not do this"));
        }
        let end_user = credentials.bearer.as_ref().map(|token| end_user(token.expose_secret()));
        let caller = Caller::Key { id: KeyId::generate(), kind };
        Ok(Grant { caller, project: ProjectId::parse(project).ok(), end_user })
    }

    fn member(&self, credentials: &Credentials, wanted: &str, action: Action) -> Result<Grant, AccessError> {
        let session = self.known(credentials.session.as_ref())?;
        let (role, project) = session.split_once('.').expect("a session names a project");
        let role = Role::parse(role).expect("a role");
        if project != wanted {
            return Err(AccessError::ProjectNotFound);
        }
        if !role.allows(action) {
            return Err(AccessError::Forbidden("the role does not allow this"));
        }
        let caller = Caller::Developer { user: UserId::generate(), role: Some(role), token: None };
        Ok(Grant { caller, project: ProjectId::parse(project).ok(), end_user: None })
    }
}

#[async_trait]
impl Access for StandInAccess {
    async fn authorize(&self, credentials: &Credentials, ask: Ask<'_>) -> Result<Grant, AccessError> {
        match ask {
            Ask::Key { action } => self.key(credentials, action),
            Ask::Project { project, action } => self.member(credentials, project, action),
            Ask::Operator => match self.known(credentials.bearer.as_ref())? {
                "operator" => Ok(Caller::Operator.into()),
                _ => Err(AccessError::Forbidden("operators only")),
            },
            Ask::Developer { .. } | Ask::Session => Err(AccessError::Forbidden("not asked here")),
        }
    }

    async fn record(&self, _: ports::audit::AuditEntry) -> Result<(), AccessError> {
        Ok(())
    }
}

fn end_user(token: &str) -> Arc<EndUser> {
    let (id, claims) = token.split_once(' ').expect("a token has claims");
    Arc::new(EndUser { id: EndUserId::parse(id).unwrap(), claims: serde_json::from_str(claims).unwrap() })
}

/// A running service.
pub(crate) struct World {
    pub(crate) service: Arc<BuncastService>,
    pub(crate) access: Arc<StandInAccess>,
    pub(crate) drain: Drain,
    pub(crate) directory: Arc<tempfile::TempDir>,
    router: axum::Router,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(BuncastConfig::default()).await
    }

    pub(crate) async fn with(config: BuncastConfig) -> Self {
        Self::at(Arc::new(tempfile::tempdir().unwrap()), config).await
    }

    /// A service with a socket at `path()`.
    pub(crate) async fn with_socket() -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let socket = Some(directory.path().join("events.sock"));
        Self::at(directory, BuncastConfig { socket, ..BuncastConfig::default() }).await
    }

    pub(crate) async fn at(directory: Arc<tempfile::TempDir>, config: BuncastConfig) -> Self {
        let drain = Drain::new();
        let deps = BuncastDeps { data_dir: directory.path().to_owned(), drain: drain.clone() };
        let service = BuncastService::start(config, deps).await.unwrap();
        let access = Arc::new(StandInAccess::default());
        let router = service.routes(access.clone()).router;
        Self { service, access, drain, directory, router }
    }

    /// The same data, after an end and a start.
    pub(crate) async fn restart(self) -> Self {
        self.service.shutdown().await;
        let directory = self.directory.clone();
        drop(self);
        Self::at(directory, BuncastConfig::default()).await
    }

    pub(crate) fn socket(&self) -> std::path::PathBuf {
        self.directory.path().join("events.sock")
    }

    pub(crate) fn broker(&self) -> &Broker {
        self.service.broker()
    }

    pub(crate) async fn publish(&self, realm: &Realm, name: &str, payload: &str) -> Option<u64> {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        self.broker().publish(realm, &topic(name), payload).await.unwrap()
    }

    pub(crate) async fn subscribe(&self, realm: &Realm, pattern: &str, slow: SlowPolicy) -> Subscription {
        let wish = wish(realm, pattern, None, slow);
        self.broker().subscribe_as(wish, Consumer::Process).await.unwrap()
    }

    pub(crate) async fn subscribe_from(&self, realm: &Realm, pattern: &str, from: u64) -> Subscription {
        let wish = wish(realm, pattern, Some(from), SlowPolicy::DropOldest);
        self.broker().subscribe_as(wish, Consumer::Process).await.unwrap()
    }

    /// One request to the router.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = http::Request::builder().method(method).uri(path);
        if body.starts_with('{') {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        Answer { status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
    }

    /// One request with a key.
    pub(crate) async fn with_key(&self, key: &str, method: Method, path: &str, body: &str) -> Answer {
        self.call(method, path, &[("x-bunbase-client-key", key)], body).await
    }

    /// Serves the router on a port of this machine.
    pub(crate) async fn listen(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = self.router.clone();
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }
}

pub(crate) fn topic(name: &str) -> Topic {
    Topic::parse(name).unwrap()
}

pub(crate) fn wish(realm: &Realm, pattern: &str, from: Option<u64>, slow: SlowPolicy) -> Subscribe {
    Subscribe { realm: realm.clone(), pattern: Pattern::parse(pattern).unwrap(), from, slow }
}

pub(crate) fn project() -> Realm {
    Realm::Project(ProjectId::generate())
}

/// The next `count` events.
pub(crate) async fn events(subscription: &mut Subscription, count: usize) -> Vec<Event> {
    let mut found = Vec::new();
    while found.len() < count {
        match soon(subscription.next()).await.unwrap() {
            Item::Events(part) => found.extend(part.events()),
            other => panic!("an event was expected, not {other:?}"),
        }
    }
    assert_eq!(found.len(), count);
    found
}

pub(crate) fn texts(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| String::from_utf8(event.payload.to_vec()).unwrap()).collect()
}

/// What is expected within ten seconds.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("within ten seconds")
}

/// A connection on which everything that came is kept as text.
pub(crate) struct Stream {
    pub(crate) socket: TcpStream,
    pub(crate) text: String,
}

impl Stream {
    /// Sends a request; `headers` are whole lines.
    pub(crate) async fn open(address: SocketAddr, path: &str, headers: &[String]) -> Self {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        Self { socket, text: String::new() }
    }

    /// Reads until `wanted` came, and takes everything up to its end out.
    pub(crate) async fn until(&mut self, wanted: &str) -> String {
        soon(async {
            loop {
                if let Some(at) = self.text.find(wanted) {
                    let rest = self.text.split_off(at + wanted.len());
                    return std::mem::replace(&mut self.text, rest);
                }
                let mut buffer = vec![0; 4096];
                let read = self.socket.read(&mut buffer).await.unwrap();
                assert!(read > 0, "the stream ended before `{wanted}`: {}", self.text);
                self.text.push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
        })
        .await
    }
}
