//! Sessions: opened at sign-in, renewed with refresh tokens, ended. What must hold: of one session one
//! refresh token is live; using an older one ends the session (RFC 9700 §4.14), except that the one just
//! used gives the same child again for `REUSE_GRACE_MS`, so that a lost answer signs nobody out.

use crate::claims;
use crate::error::TenantAuthError;
use crate::jwt::{self, AccessClaims, Expected, Good};
use crate::keyring::ProjectKeys;
use crate::metrics;
use crate::project_config::ProjectConfig;
use crate::service::TenantAuthService;
use crate::standing::Live;
use crate::store::{Kept, Session, Store, User};
use secrecy::{ExposeSecret, SecretString};
use service_kit::ids::{EndUserSessionId, ProjectId};
use service_kit::secret::TokenHash;
use std::sync::Arc;

/// How long a used refresh token gives its child again.
const REUSE_GRACE_MS: i64 = 10_000;
/// How often a change is tried again after another came first.
const TRIES_MAX: usize = 8;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What somebody who is signed in holds. No `Debug`.
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) cookie: String,
    /// Seconds that the access token is valid.
    pub(crate) expires_in: i64,
    /// Seconds that the session lasts without being renewed.
    pub(crate) session_seconds: i64,
}

/// A user with new tokens.
pub(crate) struct SignedIn {
    pub(crate) user: User,
    pub(crate) tokens: Tokens,
}

/// What a refresh token is worth.
enum Worth {
    /// It is the live one.
    Live,
    /// It was used a moment ago.
    Again,
    /// It was used before: somebody has a copy.
    Stolen,
    /// The session ended, or is not known.
    Nothing,
}

fn worth(session: &Session, generation: i64, now: i64) -> Worth {
    if session.expires_at <= now || generation > session.generation {
        return Worth::Nothing;
    }
    if generation == session.generation {
        return Worth::Live;
    }
    let is_parent = generation + 1 == session.generation;
    if is_parent && now - session.rotated_at <= REUSE_GRACE_MS { Worth::Again } else { Worth::Stolen }
}

impl TenantAuthService {
    /// Opens a session. Sessions of the user that are over go, and the oldest beyond the limit.
    pub(crate) async fn open_session(
        &self,
        project: &ProjectId,
        config: &ProjectConfig,
        user: User,
    ) -> Result<SignedIn, TenantAuthError> {
        let keys = self.keyring.needed(project).await?;
        self.make_room(project, &user).await?;
        let now = self.clock.now_ms();
        let session = Session {
            id: EndUserSessionId::generate(),
            user: user.id.clone(),
            epoch: user.epoch,
            generation: 0,
            rotated_at: now,
            created_at: now,
            expires_at: now + i64::from(config.session_days) * DAY_MS,
        };
        self.store.commit(project, [Store::put_session(&session, None)?]).await?;
        let tokens = self.tokens(project, config, &keys, (&user, &session))?;
        Ok(SignedIn { user, tokens })
    }

    async fn make_room(&self, project: &ProjectId, user: &User) -> Result<(), TenantAuthError> {
        let now = self.clock.now_ms();
        let sessions = self.store.sessions_of(project, &user.id).await?;
        let (standing, over): (Vec<_>, Vec<_>) =
            sessions.into_iter().partition(|session| session.expires_at > now && session.epoch == user.epoch);
        let kept_max = self.config.sessions_per_user_max.get() as usize - 1;
        let oldest = standing.len().saturating_sub(kept_max);
        for session in over.iter().chain(&standing[..oldest]) {
            self.end_session(project, &session.id).await?;
        }
        Ok(())
    }

    /// Exchanges a refresh token.
    pub(crate) async fn refresh(
        &self,
        project: &ProjectId,
        token: &SecretString,
    ) -> Result<SignedIn, TenantAuthError> {
        let keys = self.keyring.known(project).await?.ok_or(TenantAuthError::TokenInvalid)?;
        let read = keys.tokens.read_refresh(token.expose_secret());
        let (id, generation) = read.ok_or(TenantAuthError::TokenInvalid)?;
        let config = self.config(project).await?;
        for _ in 0..TRIES_MAX {
            let session = self.store.session(project, &id).await?;
            let session = session.ok_or(TenantAuthError::TokenInvalid)?;
            match worth(&session.value, generation, self.clock.now_ms()) {
                Worth::Live => match self.rotate(project, &config, session).await {
                    Err(TenantAuthError::Changed) => continue,
                    rotated => {
                        metrics::refresh("rotated");
                        return self.renewed(project, &config, &keys, rotated?).await;
                    }
                },
                Worth::Again => {
                    metrics::refresh("again");
                    return self.renewed(project, &config, &keys, session.value).await;
                }
                Worth::Stolen => {
                    metrics::refresh("reused");
                    tracing::warn!(%project, session = %id, "a refresh token was used twice: the session ends");
                    self.end_session(project, &id).await?;
                    return Err(TenantAuthError::TokenInvalid);
                }
                Worth::Nothing => return Err(TenantAuthError::TokenInvalid),
            }
        }
        Err(TenantAuthError::Changed)
    }

    async fn rotate(
        &self,
        project: &ProjectId,
        config: &ProjectConfig,
        session: Kept<Session>,
    ) -> Result<Session, TenantAuthError> {
        let now = self.clock.now_ms();
        let next = Session {
            generation: session.value.generation + 1,
            rotated_at: now,
            expires_at: now + i64::from(config.session_days) * DAY_MS,
            ..session.value
        };
        self.store.commit(project, [Store::put_session(&next, Some(session.version))?]).await?;
        self.standings.forget_session(project, &next.id);
        Ok(next)
    }

    async fn renewed(
        &self,
        project: &ProjectId,
        config: &ProjectConfig,
        keys: &ProjectKeys,
        session: Session,
    ) -> Result<SignedIn, TenantAuthError> {
        let user = self.store.user(project, &session.user).await?.map(|kept| kept.value);
        let stands = |user: &User| !user.disabled && user.epoch == session.epoch;
        let user = user.filter(stands).ok_or(TenantAuthError::TokenInvalid)?;
        let tokens = self.tokens(project, config, keys, (&user, &session))?;
        Ok(SignedIn { user, tokens })
    }

    /// The tokens of a session as it is now. The access token counts from the rotation, so that the child
    /// of a refresh token is the same however often it is given.
    fn tokens(
        &self,
        project: &ProjectId,
        config: &ProjectConfig,
        keys: &ProjectKeys,
        (user, session): (&User, &Session),
    ) -> Result<Tokens, TenantAuthError> {
        let (iat, expires_in) = (session.rotated_at / 1000, i64::from(config.access_token_minutes) * 60);
        let claims = AccessClaims {
            iss: self.issuer(project),
            aud: project.as_str().to_owned(),
            sub: user.id.clone(),
            sid: session.id.clone(),
            iat,
            exp: iat + expires_in,
            email: user.email.clone(),
            email_verified: user.email_verified,
            claims: claims::read(&user.claims)?,
        };
        Ok(Tokens {
            access: jwt::sign(&keys.signing, &claims)?,
            refresh: keys.tokens.refresh(&session.id, session.generation),
            cookie: keys.tokens.cookie(&session.id),
            expires_in,
            session_seconds: i64::from(config.session_days) * DAY_MS / 1000,
        })
    }

    /// Ends a session, here at once.
    pub(crate) async fn end_session(
        &self,
        project: &ProjectId,
        id: &EndUserSessionId,
    ) -> Result<(), TenantAuthError> {
        self.store.end_session(project, id).await?;
        self.standings.forget_session(project, id);
        Ok(())
    }

    /// The session that a token of any kind belongs to, whether or not it still stands.
    pub(crate) async fn session_of(
        &self,
        project: &ProjectId,
        token: &SecretString,
    ) -> Result<Option<EndUserSessionId>, TenantAuthError> {
        let text = token.expose_secret();
        if let Some(kid) = jwt::key_id(text) {
            return Ok(self.good(project, token, kid).await?.map(|good| good.session.clone()));
        }
        let keys = self.keyring.known(project).await?;
        Ok(keys.and_then(|keys| {
            let refresh = || keys.tokens.read_refresh(text).map(|(session, _)| session);
            keys.tokens.read_cookie(text).or_else(refresh)
        }))
    }

    /// What an access token says, where it is good. The signature of one that was seen before is not
    /// computed again.
    async fn good(
        &self,
        project: &ProjectId,
        token: &SecretString,
        kid: String,
    ) -> Result<Option<Arc<Good>>, TenantAuthError> {
        let Some(keys) = self.keyring.knowing(project, &kid).await? else { return Ok(None) };
        let (key, now) = ((project.clone(), TokenHash::of(token)), self.clock.now_ms());
        if let Some(seen) = self.good_tokens.get(&key) {
            return Ok(Some(seen).filter(|good| good.stands(&keys, now)));
        }
        let issuer = self.issuer(project);
        let expected = Expected { issuer: &issuer, audience: project.as_str(), now };
        let Some(claims) = jwt::verify(&keys, token.expose_secret(), expected) else { return Ok(None) };
        let good = Arc::new(Good::new(kid, claims));
        self.good_tokens.insert(key, good.clone());
        Ok(Some(good))
    }

    /// The session and user that an access token or a session cookie stands for now.
    pub(crate) async fn live(
        &self,
        project: &ProjectId,
        token: &SecretString,
    ) -> Result<Option<Live>, TenantAuthError> {
        let text = token.expose_secret();
        let Some(kid) = jwt::key_id(text) else {
            let keys = self.keyring.known(project).await?;
            let session = keys.and_then(|keys| keys.tokens.read_cookie(text));
            let Some(session) = session else { return Ok(None) };
            return self.standings.live(project, &session).await;
        };
        let Some(good) = self.good(project, token, kid).await? else { return Ok(None) };
        let live = self.standings.live(project, &good.session).await?;
        Ok(live.filter(|live| live.known.user.id == good.user))
    }

    /// Who the project's access tokens come from.
    pub(crate) fn issuer(&self, project: &ProjectId) -> String {
        format!("{}/v1/projects/{project}/auth", self.public_url)
    }
}
