//! The client: checks a URL, asks, reads the body within its bounds, follows redirects.

use std::error::Error as StdError;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use url::{Host, Url};

use crate::address::is_public;
use crate::config::OutboundConfig;
use crate::connect::{Connections, connections};
use crate::error::OutboundError;
use crate::hosts::HostSet;
use crate::message::{OutboundRequest, OutboundResponse, RedirectMode};
use crate::redirect;
use crate::resolver::{CheckedResolver, Lookup, SystemLookup};

/// Headers that belong to the connection, and are the client's own.
static OWN: [HeaderName; 12] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];
static USER_AGENT: HeaderValue = HeaderValue::from_static("bunbase");

/// Makes requests within the guard. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct OutboundClient {
    config: Arc<OutboundConfig>,
    private_hosts: Arc<HostSet>,
    connections: Connections,
}

impl std::fmt::Debug for OutboundClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("OutboundClient").field("config", &self.config).finish_non_exhaustive()
    }
}

impl OutboundClient {
    /// A client that looks names up as the system does.
    pub fn new(config: OutboundConfig) -> Self {
        Self::with_lookup(config, Arc::new(SystemLookup))
    }

    /// A client with its own way to look names up.
    pub fn with_lookup(config: OutboundConfig, lookup: Arc<dyn Lookup>) -> Self {
        let private_hosts = Arc::new(config.private_hosts.clone());
        let resolver = CheckedResolver { lookup, private_hosts: Arc::clone(&private_hosts) };
        let connections = connections(&config, resolver);
        Self { config: Arc::new(config), private_hosts, connections }
    }

    /// Makes a request and gives its response, whatever the status.
    ///
    /// # Errors
    /// The request is refused, or there is no complete response within the limits.
    pub async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        let bytes_max = self.config.request_bytes_max;
        if request.body.len() > bytes_max {
            return Err(OutboundError::RequestTooLarge { bytes_max });
        }
        let limit = request.timeout.map_or(self.config.timeout, |timeout| timeout.min(self.config.timeout));
        match tokio::time::timeout(limit, self.follow(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(OutboundError::Timeout(limit)),
        }
    }

    async fn follow(&self, mut request: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        for hops in 0..=self.config.redirects_max {
            self.check(&request)?;
            let response = self.once(&request).await?;
            let status = response.status();
            let target = match request.redirect {
                RedirectMode::Manual => None,
                RedirectMode::Follow | RedirectMode::Refuse => {
                    redirect::target(&request.url, status, response.headers())
                }
            };
            let Some(target) = target else { return self.read(request.url, response, hops > 0).await };
            if request.redirect == RedirectMode::Refuse {
                return Err(OutboundError::Redirect("none was wanted"));
            }
            request = redirect::redirected(request, status, target?);
        }
        Err(OutboundError::Redirect("there were too many"))
    }

    /// What can be said of a URL before its name is looked up.
    fn check(&self, request: &OutboundRequest) -> Result<(), OutboundError> {
        let url = &request.url;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(OutboundError::Url("it has to begin with http: or https:"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(OutboundError::Url("it must not carry a user name or password; use a header"));
        }
        let address: Option<IpAddr> = match url.host() {
            None => return Err(OutboundError::Url("it has no host")),
            Some(Host::Domain(_)) => None,
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
        };
        let host = host_of(url);
        if request.allowed_hosts.iter().any(|allowed| !allowed.contains_url(url)) {
            return Err(OutboundError::HostNotAllowed { host });
        }
        if address.is_some_and(|address| !is_public(address)) && !self.private_hosts.contains(&host) {
            return Err(OutboundError::AddressNotPublic { host });
        }
        Ok(())
    }

    async fn once(&self, request: &OutboundRequest) -> Result<Response<Incoming>, OutboundError> {
        let mut built = Request::new(Full::new(request.body.clone()));
        *built.method_mut() = request.method.clone();
        let mut url = request.url.clone();
        url.set_fragment(None);
        *built.uri_mut() = url
            .as_str()
            .parse()
            .map_err(|_| OutboundError::Url("it has characters that HTTP has no place for"))?;
        *built.headers_mut() = sent_headers(&request.headers);
        self.connections.request(built).await.map_err(|error| explain(&request.url, error))
    }

    async fn read(
        &self,
        url: Url,
        response: Response<Incoming>,
        redirected: bool,
    ) -> Result<OutboundResponse, OutboundError> {
        let bytes_max = self.config.response_bytes_max;
        let (parts, body) = response.into_parts();
        let body: Bytes = match Limited::new(body, bytes_max).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Err(OutboundError::ResponseTooLarge { bytes_max });
            }
            Err(source) => return Err(OutboundError::Failed { host: host_of(&url), source }),
        };
        Ok(OutboundResponse { status: parts.status, headers: parts.headers, body, url, redirected })
    }
}

fn sent_headers(given: &HeaderMap) -> HeaderMap {
    let mut headers = given.clone();
    for name in &OWN {
        headers.remove(name);
    }
    headers.entry(header::USER_AGENT).or_insert_with(|| USER_AGENT.clone());
    headers
}

fn host_of(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

/// A refusal of the resolver comes back wrapped in errors of the connector.
fn explain(url: &Url, error: hyper_util::client::legacy::Error) -> OutboundError {
    let host = host_of(url);
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(inner) = cause {
        match inner.downcast_ref::<OutboundError>() {
            Some(OutboundError::AddressNotPublic { .. }) => return OutboundError::AddressNotPublic { host },
            Some(OutboundError::Lookup { source, .. }) => {
                let source = std::io::Error::new(source.kind(), source.to_string());
                return OutboundError::Lookup { host, source };
            }
            _ => cause = inner.source(),
        }
    }
    OutboundError::Failed { host, source: Box::new(error) }
}
