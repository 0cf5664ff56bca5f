//! The clients: each implements a trait of `ports` by calling another process.

mod access;
mod documents;
mod events;
mod identity;
mod jobs;
mod lifecycle;
mod project_api;
mod secrets;
mod tenant;

pub use access::AccessClient;
pub use documents::DocumentsClient;
pub use events::EventBusClient;
pub use identity::DeveloperIdentityClient;
pub use jobs::JobQueueClient;
pub use lifecycle::LifecycleClient;
pub use project_api::ProjectApiClient;
pub use secrets::SecretsClient;
pub use tenant::TenantIdentityClient;

use crate::config::{RpcConfig, RpcConfigError};
use crate::credential::Signer;
use crate::remote::{Remote, Target};
use crate::service::Service;

/// Makes the clients of one service of this process: they call as that service. Nothing connects before
/// the first call.
pub struct Clients {
    config: RpcConfig,
    signer: Signer,
}

impl Clients {
    /// Clients that call as `caller`.
    ///
    /// # Errors
    /// There is no service secret, or none that is valid.
    pub fn new(config: &RpcConfig, caller: Service) -> Result<Self, RpcConfigError> {
        let secret = config.service_secret()?.ok_or(RpcConfigError::SecretMissing)?;
        Ok(Self { config: config.clone(), signer: Signer::new(secret, caller) })
    }

    fn remote(&self, service: Service, timeout_ms: u64) -> Result<Remote, RpcConfigError> {
        let address =
            self.config.addresses.get(&service).ok_or(RpcConfigError::AddressMissing { service })?;
        Remote::new(&self.config, Target { service, address, signer: self.signer.clone(), timeout_ms })
    }

    fn plain(&self, service: Service) -> Result<Remote, RpcConfigError> {
        self.remote(service, self.config.call_timeout_ms)
    }

    /// `Access`, of platform.
    ///
    /// # Errors
    /// The address is missing or not valid; the same for those below.
    pub fn access(&self) -> Result<AccessClient, RpcConfigError> {
        self.plain(Service::Platform).map(AccessClient::new)
    }

    /// `DeveloperIdentity`, of bun-auth.
    ///
    /// # Errors
    /// As above.
    pub fn developer_identity(&self) -> Result<DeveloperIdentityClient, RpcConfigError> {
        self.plain(Service::BunAuth).map(DeveloperIdentityClient::new)
    }

    /// `TenantIdentity`, of tenant-auth.
    ///
    /// # Errors
    /// As above.
    pub fn tenant_identity(&self) -> Result<TenantIdentityClient, RpcConfigError> {
        self.plain(Service::TenantAuth).map(TenantIdentityClient::new)
    }

    /// `ProjectLifecycle` of the store `store` in `service`.
    ///
    /// # Errors
    /// As above.
    pub fn lifecycle(
        &self,
        service: Service,
        store: &'static str,
    ) -> Result<LifecycleClient, RpcConfigError> {
        let remote = self.remote(service, self.config.purge_timeout_ms)?;
        Ok(LifecycleClient::new(remote, store))
    }

    /// `Documents`, of bundoc-server.
    ///
    /// # Errors
    /// As above.
    pub fn documents(&self) -> Result<DocumentsClient, RpcConfigError> {
        self.plain(Service::BundocServer).map(DocumentsClient::new)
    }

    /// `Secrets`, of bun-kms.
    ///
    /// # Errors
    /// As above.
    pub fn secrets(&self) -> Result<SecretsClient, RpcConfigError> {
        self.plain(Service::BunKms).map(SecretsClient::new)
    }

    /// `JobQueue`, of functions.
    ///
    /// # Errors
    /// As above.
    pub fn jobs(&self) -> Result<JobQueueClient, RpcConfigError> {
        self.plain(Service::Functions).map(JobQueueClient::new)
    }

    /// `EventBus`, of buncast. Subscriptions have a connection of their own.
    ///
    /// # Errors
    /// As above.
    pub fn events(&self) -> Result<EventBusClient, RpcConfigError> {
        Ok(EventBusClient::new(self.plain(Service::Buncast)?, self.plain(Service::Buncast)?))
    }

    /// `ProjectApi` of the process that runs `service`.
    ///
    /// # Errors
    /// As above.
    pub fn project_api(&self, service: Service) -> Result<ProjectApiClient, RpcConfigError> {
        self.remote(service, self.config.project_api_timeout_ms).map(ProjectApiClient::new)
    }
}
