//! The servers: each offers one implementation of a trait of `ports` to other processes, behind the gate
//! that asks who calls.

mod access;
mod documents;
mod events;
mod identity;
mod jobs;
mod lifecycle;
mod project_api;
mod secrets;
mod tenant;

use crate::MESSAGE_BYTES_MAX;
use crate::credential::ServiceSecret;
use crate::proto::access_server::AccessServer;
use crate::proto::developer_identity_server::DeveloperIdentityServer;
use crate::proto::documents_server::DocumentsServer;
use crate::proto::event_bus_server::EventBusServer;
use crate::proto::job_queue_server::JobQueueServer;
use crate::proto::project_api_server::ProjectApiServer;
use crate::proto::project_lifecycle_server::ProjectLifecycleServer;
use crate::proto::secrets_server::SecretsServer;
use crate::proto::tenant_identity_server::TenantIdentityServer;
use crate::rights::{Gate, Port};
use ports::access::Access;
use ports::documents::Documents;
use ports::events::EventBus;
use ports::identity::DeveloperIdentity;
use ports::jobs::JobQueue;
use ports::lifecycle::ProjectLifecycle;
use ports::project_api::ProjectApi;
use ports::secrets::Secrets;
use ports::tenant::TenantIdentity;
use service_kit::drain::Drain;
use std::sync::Arc;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;

/// Collects the ports that this process offers.
pub struct RpcServer {
    secret: ServiceSecret,
    drain: Drain,
    stores: Vec<Arc<dyn ProjectLifecycle>>,
    routes: Routes,
}

/// Adds one generated server, behind the gate of its port.
macro_rules! offer {
    ($self:ident, $port:ident, $server:ident, $served:expr) => {{
        let server = $server::new($served)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        let gate = Gate { secret: $self.secret.clone(), port: Port::$port };
        $self.routes = $self.routes.add_service(InterceptedService::new(server, gate));
        $self
    }};
}

impl RpcServer {
    /// Offers nothing yet. Streams end when `drain` begins.
    pub fn new(secret: ServiceSecret, drain: Drain) -> Self {
        Self { secret, drain, stores: Vec::new(), routes: Routes::default() }
    }

    /// Offers `Access`.
    #[must_use]
    pub fn access(mut self, access: Arc<dyn Access>) -> Self {
        offer!(self, Access, AccessServer, access::Served(access))
    }

    /// Offers `DeveloperIdentity`.
    #[must_use]
    pub fn developer_identity(mut self, identity: Arc<dyn DeveloperIdentity>) -> Self {
        offer!(self, DeveloperIdentity, DeveloperIdentityServer, identity::Served(identity))
    }

    /// Offers `TenantIdentity`.
    #[must_use]
    pub fn tenant_identity(mut self, identity: Arc<dyn TenantIdentity>) -> Self {
        offer!(self, TenantIdentity, TenantIdentityServer, tenant::Served(identity))
    }

    /// Offers `ProjectLifecycle` of one store; each store of the process is added.
    #[must_use]
    pub fn lifecycle(mut self, store: Arc<dyn ProjectLifecycle>) -> Self {
        self.stores.push(store);
        self
    }

    /// Offers `Documents`.
    #[must_use]
    pub fn documents(mut self, documents: Arc<dyn Documents>) -> Self {
        offer!(self, Documents, DocumentsServer, documents::Served(documents))
    }

    /// Offers `Secrets`.
    #[must_use]
    pub fn secrets(mut self, secrets: Arc<dyn Secrets>) -> Self {
        offer!(self, Secrets, SecretsServer, secrets::Served(secrets))
    }

    /// Offers `JobQueue`.
    #[must_use]
    pub fn jobs(mut self, queue: Arc<dyn JobQueue>) -> Self {
        offer!(self, JobQueue, JobQueueServer, jobs::Served(queue))
    }

    /// Offers `EventBus`.
    #[must_use]
    pub fn events(mut self, bus: Arc<dyn EventBus>) -> Self {
        let drain = self.drain.clone();
        offer!(self, EventBus, EventBusServer, events::Served { bus, drain })
    }

    /// Offers `ProjectApi`.
    #[must_use]
    pub fn project_api(mut self, api: Arc<dyn ProjectApi>) -> Self {
        offer!(self, ProjectApi, ProjectApiServer, project_api::Served(api))
    }

    /// The whole, for the gateway's listener to serve beside HTTP.
    pub fn finish(mut self) -> axum::Router {
        if !self.stores.is_empty() {
            let stores = std::mem::take(&mut self.stores);
            self = offer!(self, ProjectLifecycle, ProjectLifecycleServer, lifecycle::Served(stores));
        }
        self.routes.prepare().into_axum_router()
    }
}
