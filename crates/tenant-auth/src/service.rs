//! The service: built from settings and what other services offer, hands out routes, answers who an end
//! user's token belongs to.

use crate::config::TenantAuthConfig;
use crate::error::TenantAuthError;
use crate::http;
use crate::jwt::Good;
use crate::keyring::Keyring;
use crate::limits::Limits;
use crate::standing::Standings;
use crate::store::Store;
use async_trait::async_trait;
use credentials::{HashLimits, Hasher};
use mail::Mailer;
use ports::access::Access;
use ports::documents::Documents;
use ports::events::EventBus;
use ports::lifecycle::{ProjectLifecycle, PurgeError};
use ports::secrets::Secrets;
use ports::tenant::{EndUser, TenantError, TenantIdentity};
use quick_cache::sync::Cache;
use routes::ServiceRoutes;
use secrecy::SecretString;
use service_kit::clock::Clock;
use service_kit::ids::ProjectId;
use service_kit::secret::TokenHash;
use std::sync::Arc;

/// Access tokens whose signature is not computed again.
const GOOD_TOKENS_MAX: usize = 20_000;

/// What the service needs of others.
pub struct TenantAuthDeps {
    /// The databases of the projects.
    pub documents: Arc<dyn Documents>,
    /// Seals keys, keeps the secrets of providers.
    pub secrets: Arc<dyn Secrets>,
    /// Sends links.
    pub mailer: Arc<Mailer>,
    /// Is told what happens to users.
    pub events: Arc<dyn EventBus>,
    /// The address under which this server is reached, such as `https://base.example`: what links and the
    /// issuer of tokens begin with.
    pub public_url: String,
    /// The time.
    pub clock: Clock,
}

/// End users of projects.
pub struct TenantAuthService {
    pub(crate) config: TenantAuthConfig,
    pub(crate) store: Store,
    pub(crate) secrets: Arc<dyn Secrets>,
    pub(crate) mailer: Arc<Mailer>,
    pub(crate) events: Arc<dyn EventBus>,
    pub(crate) public_url: String,
    pub(crate) clock: Clock,
    pub(crate) hasher: Hasher,
    pub(crate) keyring: Keyring,
    pub(crate) standings: Standings,
    pub(crate) limits: Limits,
    /// Access tokens whose signature was found good.
    pub(crate) good_tokens: Cache<(ProjectId, TokenHash), Arc<Good>>,
}

impl TenantAuthService {
    /// Builds the service. It reads nothing yet: what a project needs is made when it is first used.
    ///
    /// # Errors
    /// `public_url` is no address.
    pub async fn start(config: TenantAuthConfig, deps: TenantAuthDeps) -> Result<Arc<Self>, TenantAuthError> {
        let TenantAuthDeps { documents, secrets, mailer, events, public_url, clock } = deps;
        let public_url = public_url.trim_end_matches('/').to_owned();
        if !public_url.starts_with("http://") && !public_url.starts_with("https://") {
            return Err(TenantAuthError::Invalid(
                "the public address must begin with http:// or https://".into(),
            ));
        }
        let store = Store::new(documents);
        let hash_limits = HashLimits { slots: config.hash_slots, queue_max: config.hash_queue_max };
        Ok(Arc::new(Self {
            hasher: Hasher::new(hash_limits),
            keyring: Keyring::new(store.clone(), secrets.clone(), clock.clone()),
            standings: Standings::new(store.clone(), clock.clone()),
            limits: Limits::new(&config),
            good_tokens: Cache::new(GOOD_TOKENS_MAX),
            store,
            secrets,
            mailer,
            events,
            public_url,
            clock,
            config,
        }))
    }

    /// The routes under `/v1/auth` and `/v1/projects/{project}/auth`.
    pub fn routes(self: &Arc<Self>, access: Arc<dyn Access>) -> ServiceRoutes {
        http::routes(self.clone(), access)
    }

    /// Passwords hashed and verified so far.
    pub fn hash_operations(&self) -> u64 {
        self.hasher.operations()
    }

    /// Ends the service; call it when requests have ended. Nothing is held that is not stored.
    pub async fn shutdown(&self) {
        tracing::debug!("end users stopped");
    }
}

#[async_trait]
impl TenantIdentity for TenantAuthService {
    async fn verify(
        &self,
        project: &ProjectId,
        token: &SecretString,
    ) -> Result<Option<Arc<EndUser>>, TenantError> {
        let live = self.live(project, token).await.map_err(|error| TenantError(Box::new(error)))?;
        Ok(live.map(|live| live.known.end_user.clone()))
    }
}

#[async_trait]
impl ProjectLifecycle for TenantAuthService {
    fn store(&self) -> &'static str {
        "end-users"
    }

    /// The documents leave with the project's database.
    async fn purge(&self, project: &ProjectId) -> Result<(), PurgeError> {
        self.store.forget(project);
        self.keyring.forget(project);
        self.standings.forget_project(project);
        Ok(())
    }
}
