//! An HTTP client that is somebody: nobody, a developer with a session, or a project key.

use crate::server::Server;
use base64::Engine as _;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

pub(crate) const PASSWORD: &str = "correct horse battery staple";

#[derive(Clone)]
pub(crate) struct Client {
    url: String,
    http: reqwest::Client,
    cookie: Option<String>,
    key: Option<String>,
    bearer: Option<String>,
}

/// A status and a JSON body (null where there is none).
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    pub(crate) headers: reqwest::header::HeaderMap,
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// Asserts an error with this status and code.
    #[track_caller]
    pub(crate) fn expect_error(self, status: u16, code: &str) -> Value {
        assert_eq!((self.status.as_u16(), self.code()), (status, code), "{}", self.body);
        assert!(self.body["error"]["request_id"].is_string(), "{}", self.body);
        self.body
    }

    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }
}

/// A project and its keys.
#[derive(Clone)]
pub(crate) struct Project {
    pub(crate) id: String,
    pub(crate) public_key: String,
    pub(crate) secret_key: String,
}

impl Client {
    pub(crate) fn new(url: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { url: url.to_owned(), http, cookie: None, key: None, bearer: None }
    }

    /// The same person at another server, or at the same one after a restart.
    pub(crate) fn at(&self, server: &Server) -> Self {
        Self { url: server.url.clone(), ..self.clone() }
    }

    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), cookie: None, ..self.clone() }
    }

    /// The same, with an API token or, beside a key, an end user's access token.
    pub(crate) fn with_bearer(&self, token: &str) -> Self {
        Self { bearer: Some(token.to_owned()), ..self.clone() }
    }

    /// Nobody in particular at the same server.
    pub(crate) fn stranger(&self) -> Self {
        Self { cookie: None, key: None, bearer: None, ..self.clone() }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        if let Some(key) = &self.key {
            request = request.header("x-bunbase-client-key", key);
        }
        if let Some(token) = &self.bearer {
            request = request.bearer_auth(token);
        }
        request
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.bytes().await.unwrap();
        let body = serde_json::from_slice(&text).unwrap_or_else(|_| {
            if text.is_empty() { Value::Null } else { json!(String::from_utf8_lossy(&text)) }
        });
        Answer { status, body, headers }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(&body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(&body)).await
    }

    /// Makes an account at `path` (`/v1/setup`, `/v1/auth/register`) and is signed in.
    pub(crate) async fn sign_in(&self, path: &str, email: &str) -> Self {
        let answer = self.post(path, json!({ "email": email, "password": PASSWORD, "name": "Ada" })).await;
        assert!(answer.status.is_success(), "{}", answer.body);
        let cookie = answer.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        Self { cookie: Some(cookie), ..self.clone() }
    }

    /// The same server, with the session of a `Set-Cookie` header.
    pub(crate) fn with_cookie(&self, header: &str) -> Self {
        Self { cookie: header.split(';').next().map(str::to_owned), ..self.clone() }
    }

    /// The first developer of a new server.
    pub(crate) async fn set_up(&self) -> Self {
        self.sign_in("/v1/setup", "ada@example.com").await
    }

    pub(crate) async fn project(&self, name: &str) -> Project {
        let body = self.post("/v1/projects", json!({ "name": name })).await.expect(201);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Project {
            id: text(&body["project"]["id"]),
            public_key: text(&body["public_key"]),
            secret_key: text(&body["secret_key"]),
        }
    }

    /// Deploys one source file.
    pub(crate) async fn deploy(&self, project: &Project, name: &str, version: &str, source: &str) -> Answer {
        let bundle = base64::engine::general_purpose::STANDARD.encode(source);
        let body = json!({ "name": name, "runtime": "bun", "handler": "default", "version": version, "bundle": bundle });
        self.post(&format!("/v1/projects/{}/functions", project.id), body).await
    }
}
