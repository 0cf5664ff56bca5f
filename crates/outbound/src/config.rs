//! What the client is made with.

use std::time::Duration;

use crate::hosts::HostSet;

/// Limits of the client, and the hosts that may have private addresses.
#[derive(Debug, Clone)]
pub struct OutboundConfig {
    /// Hosts that may be reached at addresses that are not public. For development, tests, and services beside
    /// this one that the operator trusts every caller with.
    pub private_hosts: HostSet,
    /// One request with all its redirects, from the first look-up to the last byte of the body.
    pub timeout: Duration,
    /// Look-up, connection and TLS of one address.
    pub connect_timeout: Duration,
    /// Redirects that are followed.
    pub redirects_max: usize,
    /// Largest body of a request.
    pub request_bytes_max: usize,
    /// Largest body of a response.
    pub response_bytes_max: usize,
    /// Largest head of a response.
    pub response_head_bytes_max: usize,
    /// Idle connections kept for one host.
    pub idle_connections_max: usize,
    /// How long an idle connection is kept.
    pub idle_timeout: Duration,
}

impl Default for OutboundConfig {
    fn default() -> Self {
        Self {
            private_hosts: HostSet::default(),
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            redirects_max: 10,
            request_bytes_max: 16 << 20,
            response_bytes_max: 16 << 20,
            response_head_bytes_max: 64 << 10,
            idle_connections_max: 8,
            idle_timeout: Duration::from_secs(30),
        }
    }
}
