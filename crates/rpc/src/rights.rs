//! Which service may call which port: the one table. A service that is not named is refused.

use crate::credential::ServiceSecret;
use crate::service::Service;
use std::time::SystemTime;
use tonic::service::Interceptor;
use tonic::{Request, Status};

/// A port that is crossed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Port {
    /// `ports::access::Access`.
    Access,
    /// `ports::identity::DeveloperIdentity`.
    DeveloperIdentity,
    /// `ports::tenant::TenantIdentity`.
    TenantIdentity,
    /// `ports::lifecycle::ProjectLifecycle`.
    ProjectLifecycle,
    /// `ports::documents::Documents`.
    Documents,
    /// `ports::secrets::Secrets`.
    Secrets,
    /// `ports::jobs::JobQueue`.
    JobQueue,
    /// `ports::events::EventBus`.
    EventBus,
    /// `ports::project_api::ProjectApi`.
    ProjectApi,
}

const RIGHTS: &[(Port, &[Service])] = &[
    (Port::Access, Service::ALL),
    (Port::DeveloperIdentity, &[Service::Platform]),
    (Port::TenantIdentity, &[Service::Platform]),
    (Port::ProjectLifecycle, &[Service::Platform]),
    (Port::Documents, &[Service::TenantAuth]),
    (Port::Secrets, &[Service::TenantAuth, Service::Functions]),
    (Port::JobQueue, &[Service::BundocServer]),
    (Port::EventBus, &[Service::BunAuth, Service::TenantAuth, Service::Functions, Service::BundocServer]),
    (Port::ProjectApi, &[Service::Functions]),
];

impl Port {
    /// Every port.
    pub const ALL: [Self; RIGHTS.len()] = [
        Self::Access,
        Self::DeveloperIdentity,
        Self::TenantIdentity,
        Self::ProjectLifecycle,
        Self::Documents,
        Self::Secrets,
        Self::JobQueue,
        Self::EventBus,
        Self::ProjectApi,
    ];

    /// Whether `service` was given this port.
    pub fn is_open_to(self, service: Service) -> bool {
        RIGHTS.iter().any(|(port, services)| *port == self && services.contains(&service))
    }
}

/// Stands in front of one port's server: who calls, and may they.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) secret: ServiceSecret,
    pub(crate) port: Port,
}

impl Interceptor for Gate {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let service = self.secret.verify(request.metadata(), SystemTime::now())?;
        if self.port.is_open_to(service) {
            return Ok(request);
        }
        tracing::warn!(%service, port = ?self.port, "a service called a port that it was not given");
        Err(Status::permission_denied(format!("the service `{service}` was not given this port")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_is_in_the_table_once() {
        for port in Port::ALL {
            assert_eq!(RIGHTS.iter().filter(|(named, _)| *named == port).count(), 1, "{port:?}");
        }
    }

    #[test]
    fn only_access_is_open_to_all() {
        for port in Port::ALL {
            let open = Service::ALL.iter().filter(|service| port.is_open_to(**service)).count();
            assert_eq!(open == Service::ALL.len(), port == Port::Access, "{port:?}");
        }
    }
}
