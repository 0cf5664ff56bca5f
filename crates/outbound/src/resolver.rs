//! Looks names up and lets only addresses through that may be connected to. The connector connects to exactly
//! these: no name is looked up twice, so an answer that changes in between changes nothing.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::Name;
use tower::Service;

use crate::address::is_public;
use crate::error::OutboundError;
use crate::hosts::HostSet;

/// Looks up the addresses of a name.
pub trait Lookup: Send + Sync + 'static {
    /// All addresses of `host`.
    fn lookup(&self, host: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>>;
}

/// Asks the system (`getaddrinfo`).
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) }
            .boxed()
    }
}

/// The resolver of the connector.
#[derive(Clone)]
pub(crate) struct CheckedResolver {
    pub(crate) lookup: Arc<dyn Lookup>,
    pub(crate) private_hosts: Arc<HostSet>,
}

impl CheckedResolver {
    /// The addresses of a name, where all of them may be connected to.
    pub(crate) async fn addresses(&self, host: String) -> Result<Vec<IpAddr>, OutboundError> {
        let found = self.lookup.lookup(host.clone()).await;
        let mut addresses = found.map_err(|source| OutboundError::Lookup { host: host.clone(), source })?;
        // One private address among public ones is a name that wants to lead inside.
        if !self.private_hosts.contains(&host) && addresses.iter().any(|address| !is_public(*address)) {
            return Err(OutboundError::AddressNotPublic { host });
        }
        addresses.dedup();
        Ok(addresses)
    }
}

impl Service<Name> for CheckedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = OutboundError;
    type Future = BoxFuture<'static, Result<Self::Response, OutboundError>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), OutboundError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (resolver, host) = (self.clone(), name.as_str().to_owned());
        async move {
            let addresses = resolver.addresses(host).await?;
            let sockets: Vec<_> = addresses.into_iter().map(|address| SocketAddr::new(address, 0)).collect();
            Ok(sockets.into_iter())
        }
        .boxed()
    }
}
