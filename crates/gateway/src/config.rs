//! Settings of the gateway.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Settings under `gateway`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayConfig {
    /// Address and port of the one listener.
    pub listen: SocketAddr,
    /// Origins (`https://app.example`) whose pages may call with a key; `*` for all. Never with cookies.
    pub cors_origins: Vec<String>,
    /// Bytes of a JSON body.
    pub json_bytes_max: usize,
    /// Bytes of all request headers together.
    pub header_bytes_max: usize,
    /// Number of request headers.
    pub headers_max: usize,
    /// Milliseconds that the headers of a request may take to arrive, and that a connection may idle.
    pub header_timeout_ms: u64,
    /// Open connections.
    pub connections_max: usize,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 3001)),
            cors_origins: Vec::new(),
            json_bytes_max: 16 << 20,
            header_bytes_max: 64 << 10,
            headers_max: 100,
            header_timeout_ms: 30_000,
            connections_max: 10_000,
        }
    }
}
