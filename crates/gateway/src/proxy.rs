//! Requests for services of other processes, passed on over HTTP/1.1: bodies stream both ways, upgraded
//! connections (WebSocket) are joined, and what is only between two neighbours stays between them.

mod headers;
mod tunnel;

use crate::body::RequestBody;
use crate::connection::Place;
use crate::peer::Origin;
use crate::upstreams::{Upstream, Upstreams};
use axum::body::Body;
use futures_util::StreamExt as _;
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::json;
use service_kit::drain::Drain;
use service_kit::error::{ApiError, ErrorCode};
use std::time::Duration;

/// Idle connections to one service.
const IDLE_MAX: usize = 64;
/// How long a connection idles: shorter than the other end waits, so that it is not cut under a request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// The first probe of a silent connection.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// What `Retry-After` says where a service cannot be reached.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Passes requests on.
pub(crate) struct Proxy {
    client: Client<HttpConnector, RequestBody>,
    upstreams: Upstreams,
    drain: Drain,
}

/// What is known of a request besides itself.
pub(crate) struct Passage<'a> {
    pub(crate) upstream: Upstream<'a>,
    pub(crate) origin: Origin,
    pub(crate) place: &'a Place,
}

impl Proxy {
    pub(crate) fn new(upstreams: Upstreams, connect_timeout: Duration, drain: Drain) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(connect_timeout));
        connector.set_nodelay(true);
        connector.set_keepalive(Some(KEEPALIVE));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_MAX)
            .set_host(false)
            .build(connector);
        Self { client, upstreams, drain }
    }

    /// The other process that serves `path`, if one does.
    pub(crate) fn upstream(&self, path: &str) -> Option<Upstream<'_>> {
        self.upstreams.of(path)
    }

    /// Passes one request on and its answer back.
    pub(crate) async fn pass(
        &self,
        mut request: Request<RequestBody>,
        passage: Passage<'_>,
    ) -> Result<Response<Body>, ApiError> {
        let service = passage.upstream.service;
        headers::check_circle(request.headers(), service)?;
        let upgrade = headers::wanted_upgrade(&request);
        let client_side = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
        headers::prepare(&mut request, passage.origin, upgrade.as_ref());
        let invalid = || ApiError::new(ErrorCode::InvalidRequest, "the path is not valid");
        *request.uri_mut() = passage.upstream.uri(request.uri()).ok_or_else(invalid)?;
        *request.version_mut() = Version::HTTP_11;
        let mut response = self.client.request(request).await.map_err(|error| failed(service, &error))?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let Some(client_side) = client_side else { return Err(unasked(service)) };
            let service_side = hyper::upgrade::on(&mut response);
            tunnel::join(client_side, service_side, passage.place.clone(), self.drain.clone());
            return Ok(answer(response));
        }
        headers::strip(response.headers_mut());
        let is_stream = headers::is_event_stream(response.headers());
        let answer = answer(response);
        Ok(if is_stream { self.until_drain(answer) } else { answer })
    }

    /// An answer without an end of its own ends when the drain begins; the client asks again elsewhere.
    fn until_drain(&self, answer: Response<Body>) -> Response<Body> {
        let drain = self.drain.clone();
        answer.map(|body| {
            let started = async move { drain.started().await };
            Body::from_stream(body.into_data_stream().take_until(Box::pin(started)))
        })
    }
}

fn answer(response: Response<Incoming>) -> Response<Body> {
    let mut response = response.map(Body::new);
    *response.version_mut() = Version::default();
    response
}

fn unavailable(service: &str, message: String) -> ApiError {
    let error = ApiError::new(ErrorCode::Unavailable, message).retry_after(RETRY_AFTER);
    error.with_details(json!({ "service": service }))
}

fn failed(service: &str, error: &ClientError) -> ApiError {
    tracing::warn!(service, error = error as &dyn std::error::Error, "a request could not be passed on");
    if error.is_connect() {
        return unavailable(service, format!("the service `{service}` cannot be reached"));
    }
    let message = format!("the service `{service}` gave no answer; the request may have been carried out");
    unavailable(service, message)
}

fn unasked(service: &str) -> ApiError {
    tracing::warn!(service, "a service switched protocols without being asked");
    unavailable(service, format!("the service `{service}` gave no valid answer"))
}
