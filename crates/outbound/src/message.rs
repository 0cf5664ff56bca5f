//! Requests and responses: whole bodies, because both are bounded.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use url::Url;

use crate::hosts::HostSet;

/// What happens to a redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RedirectMode {
    /// Followed, each one checked like the request.
    #[default]
    Follow,
    /// Given back as the response.
    Manual,
    /// An error.
    Refuse,
}

/// A request.
#[derive(Debug, Clone)]
pub struct OutboundRequest {
    /// Method.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Headers. Those about the connection, and `Host`, are the client's own and are taken out.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// What happens to redirects.
    pub redirect: RedirectMode,
    /// A host has to be in each of these sets, redirects included; all may be reached where there is none.
    pub allowed_hosts: Vec<Arc<HostSet>>,
    /// A shorter time than the client's.
    pub timeout: Option<Duration>,
}

impl OutboundRequest {
    /// A `GET` without headers that follows redirects.
    pub fn get(url: Url) -> Self {
        Self {
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            redirect: RedirectMode::Follow,
            allowed_hosts: Vec::new(),
            timeout: None,
        }
    }
}

/// A response, whatever its status.
#[derive(Debug, Clone)]
pub struct OutboundResponse {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// The URL that answered.
    pub url: Url,
    /// Whether a redirect led there.
    pub redirected: bool,
}
