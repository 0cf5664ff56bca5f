//! gRPC calls on the same listener: told from HTTP by their content type, and passed on untouched, trailers
//! included.

use crate::body::RequestBody;
use axum::Router;
use axum::body::Body;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Version, header};
use tower::ServiceExt as _;

const CONTENT_TYPE: &str = "application/grpc";
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// `UNIMPLEMENTED`.
const UNIMPLEMENTED: HeaderValue = HeaderValue::from_static("12");

/// Whether a request is a gRPC call (and not gRPC-Web, which HTTP/1.1 carries).
pub(crate) fn is_call<B>(request: &Request<B>) -> bool {
    let is_grpc = |value: &HeaderValue| {
        let rest = value.as_bytes().strip_prefix(CONTENT_TYPE.as_bytes());
        rest.is_some_and(|rest| rest.first().is_none_or(|next| matches!(next, b'+' | b';')))
    };
    request.version() == Version::HTTP_2 && request.headers().get(header::CONTENT_TYPE).is_some_and(is_grpc)
}

/// Answers one call.
pub(crate) async fn answer(router: Option<&Router>, request: Request<RequestBody>) -> Response<Body> {
    let Some(router) = router else { return unimplemented() };
    match router.clone().oneshot(request.map(Body::new)).await {
        // A service that is not offered here: gRPC itself answers with 200 and a status.
        Ok(response) if response.status() == StatusCode::NOT_FOUND => unimplemented(),
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// This process offers no ports.
fn unimplemented() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    response.headers_mut().insert(STATUS, UNIMPLEMENTED);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_from_requests() {
        let is = |version, content_type: &str| {
            let request = Request::builder().version(version).header(header::CONTENT_TYPE, content_type);
            is_call(&request.body(()).unwrap())
        };
        assert!(is(Version::HTTP_2, "application/grpc"));
        assert!(is(Version::HTTP_2, "application/grpc+proto"));
        assert!(!is(Version::HTTP_11, "application/grpc"));
        assert!(!is(Version::HTTP_2, "application/grpc-web"));
        assert!(!is(Version::HTTP_2, "application/json"));
    }
}
