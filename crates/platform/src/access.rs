//! The answer to "who may do what". Made before the service, because every service's routes need it.
//!
//! Where a request brings a key, the key decides and the session is not looked at: requests with a key
//! are not checked for the site they come from, so a cookie that came along may not open anything.

use crate::error::PlatformError;
use crate::keys::{KeyRing, LiveKey};
use crate::store::Store;
use async_trait::async_trait;
use ports::access::{Access, AccessError, Action, Ask, Caller, Credentials, Grant, Role};
use ports::identity::DeveloperIdentity;
use secrecy::SecretString;
use service_kit::ids::{ProjectId, UserId};
use service_kit::secret::TokenHash;
use sql::Database;
use std::error::Error;
use std::sync::Arc;

const SIGN_IN: &str = "nobody is signed in: sign in first";
const BRING_KEY: &str = "bring a project key in `X-Bunbase-Client-Key`";
const KEY_UNKNOWN: &str = "this key is not known or was revoked: use another one of the project's keys";
const SESSION_ONLY: &str = "a project key may not do this: sign in and leave the key out";
const ROLE_TOO_LOW: &str = "your role in this project does not allow this: ask an owner of the project";
const KEY_TOO_LOW: &str = "this kind of key may not do this: use a secret key, or sign in";
const OPERATOR_ONLY: &str = "this is for whoever runs the server: come from its own machine without a proxy, \
    or bring the instance token as `Authorization: Bearer`";

/// Decides about every request.
pub struct ProjectAccess {
    pub(crate) store: Store,
    pub(crate) keys: KeyRing,
    identity: Arc<dyn DeveloperIdentity>,
    instance_token: Option<TokenHash>,
}

impl ProjectAccess {
    /// Brings the tables up to date. Without an `instance_token`, operators are let in on loopback only.
    ///
    /// # Errors
    /// The database cannot be read, or is newer than this program.
    pub async fn open(
        database: Database,
        identity: Arc<dyn DeveloperIdentity>,
        instance_token: Option<&SecretString>,
    ) -> Result<Arc<Self>, PlatformError> {
        let store = Store::open(database).await?;
        let instance_token = instance_token.map(TokenHash::of);
        Ok(Arc::new(Self { store, keys: KeyRing::new(), identity, instance_token }))
    }

    async fn user(&self, credentials: &Credentials) -> Result<UserId, AccessError> {
        let token = credentials.session.as_ref().ok_or(AccessError::Unauthenticated(SIGN_IN))?;
        let found = self.identity.session_user(token).await.map_err(unavailable)?;
        found.ok_or(AccessError::Unauthenticated(SIGN_IN))
    }

    async fn developer(&self, credentials: &Credentials) -> Result<Grant, AccessError> {
        if credentials.key.is_some() {
            return Err(AccessError::Forbidden(SESSION_ONLY));
        }
        let user = self.user(credentials).await?;
        Ok(Grant { caller: Caller::Developer { user, role: None }, project: None })
    }

    async fn member(
        &self,
        credentials: &Credentials,
        project: &str,
        action: Action,
    ) -> Result<Grant, AccessError> {
        let user = self.user(credentials).await?;
        let project = ProjectId::parse(project).map_err(|_| AccessError::ProjectNotFound)?;
        let stored = self.store.role(&project, &user).await.map_err(unavailable)?;
        let role = match stored.as_deref().map(Role::parse) {
            None => return Err(AccessError::ProjectNotFound),
            Some(None) => return Err(unavailable(PlatformError::Unreadable { what: "role" })),
            Some(Some(role)) => role,
        };
        if !role.allows(action) {
            return Err(AccessError::Forbidden(ROLE_TOO_LOW));
        }
        Ok(Grant { caller: Caller::Developer { user, role: Some(role) }, project: Some(project) })
    }

    async fn key(&self, text: &SecretString) -> Result<Arc<LiveKey>, AccessError> {
        let found = self.keys.find(&self.store, text).await.map_err(unavailable)?;
        found.ok_or(AccessError::Unauthenticated(KEY_UNKNOWN))
    }

    async fn in_project(
        &self,
        credentials: &Credentials,
        project: &str,
        action: Action,
    ) -> Result<Grant, AccessError> {
        let Some(text) = &credentials.key else { return self.member(credentials, project, action).await };
        let key = self.key(text).await?;
        if key.project.as_str() == project {
            allowed(&key, action)
        } else {
            Err(AccessError::ProjectNotFound)
        }
    }

    async fn by_key(&self, credentials: &Credentials, action: Action) -> Result<Grant, AccessError> {
        let text = credentials.key.as_ref().ok_or(AccessError::Unauthenticated(BRING_KEY))?;
        allowed(&*self.key(text).await?, action)
    }

    fn operator(&self, credentials: &Credentials) -> Result<Grant, AccessError> {
        let local = credentials.peer.is_some_and(|peer| peer.to_canonical().is_loopback());
        let named = match (&credentials.bearer, &self.instance_token) {
            (Some(bearer), Some(token)) => TokenHash::of(bearer).matches(token),
            _ => false,
        };
        if local || named {
            return Ok(Grant { caller: Caller::Operator, project: None });
        }
        Err(AccessError::Unauthenticated(OPERATOR_ONLY))
    }
}

fn allowed(key: &LiveKey, action: Action) -> Result<Grant, AccessError> {
    if !key.kind.allows(action) {
        return Err(AccessError::Forbidden(KEY_TOO_LOW));
    }
    let caller = Caller::Key { id: key.id.clone(), kind: key.kind };
    Ok(Grant { caller, project: Some(key.project.clone()) })
}

fn unavailable(error: impl Error + Send + Sync + 'static) -> AccessError {
    tracing::error!(error = &error as &dyn Error, "access could not be checked");
    AccessError::Unavailable(Box::new(error))
}

#[async_trait]
impl Access for ProjectAccess {
    async fn authorize(&self, credentials: &Credentials, ask: Ask<'_>) -> Result<Grant, AccessError> {
        match ask {
            Ask::Developer => self.developer(credentials).await,
            Ask::Project { project, action } => self.in_project(credentials, project, action).await,
            Ask::Key { action } => self.by_key(credentials, action).await,
            Ask::Operator => self.operator(credentials),
        }
    }
}
