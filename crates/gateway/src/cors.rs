//! Cross-origin requests: origins are named in the settings, none by default, and cookies never go along.

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
const HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, if-match, if-none-match, last-event-id, range, x-bunbase-client-key, x-bunbase-transaction, x-request-id",
);
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "accept-ranges, content-range, etag, location, retry-after, x-invocation-id, x-request-id, x-ttl",
);
/// Seconds that a browser may keep the answer to a preflight.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The origins that may call.
#[derive(Debug)]
pub(crate) struct Cors {
    any: bool,
    origins: Vec<String>,
}

impl Cors {
    pub(crate) fn new(origins: &[String]) -> Self {
        Self { any: origins.iter().any(|origin| origin == "*"), origins: origins.to_vec() }
    }

    /// What `Access-Control-Allow-Origin` says to this request.
    fn allowed(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let origin = request.get(header::ORIGIN)?;
        if self.any {
            return Some(HeaderValue::from_static("*"));
        }
        let text = origin.to_str().ok()?;
        self.origins.iter().any(|allowed| allowed == text).then(|| origin.clone())
    }

    /// The answer to a preflight, where this is one from an origin that may call.
    pub(crate) fn preflight(&self, method: &Method, request: &HeaderMap) -> Option<Response<Body>> {
        if method != Method::OPTIONS || !request.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        let origin = self.allowed(request)?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
        Some(response)
    }

    /// The header that an answer to this request gets.
    pub(crate) fn answer(&self, request: &HeaderMap) -> Option<HeaderValue> {
        if self.origins.is_empty() { None } else { self.allowed(request) }
    }

    /// Adds `origin` to an answer that does not speak of origins itself.
    pub(crate) fn decorate(origin: HeaderValue, headers: &mut HeaderMap) {
        if !headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(origin: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        headers.insert(header::ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("POST"));
        headers
    }

    #[test]
    fn only_named_origins_are_answered_and_never_with_credentials() {
        let cors = Cors::new(&["https://app.example".to_owned()]);
        let yes = cors.preflight(&Method::OPTIONS, &from("https://app.example")).unwrap();
        assert_eq!(yes.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example");
        assert!(!yes.headers().contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
        assert!(cors.preflight(&Method::OPTIONS, &from("https://evil.example")).is_none());
        assert!(cors.answer(&from("https://evil.example")).is_none());
        assert!(Cors::new(&[]).answer(&from("https://app.example")).is_none());
        let any = Cors::new(&["*".to_owned()]);
        assert_eq!(any.answer(&from("https://a.example")).unwrap(), "*");
    }
}
