//! The answer to "who may do what". Made before the service, because every service's routes need it.
//!
//! What a request brings counts in this order, and the first alone decides: a project key, an API token,
//! a session. Requests with a key are not checked for the site they come from, so a cookie that came along
//! may not open anything; and what a token may not do is not done by a cookie beside it.

mod end_users;
mod roles;

use crate::error::PlatformError;
use crate::keys::{KeyRing, LiveKey};
use crate::store::Store;
use async_trait::async_trait;
use end_users::EndUsers;
use ports::access::{Access, AccessError, Action, Ask, Caller, Credentials, Grant, ScopeSet};
use ports::audit::AuditEntry;
use ports::identity::DeveloperIdentity;
use ports::tenant::TenantIdentity;
use roles::RoleBook;
use secrecy::{ExposeSecret, SecretString};
use service_kit::clock::now_ms;
use service_kit::ids::{ProjectId, TokenId, UserId};
use service_kit::secret::TokenHash;
use sql::Database;
use std::error::Error;
use std::sync::Arc;

const SIGN_IN: &str = "nobody is signed in: sign in first, or bring an API token as `Authorization: Bearer`";
const SIGN_IN_ONLY: &str = "nobody is signed in: sign in first";
const TOKEN_UNKNOWN: &str = "this API token is not known, expired or was revoked: make another one";
const SCOPE_TOO_NARROW: &str = "the scopes of this API token do not allow this: use a token with the scope \
    of this area, or sign in";
const TOKEN_REFUSED: &str = "an API token may not do this, whatever its scopes: sign in instead";
const BRING_KEY: &str = "bring a project key in `X-Bunbase-Client-Key`";
const KEY_UNKNOWN: &str = "this key is not known or was revoked: use another one of the project's keys";
const KEY_REFUSED: &str = "a project key may not do this: sign in and leave the key out";
const ROLE_TOO_LOW: &str = "your role in this project does not allow this: ask an owner of the project";
const KEY_TOO_LOW: &str = "this kind of key may not do this: use a secret key, or sign in";
const OPERATOR_ONLY: &str = "this is for whoever runs the server: come from its own machine without a proxy, \
    or bring the instance token as `Authorization: Bearer`";

/// How an API token begins.
const TOKEN_PREFIX: &str = "bb_";

/// Decides about every request, and keeps the audit log.
pub struct ProjectAccess {
    pub(crate) store: Store,
    pub(crate) keys: KeyRing,
    pub(crate) roles: RoleBook,
    pub(crate) identity: Arc<dyn DeveloperIdentity>,
    end_users: EndUsers,
    instance_token: Option<TokenHash>,
}

/// A developer, and what an API token leaves them.
struct Developer {
    user: UserId,
    token: Option<(TokenId, ScopeSet)>,
}

impl Developer {
    /// Whether the session, or the token's scopes, reach `action`.
    fn reach(&self, action: Action) -> Result<(), AccessError> {
        match &self.token {
            Some((_, scopes)) if !scopes.reaches(action) => Err(AccessError::Forbidden(SCOPE_TOO_NARROW)),
            Some(_) | None => Ok(()),
        }
    }

    fn caller(self, role: Option<ports::access::Role>) -> Caller {
        Caller::Developer { user: self.user, role, token: self.token.map(|(token, _)| token) }
    }
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
        Ok(Arc::new(Self {
            store,
            keys: KeyRing::new(),
            roles: RoleBook::new(),
            identity,
            end_users: EndUsers::default(),
            instance_token: instance_token.map(TokenHash::of),
        }))
    }

    /// Says who knows the projects' end users; once, before requests are taken. Until then no end user's
    /// token is valid.
    pub fn bind_end_users(&self, identity: Arc<dyn TenantIdentity>) {
        self.end_users.bind(identity);
    }

    /// The developer that a session or an API token stands for.
    async fn developer(&self, credentials: &Credentials) -> Result<Developer, AccessError> {
        if let Some(token) = api_token(credentials) {
            let found = self.identity.token_holder(token).await.map_err(unavailable)?;
            let holder = found.ok_or(AccessError::Unauthenticated(TOKEN_UNKNOWN))?;
            return Ok(Developer { user: holder.user, token: Some((holder.token, holder.scopes)) });
        }
        let token = credentials.session.as_ref().ok_or(AccessError::Unauthenticated(SIGN_IN))?;
        let found = self.identity.session_user(token).await.map_err(unavailable)?;
        Ok(Developer { user: found.ok_or(AccessError::Unauthenticated(SIGN_IN))?, token: None })
    }

    async fn outside(&self, credentials: &Credentials, action: Action) -> Result<Grant, AccessError> {
        if credentials.key.is_some() {
            return Err(AccessError::Forbidden(KEY_REFUSED));
        }
        let developer = self.developer(credentials).await?;
        developer.reach(action)?;
        Ok(developer.caller(None).into())
    }

    async fn session(&self, credentials: &Credentials) -> Result<Grant, AccessError> {
        if credentials.key.is_some() {
            return Err(AccessError::Forbidden(KEY_REFUSED));
        }
        if api_token(credentials).is_some() {
            return Err(AccessError::Forbidden(TOKEN_REFUSED));
        }
        if credentials.session.is_none() {
            return Err(AccessError::Unauthenticated(SIGN_IN_ONLY));
        }
        Ok(self.developer(credentials).await?.caller(None).into())
    }

    async fn member(
        &self,
        credentials: &Credentials,
        project: &str,
        action: Action,
    ) -> Result<Grant, AccessError> {
        let developer = self.developer(credentials).await?;
        let project = ProjectId::parse(project).map_err(|_| AccessError::ProjectNotFound)?;
        let role = self.roles.find(&self.store, &project, &developer.user).await.map_err(unavailable)?;
        let role = role.ok_or(AccessError::ProjectNotFound)?;
        if !role.allows(action) {
            return Err(AccessError::Forbidden(ROLE_TOO_LOW));
        }
        developer.reach(action)?;
        Ok(Grant { caller: developer.caller(Some(role)), project: Some(project), end_user: None })
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
            self.with_key(credentials, &key, action).await
        } else {
            Err(AccessError::ProjectNotFound)
        }
    }

    async fn by_key(&self, credentials: &Credentials, action: Action) -> Result<Grant, AccessError> {
        let text = credentials.key.as_ref().ok_or(AccessError::Unauthenticated(BRING_KEY))?;
        let key = self.key(text).await?;
        self.with_key(credentials, &key, action).await
    }

    async fn with_key(
        &self,
        credentials: &Credentials,
        key: &LiveKey,
        action: Action,
    ) -> Result<Grant, AccessError> {
        if !key.kind.allows(action) {
            return Err(AccessError::Forbidden(KEY_TOO_LOW));
        }
        let end_user = self.end_users.beside_key(&key.project, credentials).await?;
        let caller = Caller::Key { id: key.id.clone(), kind: key.kind };
        Ok(Grant { caller, project: Some(key.project.clone()), end_user })
    }

    fn operator(&self, credentials: &Credentials) -> Result<Grant, AccessError> {
        let local = credentials.peer.is_some_and(|peer| peer.to_canonical().is_loopback());
        let named = match (&credentials.bearer, &self.instance_token) {
            (Some(bearer), Some(token)) => TokenHash::of(bearer).matches(token),
            _ => false,
        };
        if local || named {
            Ok(Caller::Operator.into())
        } else {
            Err(AccessError::Unauthenticated(OPERATOR_ONLY))
        }
    }
}

/// The API token that a request brought along.
fn api_token(credentials: &Credentials) -> Option<&SecretString> {
    credentials.bearer.as_ref().filter(|bearer| bearer.expose_secret().starts_with(TOKEN_PREFIX))
}

fn unavailable(error: impl Error + Send + Sync + 'static) -> AccessError {
    tracing::error!(error = &error as &dyn Error, "access could not be checked");
    AccessError::Unavailable(Box::new(error))
}

#[async_trait]
impl Access for ProjectAccess {
    async fn authorize(&self, credentials: &Credentials, ask: Ask<'_>) -> Result<Grant, AccessError> {
        match ask {
            Ask::Developer { action } => self.outside(credentials, action).await,
            Ask::Session => self.session(credentials).await,
            Ask::Project { project, action } => self.in_project(credentials, project, action).await,
            Ask::Key { action } => self.by_key(credentials, action).await,
            Ask::Operator => self.operator(credentials),
        }
    }

    async fn record(&self, entry: AuditEntry) -> Result<(), AccessError> {
        self.store
            .insert_audit(&entry, now_ms())
            .await
            .map_err(|error| AccessError::Unavailable(Box::new(error)))
    }
}
