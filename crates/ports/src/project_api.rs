//! The HTTP surface of a project, called from inside: what a function's `bunbase` client reaches over its
//! worker's channel, without a socket.

use crate::access::Grant;
use async_trait::async_trait;
use bytes::Bytes;

/// The routes under `/v1` that a project key can call.
#[async_trait]
pub trait ProjectApi: Send + Sync {
    /// Runs one request as `grant`; headers that prove identity are ignored.
    async fn call(&self, grant: Grant, request: http::Request<Bytes>) -> http::Response<Bytes>;
}
