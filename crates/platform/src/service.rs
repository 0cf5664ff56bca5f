//! The service: built from settings, the access and the stores that keep something of projects; hands out
//! routes; removes deleted projects, and what was kept long enough, in the background.

use crate::access::ProjectAccess;
use crate::config::PlatformConfig;
use crate::error::PlatformError;
use crate::http;
use crate::purge::Purger;
use credentials::Attempts;
use mail::Mailer;
use ports::access::Access;
use ports::lifecycle::ProjectLifecycle;
use routes::ServiceRoutes;
use service_kit::drain::Drain;
use service_kit::ids::ProjectId;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How often the times of last use are written.
const WRITE_BACK_EVERY: Duration = Duration::from_secs(60);

/// How often invitations and entries of the audit log whose time is over are removed.
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);

/// How the session cookie of an account is set that an invitation made: as everywhere else.
#[derive(Debug, Clone, Copy)]
pub struct SessionCookie {
    /// Whether it is for HTTPS only.
    pub secure: bool,
    /// Seconds until the browser forgets it.
    pub max_age_seconds: i64,
}

/// What the service is built from besides its settings.
pub struct PlatformParts {
    /// Decides about access; owns the tables.
    pub access: Arc<ProjectAccess>,
    /// Every store that keeps something of projects.
    pub stores: Vec<Arc<dyn ProjectLifecycle>>,
    /// Brings invitations.
    pub mailer: Arc<Mailer>,
    /// The address that people and programs reach this server at, such as `https://api.example.com`.
    pub public_url: String,
    /// How sessions are kept in browsers.
    pub cookie: SessionCookie,
}

/// Projects, their members and keys, and the audit log.
pub struct PlatformService {
    pub(crate) config: PlatformConfig,
    pub(crate) access: Arc<ProjectAccess>,
    pub(crate) stores: Vec<&'static str>,
    pub(crate) deleted: watch::Sender<u64>,
    pub(crate) mailer: Arc<Mailer>,
    /// Without a slash at the end.
    pub(crate) public_url: String,
    pub(crate) cookie: SessionCookie,
    pub(crate) invitations: Attempts,
    /// The id of the project that is made next, where it was decided elsewhere.
    pub(crate) next_project: Mutex<Option<ProjectId>>,
    drain: Drain,
}

impl PlatformService {
    /// Starts, and goes on removing the projects that were deleted before.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn start(config: PlatformConfig, parts: PlatformParts) -> Result<Arc<Self>, PlatformError> {
        let PlatformParts { access, stores, mailer, public_url, cookie } = parts;
        let names: Vec<_> = stores.iter().map(|store| store.store()).collect();
        for waited_for in access.store.resume_purges().await? {
            if !names.contains(&waited_for.as_str()) {
                tracing::warn!(store = waited_for, "deleted projects wait for a store that is not here");
            }
        }
        let deleted = watch::Sender::new(0);
        let drain = Drain::new();
        for store in stores {
            let purger = Purger::new(store, access.clone(), config, &deleted);
            tokio::spawn(purger.run(drain.clone()));
        }
        tokio::spawn(write_back(access.clone(), drain.clone()));
        let service = Arc::new(Self {
            config,
            access,
            stores: names,
            deleted,
            mailer,
            public_url: public_url.trim_end_matches('/').to_owned(),
            cookie,
            invitations: Attempts::per_minute(config.invitations_per_minute_per_account),
            next_project: Mutex::default(),
            drain,
        });
        tokio::spawn(sweep(service.clone(), service.drain.clone()));
        Ok(service)
    }

    /// Gives the project that is made next this id: that which other processes of the same application know it by.
    pub fn expect_project(&self, id: ProjectId) {
        *self.next_project.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
    }

    /// The routes under `/v1/projects`, `/v1/invitations` and `/v1/audit`, and `/v1/project`.
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

async fn sweep(service: Arc<PlatformService>, drain: Drain) {
    let _work = drain.work();
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = drain.started() => return,
        }
        if let Err(error) = service.sweep().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what was kept long enough could not be removed"
            );
        }
    }
}
