//! Which services this process runs, and how it reaches the others.

use gateway::Upstreams;
use ports::project_api::ProjectApi;
use rpc::{Clients, RpcConfig, RpcServer, Service};
use service_kit::drain::Drain;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The services whose routes a function's client reaches.
const REACHED: &[Service] = &[
    Service::BundocServer,
    Service::BunderManager,
    Service::Buncast,
    Service::BunKms,
    Service::Storage,
    Service::TenantAuth,
    Service::Platform,
];

/// This process among the others.
pub(crate) struct Wire {
    config: RpcConfig,
    here: BTreeSet<Service>,
}

impl Wire {
    /// Without `services` this process runs them all.
    pub(crate) fn new(config: RpcConfig, services: Option<&[Service]>) -> Self {
        let here = services.unwrap_or(Service::ALL).iter().copied().collect();
        Self { config, here }
    }

    /// Whether this process runs the service.
    pub(crate) fn runs(&self, service: Service) -> bool {
        self.here.contains(&service)
    }

    /// Whether this process runs one of them.
    pub(crate) fn runs_any(&self, services: &[Service]) -> bool {
        services.iter().any(|service| self.runs(*service))
    }

    /// Whether the service is part of this installation, here or elsewhere.
    pub(crate) fn knows(&self, service: Service) -> bool {
        self.runs(service) || self.config.addresses.contains_key(&service)
    }

    /// Clients that call as `caller`.
    pub(crate) fn clients(&self, caller: Service) -> anyhow::Result<Clients> {
        Ok(Clients::new(&self.config, caller)?)
    }

    /// Any service of this process, to call as.
    pub(crate) fn caller(&self) -> Service {
        self.here.first().copied().unwrap_or(Service::Gateway)
    }

    /// The services of other processes, with their addresses.
    fn elsewhere(&self) -> impl Iterator<Item = (Service, &str)> {
        let others = self.config.addresses.iter().filter(|(service, _)| !self.runs(**service));
        others.map(|(service, address)| (*service, address.as_url()))
    }

    /// Where the gateway passes requests on to.
    pub(crate) fn upstreams(&self) -> anyhow::Result<Upstreams> {
        let mut upstreams = Upstreams::default();
        for (service, url) in self.elsewhere() {
            upstreams.add(service.as_str(), url)?;
        }
        Ok(upstreams)
    }

    /// The routes of other processes, for the clients of functions.
    pub(crate) fn project_apis(&self) -> anyhow::Result<BTreeMap<&'static str, Arc<dyn ProjectApi>>> {
        let mut apis = BTreeMap::<_, Arc<dyn ProjectApi>>::new();
        for (service, _) in self.elsewhere().filter(|(service, _)| REACHED.contains(service)) {
            let client = self.clients(Service::Functions)?.project_api(service)?;
            apis.insert(service.as_str(), Arc::new(client));
        }
        Ok(apis)
    }

    /// What other processes may call; nothing where no service secret is set.
    pub(crate) fn server(&self, drain: Drain) -> anyhow::Result<Option<RpcServer>> {
        Ok(self.config.service_secret()?.map(|secret| RpcServer::new(secret, drain)))
    }
}
