//! Sessions: opened at sign-in, checked on every request, listed and revoked. A check of a session that was
//! seen before reads memory only; when it was last used is written once a minute.

use crate::client::Client;
use crate::error::AuthError;
use crate::live::{Live, LiveSet};
use crate::service::AuthService;
use crate::store::{NewSession, ShownSession, Store};
use secrecy::SecretString;
use service_kit::ids::{SessionId, UserId};
use service_kit::secret::{TokenHash, generate};
use std::sync::Arc;

/// Sessions held in memory; others are read from the store.
const CACHED_MAX: usize = 10_000;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// How long sessions last, and how many an account may have.
pub(crate) struct SessionLimits {
    pub(crate) days: u32,
    pub(crate) per_account_max: u32,
}

/// Whose session it will be. No `Debug`.
pub(crate) struct Entering<'a> {
    pub(crate) account: &'a str,
    /// What the password was checked against.
    pub(crate) password_hash: &'a str,
    pub(crate) client: &'a Client,
}

/// The sessions of this process.
pub(crate) struct Sessions {
    limits: SessionLimits,
    live: LiveSet<UserId>,
}

impl Sessions {
    pub(crate) fn new(limits: SessionLimits) -> Self {
        Self { limits, live: LiveSet::new(CACHED_MAX) }
    }

    /// Seconds that a session lasts.
    pub(crate) fn max_age_seconds(&self) -> i64 {
        i64::from(self.limits.days) * DAY_MS / 1000
    }

    /// Opens a session and gives its token, which is shown this once; `None` where the password was changed
    /// meanwhile.
    async fn open(
        &self,
        store: &Store,
        entering: &Entering<'_>,
        now: i64,
    ) -> Result<Option<SecretString>, AuthError> {
        let token = generate("")?;
        let new = NewSession {
            token_hash: TokenHash::of(&token),
            account: entering.account,
            password_hash: entering.password_hash,
            created_at: now,
            expires_at: now + i64::from(self.limits.days) * DAY_MS,
            address: entering.client.shown_address(),
            user_agent: entering.client.user_agent.as_deref(),
            sessions_max: self.limits.per_account_max,
        };
        let Some(ended) = store.create_session(&new).await? else { return Ok(None) };
        self.live.forget(&ended);
        Ok(Some(token))
    }

    async fn read(
        &self,
        store: &Store,
        hash: TokenHash,
        now: i64,
    ) -> Result<Option<Arc<Live<UserId>>>, AuthError> {
        let before = self.live.before();
        let Some(found) = store.session(&hash, now).await? else { return Ok(None) };
        let user = UserId::parse(&found.account).map_err(|_| AuthError::Unreadable(found.account.clone()))?;
        let live = Arc::new(Live::new(user, found.expires_at, found.last_used_at));
        self.live.keep(hash, live.clone(), before);
        Ok(Some(live))
    }

    /// These were revoked: they open nothing from now on.
    pub(crate) fn forget(&self, revoked: &[TokenHash]) {
        self.live.forget(revoked);
    }

    /// Writes when sessions were last used.
    pub(crate) async fn write_back(&self, store: &Store) -> Result<(), AuthError> {
        let used = self.live.used();
        let rows: Vec<_> = used.iter().map(|used| (used.hash, used.at)).collect();
        store.touch_sessions(&rows).await?;
        used.iter().for_each(crate::live::Used::written);
        Ok(())
    }
}

impl AuthService {
    /// Opens a session; the one way into an account.
    pub(crate) async fn open_session(&self, entering: Entering<'_>) -> Result<SecretString, AuthError> {
        let opened = self.sessions.open(&self.store, &entering, self.clock.now_ms()).await?;
        let token = opened.ok_or(AuthError::InvalidCredentials)?;
        tracing::info!(account = entering.account, "signed in");
        Ok(token)
    }

    /// The account of a session that is valid now.
    pub(crate) async fn session_holder(&self, token: &SecretString) -> Result<Option<UserId>, AuthError> {
        let (hash, now) = (TokenHash::of(token), self.clock.now_ms());
        let live = match self.sessions.live.find(&hash) {
            Some(live) => live,
            None => match self.sessions.read(&self.store, hash, now).await? {
                Some(live) => live,
                None => return Ok(None),
            },
        };
        Ok(live.is_used(now).then(|| live.holder.clone()))
    }

    /// Ends the session of a token, at once.
    pub(crate) async fn sign_out(&self, token: &SecretString) -> Result<(), AuthError> {
        let hash = TokenHash::of(token);
        self.store.delete_session(&hash).await?;
        self.sessions.forget(&[hash]);
        Ok(())
    }

    /// The sessions of an account, the newest first, with the time of their last use as it is known here.
    pub(crate) async fn sessions_of(&self, user: &UserId) -> Result<Vec<ShownSession>, AuthError> {
        let mut sessions = self.store.sessions_of(user, self.clock.now_ms()).await?;
        for session in &mut sessions {
            let hash = TokenHash::from_bytes(&session.token_hash);
            let used_at = hash.and_then(|hash| self.sessions.live.used_at(&hash));
            session.last_used_at = used_at.unwrap_or_default().max(session.last_used_at);
        }
        Ok(sessions)
    }

    /// Ends one session of an account, at once.
    pub(crate) async fn end_session(&self, user: &UserId, session: &str) -> Result<(), AuthError> {
        let session = SessionId::parse(session).map_err(|_| AuthError::NotFound)?;
        let ended = self.store.delete_session_of(user, &session).await?.ok_or(AuthError::NotFound)?;
        self.sessions.forget(&[ended]);
        Ok(())
    }

    /// Ends every session of an account but the one of `kept`, at once.
    pub(crate) async fn end_other_sessions(
        &self,
        user: &UserId,
        kept: &SecretString,
    ) -> Result<(), AuthError> {
        let ended = self.store.delete_sessions_but(user, &TokenHash::of(kept)).await?;
        self.sessions.forget(&ended);
        Ok(())
    }
}
