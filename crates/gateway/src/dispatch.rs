//! The way of one request: alias, request id, CORS, limits, then either the executor of functions or the
//! routers of the services.

use crate::alias;
use crate::body::RequestBody;
use crate::config::GatewayConfig;
use crate::cors::Cors;
use crate::system;
use axum::Router;
use axum::body::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use metrics::{Counter, counter};
use ports::access::{Access, Peer};
use routes::ServiceRoutes;
use service_kit::drain::Drain;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::health::Health;
use service_kit::ids::RequestId;
use service_kit::json::BodyLimit;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use tower::ServiceExt as _;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Characters of a request id that a client may bring along.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// What a front answers.
pub type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// A service that takes requests as hyper reads them: the executor of functions.
pub trait Front: Send + Sync {
    /// Whether requests for this path are its own.
    fn claims(&self, path: &str) -> bool;
    /// Answers one request.
    fn call(&self, request: Request<RequestBody>) -> Answer;
}

/// What the gateway puts behind its listener.
pub struct GatewayParts {
    /// Settings.
    pub config: GatewayConfig,
    /// Routes of the services.
    pub services: Vec<ServiceRoutes>,
    /// The executor of functions, where this process has one.
    pub front: Option<Arc<dyn Front>>,
    /// Who may see the pages for operators.
    pub access: Arc<dyn Access>,
    /// Checks behind `/ready`.
    pub health: Health,
    /// The process's drain.
    pub drain: Drain,
    /// Writes the text of `/metrics`.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

/// Everything behind the listener. One for the process.
pub struct Gateway {
    pub(crate) config: GatewayConfig,
    pub(crate) drain: Drain,
    router: Router,
    front: Option<Arc<dyn Front>>,
    cors: Cors,
    answered: [Counter; 5],
}

impl Gateway {
    /// Joins the parts.
    pub fn new(parts: GatewayParts) -> Self {
        let GatewayParts { config, mut services, front, access, health, drain, metrics } = parts;
        services.push(system::routes(&services, access, system::State::new(health, drain.clone(), metrics)));
        let merged = services.into_iter().fold(Router::new(), |merged, service| merged.merge(service.router));
        let router =
            merged.fallback(system::not_found).method_not_allowed_fallback(system::method_not_allowed);
        let answered = ["1xx", "2xx", "3xx", "4xx", "5xx"]
            .map(|class| counter!("bunbase_http_requests_total", "status" => class));
        let cors = Cors::new(&config.cors_origins);
        Self { config, drain, router, front, cors, answered }
    }

    /// The routers alone, for calls from inside the process.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Answers one request from `peer`.
    pub(crate) async fn handle(&self, request: Request<Incoming>, peer: IpAddr) -> Response<Body> {
        let _work = self.drain.work();
        let mut request = request.map(RequestBody::new);
        let request_id = request_id(request.headers());
        let origin = self.cors.answer(request.headers());
        let mut response = match self.admit(&mut request, peer) {
            Ok(None) => self.forward(request, &request_id).await,
            Ok(Some(early)) => early,
            Err(error) => error.response(None),
        };
        if let Some(error) = response.extensions_mut().remove::<ApiError>() {
            let text = error.body(request_id.to_str().ok());
            response.headers_mut().remove(header::CONTENT_LENGTH);
            *response.body_mut() = Body::from(text);
        }
        if let Some(origin) = origin {
            Cors::decorate(origin, response.headers_mut());
        }
        response.headers_mut().insert(REQUEST_ID, request_id);
        let class = usize::from(response.status().as_u16() / 100).saturating_sub(1);
        if let Some(counter) = self.answered.get(class) {
            counter.increment(1);
        }
        response
    }

    /// Prepares the request; an early answer where none of the services is needed.
    fn admit(
        &self,
        request: &mut Request<RequestBody>,
        peer: IpAddr,
    ) -> Result<Option<Response<Body>>, ApiError> {
        self.check_headers(request.headers())?;
        if let Some(preflight) = self.cors.preflight(request.method(), request.headers()) {
            return Ok(Some(preflight));
        }
        if let Some(path) = alias::canonical(request.uri().path()) {
            let invalid = || ApiError::new(ErrorCode::InvalidRequest, "the path is not valid");
            *request.uri_mut() = alias::with_path(request.uri(), &path).ok_or_else(invalid)?;
        }
        request.extensions_mut().insert(Peer(peer));
        Ok(None)
    }

    fn check_headers(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let GatewayConfig { header_bytes_max, headers_max, .. } = self.config;
        let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if bytes > header_bytes_max || headers.len() > headers_max {
            let message =
                format!("a request has at most {headers_max} headers of {header_bytes_max} bytes in all");
            return Err(ApiError::new(ErrorCode::HeadersTooLarge, message));
        }
        Ok(())
    }

    async fn forward(&self, mut request: Request<RequestBody>, request_id: &HeaderValue) -> Response<Body> {
        let path = request.uri().path();
        if let Some(front) = self.front.as_ref().filter(|front| front.claims(path)) {
            return front.call(request).await;
        }
        let limit = self.config.json_bytes_max;
        request.extensions_mut().insert(BodyLimit(limit));
        request.headers_mut().insert(REQUEST_ID, request_id.clone());
        match self.router.clone().oneshot(request.map(Body::new)).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// The client's own id where it is a plain one, else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let plain = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        !bytes.is_empty() && bytes.len() <= REQUEST_ID_BYTES_MAX && bytes.iter().all(allowed)
    };
    if let Some(value) = headers.get(REQUEST_ID).filter(plain) {
        return value.clone();
    }
    let id = RequestId::generate();
    HeaderValue::from_str(id.as_str()).unwrap_or(HeaderValue::from_static("req_unknown"))
}
