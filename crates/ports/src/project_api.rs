//! The HTTP surface of a project, called from inside: what a function's `bunbase` client reaches over its
//! worker's channel, without a socket.

use crate::access::Grant;
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;

/// The call of a function in whose course a request is made, as an extension of the request. The worker says which;
/// that it is one of the request's own project, nobody says.
#[derive(Debug, Clone)]
pub struct Invocation(pub Arc<str>);

/// The routes under `/v1` that a project key can call.
#[async_trait]
pub trait ProjectApi: Send + Sync {
    /// Runs one request as `grant`; headers that prove identity are ignored.
    async fn call(&self, grant: Grant, request: http::Request<Bytes>) -> http::Response<Bytes>;
}
