//! The way of one request: whose it is (by host, else by path), alias, request id, CORS, limits, then the executor of functions, the
//! routers of the services of this process, or the proxy to those of others. gRPC calls go to the ports'
//! router untouched.

use crate::alias;
use crate::body::RequestBody;
use crate::config::GatewayConfig;
use crate::connection::Connection;
use crate::cors::Cors;
use crate::grpc;
use crate::peer::{self, Origin, TrustedProxies};
use crate::proxy::{Passage, Proxy};
use crate::system;
use crate::upstreams::{Upstreams, service_of};
use axum::Router;
use axum::body::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use metrics::{Counter, counter};
use ports::access::{Access, Peer};
use routes::ServiceRoutes;
use service_kit::drain::Drain;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::health::Health;
use service_kit::ids::RequestId;
use service_kit::json::BodyLimit;
use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
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
    /// Whether a request for this host (with or without a port) and this path is its own as it stands, whatever this
    /// server has there.
    fn claims_as_it_is(&self, host: &str, path: &str) -> bool;
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
    /// The services of other processes that this one passes requests on to; none of its own.
    pub upstreams: Upstreams,
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
    /// For the connections that are open, whichever listener they came by.
    pub(crate) places: Arc<Semaphore>,
    router: Router,
    front: Option<Arc<dyn Front>>,
    rpc: Option<Router>,
    proxy: Proxy,
    proxies: TrustedProxies,
    cors: Cors,
    answered: [Counter; 5],
}

impl Gateway {
    /// Joins the parts.
    pub fn new(parts: GatewayParts) -> Self {
        let GatewayParts { config, mut services, front, upstreams, access, health, drain, metrics } = parts;
        let here: Arc<[&'static str]> =
            services.iter().flat_map(|service| &service.rows).map(|row| service_of(row.path)).collect();
        services.push(system::routes(&services, access, system::State::new(health, drain.clone(), metrics)));
        let merged = services.into_iter().fold(Router::new(), |merged, service| merged.merge(service.router));
        let router = merged
            .fallback(move |uri| system::not_found(uri, here.clone()))
            .method_not_allowed_fallback(system::method_not_allowed);
        let answered = ["1xx", "2xx", "3xx", "4xx", "5xx"]
            .map(|class| counter!("bunbase_http_requests_total", "status" => class));
        let connect_timeout = Duration::from_millis(config.upstream_connect_timeout_ms);
        Self {
            router,
            front,
            rpc: None,
            proxy: Proxy::new(upstreams, connect_timeout, drain.clone()),
            proxies: TrustedProxies::new(&config.trusted_proxies),
            cors: Cors::new(&config.cors_origins),
            answered,
            places: Arc::new(Semaphore::new(config.connections_max)),
            config,
            drain,
        }
    }

    /// The same, answering gRPC calls with `services`, too: the ports (`rpc::RpcServer::finish`), and what is
    /// for programs outside.
    #[must_use]
    pub fn with_rpc(mut self, services: Router) -> Self {
        self.rpc = Some(match self.rpc.take() {
            Some(others) => others.merge(services),
            None => services,
        });
        self
    }

    /// The routers alone, for calls from inside the process.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Whether this process runs functions.
    pub(crate) fn has_front(&self) -> bool {
        self.front.is_some()
    }

    /// Whether a request with this host and path is a call of a function.
    pub(crate) fn is_call(&self, host: &str, path: &str) -> bool {
        let canonical = || alias::canonical(path).map_or(Cow::Borrowed(path), Cow::Owned);
        self.front
            .as_ref()
            .is_some_and(|front| front.claims_as_it_is(host, path) || front.claims(&canonical()))
    }

    /// Answers one request from `connection`.
    pub(crate) async fn handle(
        &self,
        mut request: Request<RequestBody>,
        connection: &Connection,
    ) -> Response<Body> {
        let _work = self.drain.work();
        if grpc::is_call(&request) {
            request.extensions_mut().insert(Peer(connection.peer));
            return grpc::answer(self.rpc.as_ref(), request).await;
        }
        let request_id = request_id(request.headers());
        let allowed_origin = self.cors.answer(request.headers());
        let way = self.way_of(&request);
        let mut response = match self.admit(&mut request, way, connection) {
            Ok(Admitted::Answered(early)) => early,
            Ok(Admitted::From(origin)) => {
                self.forward(request, Known { request_id: &request_id, way, origin, connection }).await
            }
            Err(error) => error.response(None),
        };
        if let Some(error) = response.extensions_mut().remove::<ApiError>() {
            let text = error.body(request_id.to_str().ok());
            response.headers_mut().remove(header::CONTENT_LENGTH);
            *response.body_mut() = Body::from(text);
        }
        if let Some(origin) = allowed_origin {
            Cors::decorate(origin, response.headers_mut());
        }
        response.headers_mut().insert(REQUEST_ID, request_id);
        let class = usize::from(response.status().as_u16() / 100).saturating_sub(1);
        if let Some(counter) = self.answered.get(class) {
            counter.increment(1);
        }
        response
    }

    /// Whether it is the front's as it is.
    fn way_of(&self, request: &Request<RequestBody>) -> Way {
        let named = || request.headers().get(header::HOST)?.to_str().ok();
        let host = request.uri().authority().map(http::uri::Authority::as_str).or_else(named);
        match (&self.front, host) {
            (Some(front), Some(host)) if front.claims_as_it_is(host, request.uri().path()) => Way::AsItIs,
            _ => Way::Path,
        }
    }

    /// Prepares the request; an early answer where none of the services is needed.
    fn admit(
        &self,
        request: &mut Request<RequestBody>,
        way: Way,
        connection: &Connection,
    ) -> Result<Admitted, ApiError> {
        let claims_identity = self.check_headers(request.headers())?;
        if way == Way::Path
            && let Some(early) = self.preflight_or_alias(request)?
        {
            return Ok(Admitted::Answered(early));
        }
        if claims_identity {
            peer::drop_identity(request.headers_mut());
        }
        let origin = self.proxies.resolve(request.headers_mut(), connection.peer);
        request.extensions_mut().insert(Peer(origin.address));
        Ok(Admitted::From(origin))
    }

    /// What a host of a function's own answers by itself.
    fn preflight_or_alias(
        &self,
        request: &mut Request<RequestBody>,
    ) -> Result<Option<Response<Body>>, ApiError> {
        if let Some(preflight) = self.cors.preflight(request.method(), request.headers()) {
            return Ok(Some(preflight));
        }
        if let Some(path) = alias::canonical(request.uri().path()) {
            let invalid = || ApiError::new(ErrorCode::InvalidRequest, "the path is not valid");
            *request.uri_mut() = alias::with_path(request.uri(), &path).ok_or_else(invalid)?;
        }
        Ok(None)
    }

    /// Refuses too many headers; says whether there are some that have to be dropped.
    fn check_headers(&self, headers: &HeaderMap) -> Result<bool, ApiError> {
        let GatewayConfig { header_bytes_max, headers_max, .. } = self.config;
        let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if bytes > header_bytes_max || headers.len() > headers_max {
            let message =
                format!("a request has at most {headers_max} headers of {header_bytes_max} bytes in all");
            return Err(ApiError::new(ErrorCode::HeadersTooLarge, message));
        }
        Ok(headers.keys().any(peer::is_identity))
    }

    async fn forward(&self, mut request: Request<RequestBody>, known: Known<'_>) -> Response<Body> {
        let path = request.uri().path();
        let is_call = |front: &&Arc<dyn Front>| known.way == Way::AsItIs || front.claims(path);
        if let Some(front) = self.front.as_ref().filter(is_call) {
            return front.call(request).await;
        }
        let upstream = self.proxy.upstream(path);
        request.headers_mut().insert(REQUEST_ID, known.request_id.clone());
        if let Some(upstream) = upstream {
            let passage = Passage { upstream, origin: known.origin, place: &known.connection.place };
            return self.proxy.pass(request, passage).await.unwrap_or_else(|error| error.response(None));
        }
        request.extensions_mut().insert(BodyLimit(self.config.json_bytes_max));
        match self.router.clone().oneshot(request.map(Body::new)).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// What becomes of a request at the door.
enum Admitted {
    /// It is answered already.
    Answered(Response<Body>),
    /// It goes on.
    From(Origin),
}

/// What decides whose a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Its host, or an application at the root: it is the front's, as it is.
    AsItIs,
    /// Its path.
    Path,
}

/// What is known of a request besides itself.
struct Known<'a> {
    request_id: &'a HeaderValue,
    way: Way,
    origin: Origin,
    connection: &'a Connection,
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
