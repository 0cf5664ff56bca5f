//! Calls from inside the process: what a function's `bunbase` client asks for reaches the same routers,
//! without a socket, as the project the function belongs to.

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::BodyExt as _;
use ports::access::{Grant, KEY_HEADER};
use ports::project_api::ProjectApi;
use routes::Preset;
use service_kit::error::ApiError;
use service_kit::json::{BodyLimit, JSON_BYTES_DEFAULT};
use tower::ServiceExt as _;

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
        match body.collect().await {
            Ok(body) => Response::from_parts(parts, body.to_bytes()),
            Err(error) => {
                let (parts, _) = ApiError::internal(&error).response(None).into_parts();
                Response::from_parts(parts, Bytes::new())
            }
        }
    }
}
