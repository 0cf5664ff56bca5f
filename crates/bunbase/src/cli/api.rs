//! Calls to the server: credentials, JSON in and out, and the error shape of the API.

use super::failure::UsageError;
use http::{HeaderValue, header};
use ports::access::{KEY_HEADER, SESSION_COOKIE};
use reqwest::{Client, Method, RequestBuilder, Response, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For one call with its answer, unless the call says otherwise.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The server said no.
    #[error("{}", .0.message)]
    Refused(Box<Refusal>),
    /// No connection.
    #[error("no server answers at {url}")]
    Unreachable {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    /// The connection broke, or no answer came in time: whether a write took effect is unknown.
    #[error("the connection to {url} broke before the answer was complete")]
    Broken {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    /// What answers is not BunBase.
    #[error("{url} answered {status}, and not in the way of BunBase")]
    Foreign { url: String, status: u16 },
}

/// What the server said: `{"error": {"code", "message", "details", "request_id"}}`.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) details: Option<Value>,
    pub(crate) request_id: Option<String>,
    pub(crate) retry_after: Option<Duration>,
}

/// Who calls.
#[derive(Clone)]
pub(crate) enum Credential {
    Nobody,
    Session(SecretString),
    /// A developer's API token.
    Token(SecretString),
    Key(SecretString),
}

/// What an address begins with that is the path of a Unix socket.
pub(crate) const UNIX: &str = "unix:";

/// The server, as one caller sees it.
#[derive(Clone)]
pub(crate) struct Api {
    http: Client,
    base: String,
    /// What a path stands behind in a URL; through a socket the host is any.
    origin: String,
    credential: Credential,
}

impl Api {
    /// `base` is the address without a slash at its end, or `unix:PATH`.
    pub(crate) fn new(base: &str, credential: Credential) -> anyhow::Result<Self> {
        let (builder, origin) = match base.strip_prefix(UNIX) {
            Some(path) => (Client::builder().unix_socket(path), "http://localhost"),
            None => (Client::builder(), base),
        };
        let http = builder
            .connect_timeout(CONNECT_TIMEOUT)
            // A redirect could carry the credentials to another server.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("bunbase-cli/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http, base: base.to_owned(), origin: origin.to_owned(), credential })
    }

    /// The address of the server.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// The same as the beginning of a URL.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Where others find a path of the server; known through a socket, it is the path alone.
    pub(crate) fn address_of(&self, path: &str) -> String {
        if self.base.starts_with(UNIX) { path.to_owned() } else { format!("{}{path}", self.base) }
    }

    /// Reads JSON.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CallError> {
        let response = self.send(self.request(Method::GET, path)).await?;
        self.read(response).await
    }

    /// Sends JSON, reads JSON.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, CallError> {
        let response = self.send(self.request(Method::POST, path).json(body)).await?;
        self.read(response).await
    }

    /// Removes; what is answered does not matter.
    pub(crate) async fn delete(&self, path: &str) -> Result<(), CallError> {
        self.send(self.request(Method::DELETE, path)).await.map(drop)
    }

    /// A request with the caller's credential.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.origin)).timeout(CALL_TIMEOUT);
        match &self.credential {
            Credential::Nobody => request,
            Credential::Session(token) => {
                request.header(header::COOKIE, secret(&format!("{SESSION_COOKIE}={}", token.expose_secret())))
            }
            Credential::Token(token) => request.bearer_auth(token.expose_secret()),
            Credential::Key(key) => request.header(KEY_HEADER, secret(key.expose_secret())),
        }
    }

    /// The answer, if its status is below 400.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response, CallError> {
        let response = self.exchange(request).await?;
        if response.status().as_u16() < 400 { Ok(response) } else { Err(self.refusal(response).await) }
    }

    /// The answer, whatever its status.
    pub(crate) async fn exchange(&self, request: RequestBuilder) -> Result<Response, CallError> {
        let url = self.base.clone();
        request.send().await.map_err(|source| match source.is_connect() {
            true => CallError::Unreachable { url, source },
            false => CallError::Broken { url, source },
        })
    }

    /// The answer's JSON; an empty body reads as `null`.
    pub(crate) async fn read<T: DeserializeOwned>(&self, response: Response) -> Result<T, CallError> {
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(|source| self.broken(source))?;
        let text: &[u8] = if body.is_empty() { b"null" } else { &body };
        serde_json::from_slice(text).map_err(|_| CallError::Foreign { url: self.base.clone(), status })
    }

    /// The connection broke while the answer was read.
    pub(crate) fn broken(&self, source: reqwest::Error) -> CallError {
        CallError::Broken { url: self.base.clone(), source }
    }

    async fn refusal(&self, response: Response) -> CallError {
        let status = response.status().as_u16();
        let retry_after = retry_after(&response);
        match response.bytes().await {
            Ok(body) => match parse_refusal(status, &body) {
                Some(refusal) => CallError::Refused(Box::new(Refusal { retry_after, ..refusal })),
                None => CallError::Foreign { url: self.base.clone(), status },
            },
            Err(source) => self.broken(source),
        }
    }
}

/// One segment of a path, percent-encoded (RFC 3986 §2.3). `.` and `..` would name another resource.
pub(crate) fn segment(text: &str) -> Result<String, UsageError> {
    if matches!(text, "" | "." | "..") {
        return Err(UsageError(format!("{text:?} is not a name")));
    }
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte as char),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    Ok(encoded)
}

/// A name in which `/` separates segments, each of them encoded.
pub(crate) fn segments(text: &str) -> Result<String, UsageError> {
    let encoded: Result<Vec<_>, _> =
        text.split('/').map(|part| if part.is_empty() { Ok(String::new()) } else { segment(part) }).collect();
    if text.is_empty() { Err(UsageError("an empty name is no name".into())) } else { Ok(encoded?.join("/")) }
}

/// Reads the error shape, if the body has it.
pub(crate) fn parse_refusal(status: u16, body: &[u8]) -> Option<Refusal> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let error = value.get("error")?;
    let text = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(Refusal {
        status,
        code: text("code")?,
        message: text("message")?,
        details: error.get("details").filter(|details| !details.is_null()).cloned(),
        request_id: text("request_id"),
        retry_after: None,
    })
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// A header that is not printed. Text that no header can hold is sent empty, and refused by the server.
fn secret(text: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_segment() {
        assert_eq!(segment("a/b c?é").unwrap(), "a%2Fb%20c%3F%C3%A9");
        for name in ["", ".", ".."] {
            assert!(segment(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn the_error_shape_is_read_and_others_are_not() {
        let body =
            br#"{"error": {"code": "forbidden", "message": "no", "request_id": "req_1", "details": null}}"#;
        let refusal = parse_refusal(403, body).unwrap();
        assert_eq!((refusal.code.as_str(), refusal.request_id.as_deref()), ("forbidden", Some("req_1")));
        assert!(refusal.details.is_none());
        assert!(parse_refusal(502, b"<html>").is_none());
        assert!(parse_refusal(500, br#"{"error": "text"}"#).is_none());
    }
}
