//! A service in a directory of its own, callers, and requests.

use ::ports::access::{Access, AccessError, Ask, Caller, Credentials, Grant, KEY_HEADER, KeyKind, Role};
use ::ports::audit::AuditEntry;
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bun_kms::{KmsConfig, KmsDeps, KmsError, KmsService};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use service_kit::ids::{KeyId, ProjectId, UserId};
use sql::{Database, Durability};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tower::ServiceExt as _;

/// Keys are `sk_<project>` and `pk_<project>`; a session is `<role>:<project>`.
struct StandInAccess;

#[async_trait]
impl Access for StandInAccess {
    async fn authorize(&self, credentials: &Credentials, ask: Ask<'_>) -> Result<Grant, AccessError> {
        let (caller, own) = who(credentials)?;
        let (asked, action) = match ask {
            Ask::Key { action } => (own.clone(), action),
            Ask::Project { project, action } => (ProjectId::parse(project).map_err(|_| missing())?, action),
            Ask::Developer { .. } | Ask::Session | Ask::Operator => {
                return Err(AccessError::Forbidden("not asked here"));
            }
        };
        if asked != own {
            return Err(missing());
        }
        let allowed = match &caller {
            Caller::Key { kind, .. } => kind.allows(action),
            Caller::Developer { role: Some(role), .. } => role.allows(action),
            _ => false,
        };
        if !allowed {
            return Err(AccessError::Forbidden("not allowed"));
        }
        Ok(Grant { caller, project: Some(own), end_user: None })
    }

    async fn record(&self, _: AuditEntry) -> Result<(), AccessError> {
        Ok(())
    }
}

fn missing() -> AccessError {
    AccessError::ProjectNotFound
}

fn who(credentials: &Credentials) -> Result<(Caller, ProjectId), AccessError> {
    if let Some(key) = &credentials.key {
        let (kind, project) = key.expose_secret().split_once('_').unwrap();
        let kind = if kind == "sk" { KeyKind::Secret } else { KeyKind::Public };
        return Ok((Caller::Key { id: KeyId::generate(), kind }, ProjectId::parse(project).unwrap()));
    }
    let session = credentials.session.as_ref().ok_or(AccessError::Unauthenticated("sign in"))?;
    let (role, project) = session.expose_secret().split_once(':').unwrap();
    let role = Role::parse(role);
    let caller = Caller::Developer { user: UserId::generate(), role, token: None };
    Ok((caller, ProjectId::parse(project).unwrap()))
}

/// Who sends a request.
#[derive(Clone, Copy)]
pub(crate) enum By<'a> {
    Nobody,
    Secret(&'a ProjectId),
    Public(&'a ProjectId),
    Member(&'a str, &'a ProjectId),
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl Answer {
    /// Status and code of an error.
    pub(crate) fn refusal(&self) -> (u16, &str) {
        (self.status.as_u16(), self.body["error"]["code"].as_str().unwrap_or_default())
    }

    pub(crate) fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap_or_else(|| panic!("no {field}: {self:?}")).to_owned()
    }

    pub(crate) fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }
}

pub(crate) struct Server {
    pub(crate) service: Arc<KmsService>,
    pub(crate) database: Database,
    pub(crate) rows: Vec<routes::RouteRow>,
    directory: tempfile::TempDir,
    router: Router,
}

/// Starts a service on the files in `directory`.
pub(crate) async fn start_in(
    directory: &Path,
    config: KmsConfig,
) -> (Database, Result<Arc<KmsService>, KmsError>) {
    let database = Database::open(&directory.join("kms.db"), Durability::Full).await.unwrap();
    let deps = KmsDeps { database: database.clone(), data_dir: directory.to_owned() };
    (database, KmsService::start(config, deps).await)
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(KmsConfig::default()).await
    }

    pub(crate) async fn start_with(config: KmsConfig) -> Self {
        Self::over(tempfile::tempdir().unwrap(), config).await
    }

    async fn over(directory: tempfile::TempDir, config: KmsConfig) -> Self {
        let (database, service) = start_in(directory.path(), config).await;
        let service = service.unwrap();
        let routes = service.routes(Arc::new(StandInAccess));
        Self { service, database, rows: routes.rows, directory, router: routes.router }
    }

    /// Ends the service as a process ends.
    pub(crate) async fn stop(self) -> tempfile::TempDir {
        self.service.shutdown().await;
        self.database.close().await;
        self.directory
    }

    /// Ends the service and starts another on the same files.
    pub(crate) async fn restart(self, config: KmsConfig) -> Self {
        Self::over(self.stop().await, config).await
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The newest audit file.
    pub(crate) fn audit_path(&self) -> PathBuf {
        self.path("kms-audit.jsonl")
    }

    /// Every line of the newest audit file.
    pub(crate) fn audit_lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.audit_path()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) async fn send(&self, by: By<'_>, method: &str, path: &str, body: Option<Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        request = match by {
            By::Nobody => request,
            By::Secret(project) => request.header(KEY_HEADER, format!("sk_{project}")),
            By::Public(project) => request.header(KEY_HEADER, format!("pk_{project}")),
            By::Member(role, project) => {
                request.header(header::COOKIE, format!("session_token={role}:{project}"))
            }
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
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Answer { status, body }
    }

    pub(crate) fn project(&self) -> Project<'_> {
        Project { server: self, id: ProjectId::generate() }
    }
}

/// A project, called with its secret key.
pub(crate) struct Project<'a> {
    pub(crate) server: &'a Server,
    pub(crate) id: ProjectId,
}

impl Project<'_> {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.server.send(By::Secret(&self.id), "GET", &format!("/v1/kms{path}"), None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.server.send(By::Secret(&self.id), "POST", &format!("/v1/kms{path}"), Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.server.send(By::Secret(&self.id), "PUT", &format!("/v1/kms{path}"), Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.server.send(By::Secret(&self.id), "DELETE", &format!("/v1/kms{path}"), None).await
    }

    /// Makes a key.
    pub(crate) async fn key(&self, name: &str, kind: &str) {
        let answer = self.post("/keys", json!({ "name": name, "type": kind })).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    }

    /// Encrypts and gives the ciphertext.
    pub(crate) async fn encrypt(&self, key: &str, plaintext: &str, aad: &str) -> String {
        let body = json!({ "plaintext": plaintext, "aad": aad });
        self.post(&format!("/encrypt/{key}"), body).await.text("ciphertext")
    }

    pub(crate) async fn decrypt(&self, key: &str, ciphertext: &str, aad: &str) -> Answer {
        self.post(&format!("/decrypt/{key}"), json!({ "ciphertext": ciphertext, "aad": aad })).await
    }

    /// Writes a secret and gives its version.
    pub(crate) async fn write(&self, name: &str, value: &str) -> u64 {
        let answer = self.put(&format!("/secrets/{name}"), json!({ "value": value })).await;
        answer.body["version"].as_u64().unwrap_or_else(|| panic!("{answer:?}"))
    }
}

/// Settings that differ from the defaults.
pub(crate) fn config(settings: Value) -> KmsConfig {
    serde_json::from_value(settings).unwrap()
}

pub(crate) fn base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

pub(crate) fn unbase64(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}
