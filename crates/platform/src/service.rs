//! The service: built from settings, the access and the stores that keep something of projects; hands out
//! routes, and removes deleted projects in the background.

use crate::access::ProjectAccess;
use crate::config::PlatformConfig;
use crate::error::PlatformError;
use crate::http;
use crate::purge::Purger;
use ports::access::Access;
use ports::lifecycle::ProjectLifecycle;
use routes::ServiceRoutes;
use service_kit::drain::Drain;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often the times of last use are written.
const WRITE_BACK_EVERY: Duration = Duration::from_secs(60);

/// What the service is built from besides its settings.
pub struct PlatformParts {
    /// Decides about access; owns the tables.
    pub access: Arc<ProjectAccess>,
    /// Every store that keeps something of projects.
    pub stores: Vec<Arc<dyn ProjectLifecycle>>,
}

/// Projects, their members and keys.
pub struct PlatformService {
    pub(crate) config: PlatformConfig,
    pub(crate) access: Arc<ProjectAccess>,
    pub(crate) stores: Vec<&'static str>,
    pub(crate) deleted: watch::Sender<u64>,
    drain: Drain,
}

impl PlatformService {
    /// Starts, and goes on removing the projects that were deleted before.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn start(config: PlatformConfig, parts: PlatformParts) -> Result<Arc<Self>, PlatformError> {
        let PlatformParts { access, stores } = parts;
        let names: Vec<_> = stores.iter().map(|store| store.store()).collect();
        for waited_for in access.store.resume_purges().await? {
            if !names.contains(&waited_for.as_str()) {
                tracing::warn!(store = waited_for, "deleted projects wait for a store that is not here");
            }
        }
        let (deleted, receiver) = watch::channel(0);
        let drain = Drain::new();
        for store in stores {
            let purger = Purger { store, access: access.clone(), config, deleted: receiver.clone() };
            tokio::spawn(purger.run(drain.clone()));
        }
        tokio::spawn(write_back(access.clone(), drain.clone()));
        Ok(Arc::new(Self { config, access, stores: names, deleted, drain }))
    }

    /// The routes under `/v1/projects`.
    pub fn routes(self: &Arc<Self>, access: Arc<dyn Access>) -> ServiceRoutes {
        http::routes(self.clone(), access)
    }

    /// Decides about access, for the routes of every service.
    pub fn access(&self) -> Arc<dyn Access> {
        self.access.clone()
    }

    /// Stops removing projects and writes what is still in memory; call it when requests have ended.
    pub async fn shutdown(&self) {
        self.drain.start();
        if !self.drain.finished().await {
            tracing::warn!("keys were not written back in time");
        }
    }
}

async fn write_back(access: Arc<ProjectAccess>, drain: Drain) {
    let _work = drain.work();
    loop {
        let last = tokio::select! {
            () = tokio::time::sleep(WRITE_BACK_EVERY) => false,
            () = drain.started() => true,
        };
        if let Err(error) = access.keys.write_back(&access.store).await {
            tracing::warn!(%error, "keys could not be written back");
        }
        if last {
            return;
        }
    }
}
