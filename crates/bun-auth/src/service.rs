//! The service: built from settings and a database, hands out routes, answers who a session belongs to.

use crate::config::AuthConfig;
use crate::error::AuthError;
use crate::http;
use crate::rate::Limits;
use crate::sessions::{SessionLimits, Sessions};
use crate::store::Store;
use async_trait::async_trait;
use credentials::{HashLimits, Hasher};
use ports::access::Access;
use ports::identity::{DeveloperIdentity, IdentityError};
use routes::ServiceRoutes;
use secrecy::SecretString;
use service_kit::drain::Drain;
use service_kit::ids::UserId;
use sql::Database;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often the times of last use are written and expired sessions removed.
const WRITE_BACK_EVERY: Duration = Duration::from_secs(60);

/// Developer accounts and sessions.
pub struct AuthService {
    pub(crate) config: AuthConfig,
    pub(crate) store: Store,
    pub(crate) hasher: Hasher,
    pub(crate) sessions: Sessions,
    pub(crate) limits: Limits,
    pub(crate) set_up: AtomicBool,
    pub(crate) setup_turn: tokio::sync::Mutex<()>,
    drain: Drain,
}

impl AuthService {
    /// Brings the tables up to date and starts writing back in the background.
    ///
    /// # Errors
    /// The database cannot be read, or is newer than this program.
    pub async fn start(config: AuthConfig, database: Database) -> Result<Arc<Self>, AuthError> {
        let store = Store::open(database).await?;
        let set_up = store.has_accounts().await?;
        let limits = SessionLimits {
            days: config.session_days.get(),
            per_account_max: config.sessions_per_account_max.get(),
        };
        let service = Arc::new(Self {
            hasher: Hasher::new(HashLimits { slots: config.hash_slots, queue_max: config.hash_queue_max }),
            sessions: Sessions::new(limits),
            limits: Limits::new(&config),
            set_up: AtomicBool::new(set_up),
            setup_turn: tokio::sync::Mutex::new(()),
            drain: Drain::new(),
            store,
            config,
        });
        tokio::spawn(write_back(service.clone(), service.drain.clone()));
        Ok(service)
    }

    /// The routes under `/v1/instance`, `/v1/setup` and `/v1/auth`.
    pub fn routes(self: &Arc<Self>, access: Arc<dyn Access>) -> ServiceRoutes {
        http::routes(self.clone(), access)
    }

    /// Whether the first account was made.
    pub fn is_set_up(&self) -> bool {
        self.set_up.load(Ordering::Acquire)
    }

    /// Writes what is still in memory; call it when requests have ended.
    pub async fn shutdown(&self) {
        self.drain.start();
        if !self.drain.finished().await {
            tracing::warn!("sessions were not written back in time");
        }
    }
}

async fn write_back(service: Arc<AuthService>, drain: Drain) {
    let _work = drain.work();
    let mut ticks = tokio::time::interval(WRITE_BACK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let last = tokio::select! {
            _ = ticks.tick() => false,
            () = drain.started() => true,
        };
        if let Err(error) = service.sessions.write_back(&service.store).await {
            tracing::warn!(%error, "sessions could not be written back");
        }
        if last {
            return;
        }
    }
}

#[async_trait]
impl DeveloperIdentity for AuthService {
    async fn session_user(&self, token: &SecretString) -> Result<Option<UserId>, IdentityError> {
        self.sessions.user(&self.store, token).await.map_err(|error| IdentityError(Box::new(error)))
    }
}
