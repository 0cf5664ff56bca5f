//! The same guard for connections that are no requests.

use crate::error::OutboundError;
use crate::hosts::HostSet;
use crate::resolver::{CheckedResolver, Lookup, SystemLookup};
use std::net::IpAddr;
use std::sync::Arc;
use url::Url;

/// Says where a connection may go.
#[derive(Clone)]
pub struct AddressGuard(CheckedResolver);

impl AddressGuard {
    /// Hosts in `private_hosts` may have addresses that are not public.
    pub fn new(private_hosts: HostSet) -> Self {
        Self::with_lookup(private_hosts, Arc::new(SystemLookup))
    }

    /// A guard with its own way to look names up.
    pub fn with_lookup(private_hosts: HostSet, lookup: Arc<dyn Lookup>) -> Self {
        Self(CheckedResolver { lookup, private_hosts: Arc::new(private_hosts) })
    }

    /// The address to connect to for `url`, whose host has to be in `allowed_hosts` where there are some.
    ///
    /// # Errors
    /// The host is not allowed, has an address that is not public, or could not be looked up.
    pub async fn address(&self, url: &Url, allowed_hosts: Option<&HostSet>) -> Result<IpAddr, OutboundError> {
        let host = url.host_str().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if allowed_hosts.is_some_and(|allowed| !allowed.contains_url(url)) {
            return Err(OutboundError::HostNotAllowed { host });
        }
        let found = self.0.addresses(host.clone()).await?;
        let none = || std::io::Error::new(std::io::ErrorKind::NotFound, "it has no address");
        found.first().copied().ok_or_else(|| OutboundError::Lookup { host, source: none() })
    }
}
