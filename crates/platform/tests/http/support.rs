//! A server in a directory of its own, developers who are signed in by name, and requests.

pub(crate) use crate::identity::DEVELOPERS;
use crate::identity::TestIdentity;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use http::{HeaderMap, Request, Response, StatusCode, header};
use mail::{MailConfig, Mailer};
use platform::{PlatformConfig, PlatformParts, PlatformService, ProjectAccess, SessionCookie};
use ports::access::{KEY_HEADER, Peer};
use ports::lifecycle::ProjectLifecycle;
use secrecy::SecretString;
use serde_json::{Value, json};
use sql::{Database, Durability};
use std::sync::Arc;
use tower::ServiceExt as _;

/// The address that requests come from.
pub(crate) const ADDRESS: [u8; 4] = [192, 0, 2, 7];
/// The address of the server in links.
pub(crate) const PUBLIC_URL: &str = "https://bunbase.example.com";

/// Who sends a request.
#[derive(Clone, Copy)]
pub(crate) enum By<'a> {
    Nobody,
    Developer(&'a str),
    Key(&'a str),
    Token(&'a str),
    /// An API token, and a session beside it.
    TokenAndSession(&'a str, &'a str),
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
}

pub(crate) struct Server {
    pub(crate) access: Arc<ProjectAccess>,
    pub(crate) service: Arc<PlatformService>,
    pub(crate) identity: Arc<TestIdentity>,
    pub(crate) mailer: Arc<Mailer>,
    pub(crate) database: Database,
    directory: tempfile::TempDir,
    router: Router,
}

/// A project with its keys.
pub(crate) struct Project {
    pub(crate) path: String,
    pub(crate) public_key: String,
    pub(crate) secret_key: String,
}

pub(crate) fn token() -> SecretString {
    SecretString::from("the instance token")
}

/// What a server is started with.
#[derive(Default)]
pub(crate) struct Start {
    pub(crate) config: PlatformConfig,
    pub(crate) stores: Vec<Arc<dyn ProjectLifecycle>>,
    pub(crate) mail: MailConfig,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_as(Start::default()).await
    }

    pub(crate) async fn start_with(config: PlatformConfig, stores: Vec<Arc<dyn ProjectLifecycle>>) -> Self {
        Self::start_as(Start { config, stores, ..Start::default() }).await
    }

    pub(crate) async fn start_as(start: Start) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), start).await
    }

    async fn start_in(directory: tempfile::TempDir, start: Start) -> Self {
        let path = directory.path().join("control.db");
        let database = Database::open(&path, Durability::Full).await.unwrap();
        let identity = Arc::new(TestIdentity::default());
        let access = ProjectAccess::open(database.clone(), identity.clone(), Some(&token())).await.unwrap();
        let mailer = Mailer::start(start.mail, &directory.path().join("mail")).unwrap();
        let parts = PlatformParts {
            access: access.clone(),
            stores: start.stores,
            mailer: mailer.clone(),
            public_url: format!("{PUBLIC_URL}/"),
            cookie: SessionCookie { secure: true, max_age_seconds: 60 },
        };
        let service = PlatformService::start(start.config, parts).await.unwrap();
        let router = service.routes(service.access()).router;
        Self { access, service, identity, mailer, database, directory, router }
    }

    /// Ends the server as a process ends, and starts another on the same files.
    pub(crate) async fn restart(
        self,
        config: PlatformConfig,
        stores: Vec<Arc<dyn ProjectLifecycle>>,
    ) -> Self {
        self.service.shutdown().await;
        self.database.close().await;
        Self::start_in(self.directory, Start { config, stores, ..Start::default() }).await
    }

    async fn request(&self, by: By<'_>, method: &str, path: &str, body: Option<Value>) -> Response<Body> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .extension(Peer(ADDRESS.into()))
            .header(header::USER_AGENT, "tests/1")
            .header("x-request-id", "req_test");
        let session = |name: &str| format!("session_token={name}");
        let bearer = |token: &str| format!("Bearer {token}");
        request = match by {
            By::Nobody => request,
            By::Developer(name) => request.header(header::COOKIE, session(name)),
            By::Key(key) => request.header(KEY_HEADER, key),
            By::Token(token) => request.header(header::AUTHORIZATION, bearer(token)),
            By::TokenAndSession(token, name) => {
                request.header(header::AUTHORIZATION, bearer(token)).header(header::COOKIE, session(name))
            }
        };
        let body = match body {
            None => Body::empty(),
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
        };
        self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap()
    }

    pub(crate) async fn send(&self, by: By<'_>, method: &str, path: &str, body: Option<Value>) -> Answer {
        let (parts, body) = self.request(by, method, path, body).await.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// A body as it came.
    pub(crate) async fn bytes(&self, by: By<'_>, path: &str) -> Bytes {
        to_bytes(self.request(by, "GET", path, None).await.into_body(), usize::MAX).await.unwrap()
    }

    pub(crate) async fn get(&self, by: By<'_>, path: &str) -> Answer {
        self.send(by, "GET", path, None).await
    }

    pub(crate) async fn post(&self, by: By<'_>, path: &str, body: Value) -> Answer {
        self.send(by, "POST", path, Some(body)).await
    }

    pub(crate) async fn patch(&self, by: By<'_>, path: &str, body: Value) -> Answer {
        self.send(by, "PATCH", path, Some(body)).await
    }

    pub(crate) async fn delete(&self, by: By<'_>, path: &str) -> Answer {
        self.send(by, "DELETE", path, None).await
    }

    /// A project of `ada`.
    pub(crate) async fn project(&self, name: &str) -> Project {
        let answer = self.post(By::Developer("ada"), "/v1/projects", json!({ "name": name })).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Project {
            path: format!("/v1/projects/{}", text(&answer.body["project"]["id"])),
            public_key: text(&answer.body["public_key"]),
            secret_key: text(&answer.body["secret_key"]),
        }
    }

    /// Makes `name` a member.
    pub(crate) async fn join(&self, project: &Project, name: &str, role: &str) {
        let sql = "INSERT INTO project_members (project, account, role, created_at) VALUES ($1, $2, $3, 0)";
        self.execute(sql, &[project.id(), DEVELOPERS[name].as_str(), role]).await;
    }

    /// Runs one statement.
    pub(crate) async fn execute(&self, sql: &'static str, values: &[&str]) {
        let mut query = sqlx::query(sql);
        for value in values {
            query = query.bind(*value);
        }
        let mut write = self.database.write().await.unwrap();
        query.execute(&mut *write).await.unwrap();
        write.commit().await.unwrap();
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(self.database.read()).await.unwrap()
    }

    /// Whether the files of the database hold this text.
    pub(crate) fn holds(&self, text: &str) -> bool {
        std::fs::read_dir(self.directory.path()).unwrap().any(|entry| {
            let path = entry.unwrap().path();
            path.is_file()
                && std::fs::read(path).unwrap().windows(text.len()).any(|window| window == text.as_bytes())
        })
    }
}

impl Project {
    pub(crate) fn id(&self) -> &str {
        self.path.strip_prefix("/v1/projects/").unwrap()
    }

    pub(crate) fn keys(&self) -> String {
        format!("{}/keys", self.path)
    }

    pub(crate) fn members(&self) -> String {
        format!("{}/members", self.path)
    }

    pub(crate) fn member(&self, name: &str) -> String {
        format!("{}/members/{}", self.path, DEVELOPERS[name])
    }

    pub(crate) fn audit(&self) -> String {
        format!("{}/audit", self.path)
    }
}
