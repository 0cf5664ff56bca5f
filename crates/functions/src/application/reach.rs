//! Where an application may have its PostgreSQL. The server itself connects there, so that it is held to what `fetch` of a
//! function is: public addresses, those that the operator opened, and the hosts that the version allows.

use async_trait::async_trait;
use outbound::{AddressGuard, HostSet, OutboundError};
use sql::{Reach, ReachError};
use std::net::IpAddr;
use url::Url;

/// The guard of one version.
pub(super) struct DatabaseReach {
    pub(super) guard: AddressGuard,
    pub(super) allowed_hosts: Option<HostSet>,
}

#[async_trait]
impl Reach for DatabaseReach {
    async fn address(&self, host: &str, port: u16) -> Result<IpAddr, ReachError> {
        let host_in_url = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let url = Url::parse(&format!("postgres://{host_in_url}:{port}/"))
            .map_err(|_| ReachError::Refused("its host is none".to_owned()))?;
        self.guard.address(&url, self.allowed_hosts.as_ref()).await.map_err(|error| match error {
            OutboundError::HostNotAllowed { host } => ReachError::Refused(format!(
                "{host} is not among the `allowed_hosts` of the version: add it there"
            )),
            OutboundError::AddressNotPublic { host } => ReachError::Refused(format!(
                "{host} has an address that is not public: use one that is, or ask whoever runs the server to name the \
                 host in `functions.private_hosts`"
            )),
            OutboundError::Lookup { source, .. } => ReachError::Lookup(source),
            other => ReachError::Refused(other.to_string()),
        })
    }
}
