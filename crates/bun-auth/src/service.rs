//! The service: built from settings, a database and what it uses of others; hands out routes.

use crate::api_tokens::ApiTokens;
use crate::config::AuthConfig;
use crate::error::AuthError;
use crate::http;
use crate::mailed;
use crate::rate::Limits;
use crate::sessions::{SessionLimits, Sessions};
use crate::store::Store;
use credentials::{Attempts, HashLimits, Hasher};
use mail::Mailer;
use ports::access::Access;
use ports::events::EventBus;
use routes::ServiceRoutes;
use service_kit::clock::Clock;
use service_kit::drain::Drain;
use sql::Database;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// How often the times of last use are written and what expired is removed.
const WRITE_BACK_EVERY: Duration = Duration::from_secs(60);

/// What the service uses of others.
pub struct AuthDeps {
    /// Where accounts are kept.
    pub database: Database,
    /// Sends links.
    pub mailer: Arc<Mailer>,
    /// Is told what happens to accounts.
    pub events: Option<Arc<dyn EventBus>>,
    /// Where people reach this server, such as `https://bunbase.example.com`: links begin with it.
    pub public_url: String,
}

/// Developer accounts, sessions and API tokens.
pub struct AuthService {
    pub(crate) config: AuthConfig,
    pub(crate) store: Store,
    pub(crate) mailer: Arc<Mailer>,
    pub(crate) events: Option<Arc<dyn EventBus>>,
    pub(crate) public_url: String,
    pub(crate) clock: Clock,
    pub(crate) hasher: Hasher,
    pub(crate) sessions: Sessions,
    pub(crate) tokens: ApiTokens,
    pub(crate) limits: Limits,
    pub(crate) mails: Attempts,
    pub(crate) wishes: mpsc::Sender<mailed::Wish>,
    pub(crate) set_up: AtomicBool,
    pub(crate) setup_turn: tokio::sync::Mutex<()>,
    pub(crate) drain: Drain,
}

impl AuthService {
    /// Brings the tables up to date and starts what runs in the background.
    ///
    /// # Errors
    /// The database cannot be read, or is newer than this program.
    pub async fn start(config: AuthConfig, deps: AuthDeps) -> Result<Arc<Self>, AuthError> {
        Self::start_with_clock(config, deps, Clock::system()).await
    }

    /// The same, with the time from `clock`.
    ///
    /// # Errors
    /// The database cannot be read, or is newer than this program.
    pub async fn start_with_clock(
        config: AuthConfig,
        deps: AuthDeps,
        clock: Clock,
    ) -> Result<Arc<Self>, AuthError> {
        let store = Store::open(deps.database).await?;
        let set_up = store.has_accounts().await?;
        let limits = SessionLimits {
            days: config.session_days.get(),
            per_account_max: config.sessions_per_account_max.get(),
        };
        let (wishes, waiting) = mpsc::channel(mailed::WAITING_MAX);
        let service = Arc::new(Self {
            hasher: Hasher::new(HashLimits { slots: config.hash_slots, queue_max: config.hash_queue_max }),
            sessions: Sessions::new(limits),
            tokens: ApiTokens::new(),
            limits: Limits::new(&config),
            mails: Attempts::per_hour(config.mails_per_hour_per_account),
            wishes,
            set_up: AtomicBool::new(set_up),
            setup_turn: tokio::sync::Mutex::new(()),
            drain: Drain::new(),
            mailer: deps.mailer,
            events: deps.events,
            public_url: deps.public_url.trim_end_matches('/').to_owned(),
            clock,
            store,
            config,
        });
        tokio::spawn(write_back(service.clone(), service.drain.clone()));
        tokio::spawn(mailed::run(service.clone(), waiting));
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

    /// Writes what is still in memory; call it when requests have ended, and before mail is shut down.
    pub async fn shutdown(&self) {
        self.drain.start();
        if !self.drain.finished().await {
            tracing::warn!("accounts were not written back in time");
        }
    }

    async fn write(&self) -> Result<(), AuthError> {
        self.sessions.write_back(&self.store).await?;
        self.tokens.write_back(&self.store).await?;
        Ok(self.store.delete_expired(self.clock.now_ms()).await?)
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
        if let Err(error) = service.write().await {
            tracing::warn!(%error, "sessions and tokens could not be written back");
        }
        if last {
            return;
        }
    }
}
