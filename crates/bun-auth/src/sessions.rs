//! Sessions: opened at sign-in, checked on every request, revoked at sign-out. A check of a session that
//! was seen before reads memory only; when it was last used is written once a minute.

use crate::error::AuthError;
use crate::store::{NewSession, Store};
use quick_cache::sync::Cache;
use secrecy::SecretString;
use service_kit::clock::now_ms;
use service_kit::ids::UserId;
use service_kit::secret::{TokenHash, generate};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Sessions held in memory; others are read from the store.
const CACHED_MAX: usize = 10_000;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

struct Live {
    user: UserId,
    expires_at: i64,
    used_at: AtomicI64,
    written_at: AtomicI64,
}

/// How long sessions last, and how many an account may have.
pub(crate) struct SessionLimits {
    pub(crate) days: u32,
    pub(crate) per_account_max: u32,
}

/// The sessions of this process.
pub(crate) struct Sessions {
    limits: SessionLimits,
    live: Cache<TokenHash, Arc<Live>>,
    /// Counts revocations: what was read before one may not be kept after it.
    revocations: AtomicU64,
}

impl Sessions {
    pub(crate) fn new(limits: SessionLimits) -> Self {
        Self { limits, live: Cache::new(CACHED_MAX), revocations: AtomicU64::new(0) }
    }

    /// Seconds that a session lasts.
    pub(crate) fn max_age_seconds(&self) -> i64 {
        i64::from(self.limits.days) * DAY_MS / 1000
    }

    /// Opens a session and gives its token, which is shown this once.
    pub(crate) async fn open(&self, store: &Store, account: &str) -> Result<SecretString, AuthError> {
        let token = generate("")?;
        let created_at = now_ms();
        let new = NewSession {
            token_hash: TokenHash::of(&token),
            account,
            created_at,
            expires_at: created_at + i64::from(self.limits.days) * DAY_MS,
            sessions_max: self.limits.per_account_max,
        };
        let ended = store.create_session(&new).await?;
        self.forget(&ended);
        Ok(token)
    }

    /// The account of a session that is valid now.
    pub(crate) async fn user(
        &self,
        store: &Store,
        token: &SecretString,
    ) -> Result<Option<UserId>, AuthError> {
        let hash = TokenHash::of(token);
        let live = match self.live.get(&hash) {
            Some(live) => live,
            None => match self.read(store, hash).await? {
                Some(live) => live,
                None => return Ok(None),
            },
        };
        let now = now_ms();
        if live.expires_at <= now {
            self.live.remove(&hash);
            return Ok(None);
        }
        live.used_at.store(now, Ordering::Relaxed);
        Ok(Some(live.user.clone()))
    }

    async fn read(&self, store: &Store, hash: TokenHash) -> Result<Option<Arc<Live>>, AuthError> {
        let revocations = self.revocations.load(Ordering::SeqCst);
        let Some(found) = store.session(&hash, now_ms()).await? else { return Ok(None) };
        let user =
            UserId::parse(&found.account).map_err(|_| AuthError::UnreadableAccount(found.account.clone()))?;
        let live = Arc::new(Live {
            user,
            expires_at: found.expires_at,
            used_at: AtomicI64::new(found.last_used_at),
            written_at: AtomicI64::new(found.last_used_at),
        });
        self.live.insert(hash, live.clone());
        if self.revocations.load(Ordering::SeqCst) != revocations {
            self.live.remove(&hash);
        }
        Ok(Some(live))
    }

    /// Ends the session of a token, at once.
    pub(crate) async fn revoke(&self, store: &Store, token: &SecretString) -> Result<(), AuthError> {
        let hash = TokenHash::of(token);
        store.delete_session(&hash).await?;
        self.forget(&[hash]);
        Ok(())
    }

    fn forget(&self, ended: &[TokenHash]) {
        self.revocations.fetch_add(1, Ordering::SeqCst);
        for hash in ended {
            self.live.remove(hash);
        }
    }

    /// Writes when sessions were last used, and removes those that expired.
    pub(crate) async fn write_back(&self, store: &Store) -> Result<(), AuthError> {
        let used: Vec<_> = self
            .live
            .iter()
            .map(|(hash, live)| (hash, live.used_at.load(Ordering::Relaxed), live))
            .filter(|(_, used_at, live)| *used_at > live.written_at.load(Ordering::Relaxed))
            .collect();
        let rows: Vec<_> = used.iter().map(|(hash, used_at, _)| (*hash, *used_at)).collect();
        store.touch_sessions(&rows).await?;
        for (_, used_at, live) in used {
            live.written_at.store(used_at, Ordering::Relaxed);
        }
        Ok(store.delete_expired_sessions(now_ms()).await?)
    }
}
