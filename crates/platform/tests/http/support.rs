//! A server in a directory of its own, developers who are signed in by name, and requests.

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use http::{Request, StatusCode, header};
use platform::{PlatformConfig, PlatformParts, PlatformService, ProjectAccess};
use ports::access::KEY_HEADER;
use ports::identity::{Account, DeveloperIdentity, IdentityError, NewAccount, SignedIn, TokenHolder};
use ports::lifecycle::ProjectLifecycle;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use service_kit::ids::UserId;
use sql::{Database, Durability};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use tower::ServiceExt as _;

/// Developers; the session token of each is the name.
pub(crate) static DEVELOPERS: LazyLock<HashMap<&str, UserId>> =
    LazyLock::new(|| ["ada", "eve", "bob"].map(|name| (name, UserId::generate())).into());

struct SignedInByName;

#[async_trait]
impl DeveloperIdentity for SignedInByName {
    async fn session_user(&self, token: &SecretString) -> Result<Option<UserId>, IdentityError> {
        Ok(DEVELOPERS.get(token.expose_secret()).cloned())
    }
}

/// Who sends a request.
#[derive(Clone, Copy)]
pub(crate) enum By<'a> {
    Nobody,
    Developer(&'a str),
    Key(&'a str),
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
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

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(PlatformConfig::default(), Vec::new()).await
    }

    pub(crate) async fn start_with(config: PlatformConfig, stores: Vec<Arc<dyn ProjectLifecycle>>) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), config, stores).await
    }

    async fn start_in(
        directory: tempfile::TempDir,
        config: PlatformConfig,
        stores: Vec<Arc<dyn ProjectLifecycle>>,
    ) -> Self {
        let path = directory.path().join("control.db");
        let database = Database::open(&path, Durability::Full).await.unwrap();
        let access =
            ProjectAccess::open(database.clone(), Arc::new(SignedInByName), Some(&token())).await.unwrap();
        let parts = PlatformParts { access: access.clone(), stores };
        let service = PlatformService::start(config, parts).await.unwrap();
        let router = service.routes(service.access()).router;
        Self { access, service, database, directory, router }
    }

    /// Ends the server as a process ends, and starts another on the same files.
    pub(crate) async fn restart(
        self,
        config: PlatformConfig,
        stores: Vec<Arc<dyn ProjectLifecycle>>,
    ) -> Self {
        self.service.shutdown().await;
        self.database.close().await;
        Self::start_in(self.directory, config, stores).await
    }

    pub(crate) async fn send(&self, by: By<'_>, method: &str, path: &str, body: Option<Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        request = match by {
            By::Nobody => request,
            By::Developer(name) => request.header(header::COOKIE, format!("session_token={name}")),
            By::Key(key) => request.header(KEY_HEADER, key),
        };
        let body = match body {
            None => Body::empty(),
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
        };
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = response.status();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Answer { status, body }
    }

    pub(crate) async fn get(&self, by: By<'_>, path: &str) -> Answer {
        self.send(by, "GET", path, None).await
    }

    pub(crate) async fn post(&self, by: By<'_>, path: &str, body: Value) -> Answer {
        self.send(by, "POST", path, Some(body)).await
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
}

impl Project {
    pub(crate) fn id(&self) -> &str {
        self.path.strip_prefix("/v1/projects/").unwrap()
    }

    pub(crate) fn keys(&self) -> String {
        format!("{}/keys", self.path)
    }
}
