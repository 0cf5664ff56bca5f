//! End users as developers and secret keys manage them.

use crate::accounts::{display_name, new_user};
use crate::claims;
use crate::error::TenantAuthError;
use crate::events::Happened;
use crate::service::TenantAuthService;
use crate::store::{Kept, Store, User};
use credentials::{Email, Password};
use serde_json::{Map, Value};
use service_kit::ids::{EndUserId, ProjectId};

/// How often a change is tried again after another came first.
const TRIES_MAX: usize = 8;

/// A user to be made.
pub(crate) struct NewUser {
    pub(crate) email: String,
    pub(crate) password: Option<Password>,
    pub(crate) name: Option<String>,
    pub(crate) email_verified: bool,
    pub(crate) claims: Map<String, Value>,
}

/// What is to be changed; what is `None` stays.
pub(crate) struct UserChange {
    pub(crate) email: Option<String>,
    pub(crate) email_verified: Option<bool>,
    pub(crate) name: Option<String>,
    pub(crate) disabled: Option<bool>,
    pub(crate) password: Option<Password>,
}

/// The same, checked and hashed.
struct Checked {
    email: Option<Email>,
    email_verified: Option<bool>,
    name: Option<String>,
    disabled: Option<bool>,
    password_hash: Option<String>,
}

impl Checked {
    /// A new password, or being disabled, ends all sessions; a new address has to be verified again.
    fn apply(&self, mut user: User) -> User {
        let ends_sessions = self.password_hash.is_some() || self.disabled == Some(true);
        user.epoch += i64::from(ends_sessions);
        user.disabled = self.disabled.unwrap_or(user.disabled);
        if let Some(email) = self.email.as_ref().filter(|email| email.as_str() != user.email) {
            user.email = email.as_str().to_owned();
            user.email_verified = false;
        }
        user.email_verified = self.email_verified.unwrap_or(user.email_verified);
        user.name = self.name.clone().or(user.name);
        user.password_hash = self.password_hash.clone().or(user.password_hash);
        user
    }
}

impl TenantAuthService {
    /// Makes a user, whatever registration is set to.
    pub(crate) async fn add_user(&self, project: &ProjectId, new: NewUser) -> Result<User, TenantAuthError> {
        let mut user = new_user(&Email::parse(&new.email)?, self.clock.now_ms());
        user.name = new.name.as_deref().map(display_name).transpose()?;
        user.claims = claims::checked(&new.claims)?;
        user.email_verified = new.email_verified;
        user.password_hash = self.checked_hash(project, new.password.as_ref()).await?;
        self.store.prepare(project).await?;
        self.create_user(project, &user, None).await?;
        Ok(user)
    }

    /// One user.
    pub(crate) async fn user(&self, project: &ProjectId, id: &str) -> Result<Kept<User>, TenantAuthError> {
        let id = EndUserId::parse(id).map_err(|_| TenantAuthError::UserNotFound)?;
        self.store.user(project, &id).await?.ok_or(TenantAuthError::UserNotFound)
    }

    /// Changes a user.
    pub(crate) async fn update_user(
        &self,
        project: &ProjectId,
        id: &str,
        change: UserChange,
    ) -> Result<User, TenantAuthError> {
        self.user(project, id).await?;
        let checked = Checked {
            email: change.email.as_deref().map(Email::parse).transpose()?,
            email_verified: change.email_verified,
            name: change.name.as_deref().map(display_name).transpose()?,
            disabled: change.disabled,
            password_hash: self.checked_hash(project, change.password.as_ref()).await?,
        };
        self.change_user(project, id, |user| checked.apply(user)).await
    }

    /// Sets the custom claims, all of them.
    pub(crate) async fn set_claims(
        &self,
        project: &ProjectId,
        id: &str,
        claims: &Map<String, Value>,
    ) -> Result<User, TenantAuthError> {
        let claims = claims::checked(claims)?;
        self.change_user(project, id, |user| User { claims: claims.clone(), ..user }).await
    }

    /// Ends all sessions of a user.
    pub(crate) async fn end_sessions(&self, project: &ProjectId, id: &str) -> Result<(), TenantAuthError> {
        self.change_user(project, id, |user| User { epoch: user.epoch + 1, ..user }).await.map(drop)
    }

    /// Removes a user with all sessions.
    pub(crate) async fn remove_user(&self, project: &ProjectId, id: &str) -> Result<(), TenantAuthError> {
        for _ in 0..TRIES_MAX {
            let user = self.user(project, id).await?;
            let (count, version) = self.store.user_count(project).await?;
            let writes = [
                Store::delete_user(&user.value.id, user.version),
                Store::put_user_count((count - 1).max(0), version)?,
            ];
            match self.store.commit(project, writes).await {
                Err(TenantAuthError::Changed) => continue,
                committed => committed?,
            }
            return self.removed(project, &user.value.id).await;
        }
        Err(TenantAuthError::Changed)
    }

    /// The sessions ended with the user; here their documents go.
    async fn removed(&self, project: &ProjectId, id: &EndUserId) -> Result<(), TenantAuthError> {
        self.standings.forget_user(project, id);
        for session in self.store.sessions_of(project, id).await? {
            self.end_session(project, &session.id).await?;
        }
        self.store.drop_links(project, id).await?;
        self.tell(project, id, Happened::Deleted).await;
        Ok(())
    }

    async fn change_user(
        &self,
        project: &ProjectId,
        id: &str,
        change: impl Fn(User) -> User + Send,
    ) -> Result<User, TenantAuthError> {
        for _ in 0..TRIES_MAX {
            let before = self.user(project, id).await?;
            let mut user = change(before.value);
            user.updated_at = self.clock.now_ms();
            match self.store.commit(project, [Store::put_user(&user, Some(before.version))?]).await {
                Err(TenantAuthError::Changed) => continue,
                committed => committed?,
            }
            self.standings.forget_user(project, &user.id);
            self.tell(project, &user.id, Happened::Updated).await;
            return Ok(user);
        }
        Err(TenantAuthError::Changed)
    }

    async fn checked_hash(
        &self,
        project: &ProjectId,
        password: Option<&Password>,
    ) -> Result<Option<String>, TenantAuthError> {
        let Some(password) = password else { return Ok(None) };
        let config = self.config(project).await?;
        password.check_new(config.password_min_length as usize)?;
        Ok(Some(self.hasher.hash(password).await?))
    }
}
