//! A server that answers as BunBase does and keeps what it was asked, and a home for the command line.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

#[derive(Clone)]
pub(crate) struct Asked {
    path: String,
    pub(crate) body: Value,
    pub(crate) cookie: Option<String>,
    pub(crate) key: Option<String>,
}

impl Asked {
    pub(crate) fn operations(&self) -> usize {
        self.body["operations"].as_array().unwrap().len()
    }
}

type Log = Arc<Mutex<Vec<Asked>>>;

pub(crate) struct Wire {
    address: SocketAddr,
    log: Log,
}

impl Wire {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Log::default();
        let router = Router::new().fallback(answer).with_state(log.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, log }
    }

    /// The requests for `path`, in order.
    pub(crate) fn asked(&self, path: &str) -> Vec<Asked> {
        self.log.lock().unwrap().iter().filter(|asked| asked.path == path).cloned().collect()
    }
}

async fn answer(
    State(log): State<Log>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let asked = Asked {
        path: uri.path().to_owned(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        cookie: text("cookie"),
        key: text("x-bunbase-client-key"),
    };
    log.lock().unwrap().push(asked.clone());
    let path = asked.path.as_str();
    if let Some(function) = path.strip_prefix("/v1/functions/") {
        return called(function, &method, &uri, &body);
    }
    match path {
        "/v1/auth/login" => login(&asked.body),
        "/v1/auth/me" => json_answer(&user()),
        "/v1/projects" if method == Method::POST => {
            let body =
                json!({ "project": project("1", "shop"), "public_key": "pk_p", "secret_key": "sk_secret" });
            (StatusCode::CREATED, json_answer(&body)).into_response()
        }
        "/v1/projects" if uri.query().is_none() => {
            json_answer(&json!({ "projects": [project("1", "shop")], "next_cursor": "n" }))
        }
        "/v1/projects" => json_answer(&json!({ "projects": [project("2", "blog")], "next_cursor": null })),
        "/v1/database/batch" => batch(&asked.body),
        _ if path.ends_with("/documents/query") => page(&asked.body),
        _ if path.ends_with("/functions") => {
            json_answer(&json!({ "name": asked.body["name"], "version": "v1" }))
        }
        _ if path.ends_with("/logs") => logs(uri.query().unwrap_or_default()),
        _ => StatusCode::NO_CONTENT.into_response(),
    }
}

fn json_answer(body: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn refused(status: StatusCode, error: &Value) -> Response {
    (status, json_answer(&json!({ "error": error }))).into_response()
}

fn user() -> Value {
    json!({ "user": { "id": "usr_1", "email": "ada@example.com", "name": "Ada" } })
}

fn project(number: &str, slug: &str) -> Value {
    let id = if number == "1" { super::PROJECT.to_owned() } else { "prj_2".to_owned() };
    json!({ "id": id, "name": slug, "slug": slug })
}

fn login(body: &Value) -> Response {
    if body["password"] == "wrong" {
        let error = json!({ "code": "invalid_credentials", "message": "wrong", "request_id": "req_7" });
        return refused(StatusCode::UNAUTHORIZED, &error);
    }
    ([(header::SET_COOKIE, "session_token=tok_1; HttpOnly; Path=/")], json_answer(&user())).into_response()
}

fn called(function: &str, method: &Method, uri: &Uri, body: &Bytes) -> Response {
    if function == "broken" {
        return (StatusCode::IM_A_TEAPOT, "teapot").into_response();
    }
    format!("{method} {uri} {}", String::from_utf8_lossy(body)).into_response()
}

fn batch(body: &Value) -> Response {
    let operations = body["operations"].as_array().unwrap();
    match operations.iter().position(|operation| operation["document"]["_id"] == "taken") {
        Some(index) => {
            let details = json!({ "index": index });
            let error = json!({ "code": "document_exists", "message": "taken", "details": details });
            refused(StatusCode::CONFLICT, &error)
        }
        None => json_answer(&json!({ "commit": 1, "results": [] })),
    }
}

fn page(body: &Value) -> Response {
    let (id, next) = if body["cursor"] == "next" { ("2", Value::Null) } else { ("1", json!("next")) };
    json_answer(&json!({ "documents": [{ "_id": id }], "next_cursor": next }))
}

/// Two lines at first, then one more, then none.
fn logs(query: &str) -> Response {
    let after =
        query.split('&').find_map(|pair| pair.strip_prefix("after=")).map_or(0, |n| n.parse().unwrap());
    let (first, last) = if after == 0 { (1, 2) } else { (after + 1, 3) };
    let line = |n: i64| json!({ "at": "2026-01-31T12:00:00Z", "level": "info", "message": format!("line {n}"), "invocation_id": null, "version": "v1" });
    json_answer(&json!({ "logs": (first..=last).map(line).collect::<Vec<_>>(), "next": last }))
}

pub(crate) struct Home {
    directory: tempfile::TempDir,
    url: String,
}

pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

impl Home {
    pub(crate) fn new(wire: &Wire) -> Self {
        Self { directory: tempfile::tempdir().unwrap(), url: format!("http://{}", wire.address) }
    }

    pub(crate) fn signed_in(wire: &Wire) -> Self {
        let home = Self::new(wire);
        assert_eq!(home.run(&["login", "--email", "ada@example.com", "--password-stdin"], "pw\n").code, 0);
        home
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// The binary with nothing of this process's environment but what finds Bun.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bunbase"));
        command.args(arguments).current_dir(self.path()).env_clear().env("HOME", self.path());
        command.env("BUNBASE_URL", &self.url).env("BUNBASE_BUN_PATH", bun());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str], input: &str) -> Done {
        finish(self.command(arguments), input)
    }

    pub(crate) fn with_key(&self, arguments: &[&str]) -> Done {
        let mut command = self.command(arguments);
        command.env("BUNBASE_KEY", "sk_ci");
        finish(command, "")
    }
}

fn bun() -> std::path::PathBuf {
    worker_pool::BunBinary::find(None, &[]).unwrap().path().to_owned()
}

fn finish(mut command: Command, input: &str) -> Done {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that fails at once may not read its input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Done { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}
