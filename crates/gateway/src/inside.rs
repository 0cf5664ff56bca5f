//! Calls from inside the process: what a function's `bunbase` client asks for reaches the same routers,
//! without a socket, as the project the function belongs to; or the process that serves the path.

use crate::upstreams::service_of;
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
use std::collections::BTreeMap;
use std::sync::Arc;
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

/// The routes of every process as one `ProjectApi`: each call goes where its path is served.
pub struct RoutedApi {
    own: InsideApi,
    others: BTreeMap<&'static str, Arc<dyn ProjectApi>>,
}

impl RoutedApi {
    /// Calls go to `own`, those for a service in `others` (by the name that `service_of` gives) there.
    pub fn new(own: InsideApi, others: BTreeMap<&'static str, Arc<dyn ProjectApi>>) -> Self {
        Self { own, others }
    }
}

#[async_trait]
impl ProjectApi for RoutedApi {
    async fn call(&self, grant: Grant, request: Request<Bytes>) -> Response<Bytes> {
        match self.others.get(service_of(request.uri().path())) {
            Some(other) => other.call(grant, request).await,
            None => self.own.call(grant, request).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use ports::access::Caller;

    struct Other;

    #[async_trait]
    impl ProjectApi for Other {
        async fn call(&self, _grant: Grant, request: Request<Bytes>) -> Response<Bytes> {
            Response::new(Bytes::from(format!("elsewhere {}", request.uri().path())))
        }
    }

    #[tokio::test]
    async fn a_call_goes_where_its_path_is_served() {
        let router = Router::new().route("/v1/kv/{key}", get(async || "here"));
        let others = BTreeMap::from([("storage", Arc::new(Other) as Arc<dyn ProjectApi>)]);
        let api = RoutedApi::new(InsideApi::new(router), others);
        for (path, answer) in [("/v1/kv/a", "here"), ("/v1/storage/a", "elsewhere /v1/storage/a")] {
            let request = Request::builder().uri(path).body(Bytes::new()).unwrap();
            assert_eq!(api.call(Caller::Function.into(), request).await.body(), answer);
        }
    }
}
