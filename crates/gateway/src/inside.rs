//! Calls from inside the process: what a function's `bunbase` client asks for reaches the same routers,
//! without a socket, as the project the function belongs to.

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Limited};
use ports::access::{Grant, KEY_HEADER};
use ports::project_api::ProjectApi;
use routes::Preset;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::{BodyLimit, JSON_BYTES_DEFAULT, too_large};
use tower::ServiceExt as _;

/// Bytes of an answer: it travels to the worker as one frame.
const ANSWER_BYTES_MAX: usize = 15 << 20;
const EVENT_STREAM: &str = "text/event-stream";

/// The routers of this process as a `ProjectApi`.
pub struct InsideApi {
    router: Router,
}

impl InsideApi {
    /// Calls go to `router`.
    pub fn new(router: Router) -> Self {
        Self { router }
    }
}

fn refusal(error: &ApiError) -> Response<Bytes> {
    let text = error.body(None);
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = error.code.status();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[async_trait]
impl ProjectApi for InsideApi {
    async fn call(&self, grant: Grant, request: Request<Bytes>) -> Response<Bytes> {
        let mut request = request.map(Body::from);
        for name in [KEY_HEADER, header::COOKIE.as_str(), header::AUTHORIZATION.as_str()] {
            request.headers_mut().remove(name);
        }
        request.extensions_mut().insert(Preset(grant));
        request.extensions_mut().insert(BodyLimit(JSON_BYTES_DEFAULT));
        let response = match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let (parts, body) = response.into_parts();
        if parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == EVENT_STREAM) {
            return refusal(&ApiError::new(
                ErrorCode::InvalidRequest,
                "a function answers and ends: subscriptions are not open to its client",
            ));
        }
        match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
            Ok(body) => Response::from_parts(parts, body.to_bytes()),
            Err(_) => refusal(&too_large(ANSWER_BYTES_MAX)),
        }
    }
}
