//! API tokens: made by somebody who is signed in, for programs that act for them within scopes. A check of
//! a token that was seen before reads memory only; when it was last used is written once a minute.

use crate::accounts::display_name;
use crate::error::AuthError;
use crate::live::{Live, LiveSet, Used};
use crate::random_text;
use crate::service::AuthService;
use crate::store::{NewToken, Store, StoredToken};
use ports::access::{Scope, ScopeSet};
use ports::identity::TokenHolder;
use secrecy::{ExposeSecret, SecretString};
use service_kit::ids::{TokenId, UserId};
use service_kit::secret::TokenHash;
use std::sync::Arc;

/// How a token begins, so that people and scanners recognise one that leaked.
const PREFIX: &str = "bb_";
/// Tokens held in memory; others are read from the store.
const CACHED_MAX: usize = 10_000;
/// How long a token lasts where nothing else is asked for: 30 days.
const DEFAULT_SECONDS: i64 = 30 * 24 * 60 * 60;
/// The longest that may be asked for, other than no end: 10 years.
const SECONDS_MAX: i64 = 10 * 365 * 24 * 60 * 60;

/// How long a new token lasts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lifetime {
    /// As long as tokens do where nothing is said.
    Default,
    /// Seconds.
    Seconds(i64),
    /// Until it is deleted.
    Endless,
}

/// A token that somebody wants.
pub(crate) struct WantedToken {
    pub(crate) name: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) lifetime: Lifetime,
}

/// A token as its account sees it.
pub(crate) struct ShownToken {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) scopes: ScopeSet,
    pub(crate) created_at: i64,
    pub(crate) expires_at: Option<i64>,
    pub(crate) last_used_at: Option<i64>,
}

/// The API tokens of this process.
pub(crate) struct ApiTokens {
    live: LiveSet<TokenHolder>,
}

impl ApiTokens {
    pub(crate) fn new() -> Self {
        Self { live: LiveSet::new(CACHED_MAX) }
    }

    async fn read(
        &self,
        store: &Store,
        hash: TokenHash,
        now: i64,
    ) -> Result<Option<Arc<Live<TokenHolder>>>, AuthError> {
        let before = self.live.before();
        let Some(found) = store.token(&hash, now).await? else { return Ok(None) };
        let expires_at = found.expires_at.unwrap_or(i64::MAX);
        let last_used_at = found.last_used_at.unwrap_or_default();
        let live = Arc::new(Live::new(holder(&found)?, expires_at, last_used_at));
        self.live.keep(hash, live.clone(), before);
        Ok(Some(live))
    }

    /// Writes when tokens were last used.
    pub(crate) async fn write_back(&self, store: &Store) -> Result<(), AuthError> {
        let used = self.live.used();
        let rows: Vec<_> = used.iter().map(|used| (used.hash, used.at)).collect();
        store.touch_tokens(&rows).await?;
        used.iter().for_each(Used::written);
        Ok(())
    }
}

impl AuthService {
    /// Makes a token for an account. Its text is shown this once.
    pub(crate) async fn create_token(
        &self,
        user: &UserId,
        wanted: WantedToken,
    ) -> Result<(ShownToken, SecretString), AuthError> {
        let name = display_name(&wanted.name)?;
        let scopes = scope_set(&wanted.scopes)?;
        let created_at = self.clock.now_ms();
        let expires_at = wanted.lifetime.end(created_at)?;
        let (id, token, tokens_max) =
            (TokenId::generate(), random_text::generate(PREFIX)?, self.config.tokens_per_account_max.get());
        let new = NewToken {
            token_hash: TokenHash::of(&token),
            id: &id,
            account: user,
            name: &name,
            scopes: &scope_text(&scopes),
            created_at,
            expires_at,
            tokens_max,
        };
        if !self.store.create_token(&new).await? {
            return Err(AuthError::TooManyTokens { max: tokens_max });
        }
        let id = id.as_str().to_owned();
        Ok((ShownToken { id, name, scopes, created_at, expires_at, last_used_at: None }, token))
    }

    /// The tokens of an account, the newest first, with the time of their last use as it is known here.
    pub(crate) async fn tokens_of(&self, user: &UserId) -> Result<Vec<ShownToken>, AuthError> {
        let stored = self.store.tokens_of(user, self.clock.now_ms()).await?;
        stored.into_iter().map(|token| self.shown(token)).collect()
    }

    fn shown(&self, token: StoredToken) -> Result<ShownToken, AuthError> {
        let hash = TokenHash::from_bytes(&token.token_hash);
        let used_at = hash.and_then(|hash| self.tokens.live.used_at(&hash)).filter(|used_at| *used_at > 0);
        Ok(ShownToken {
            scopes: stored_scopes(&token)?,
            id: token.id,
            name: token.name,
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used_at: used_at.max(token.last_used_at),
        })
    }

    /// Deletes a token of an account: it opens nothing from now on.
    pub(crate) async fn delete_token(&self, user: &UserId, token: &str) -> Result<(), AuthError> {
        let token = TokenId::parse(token).map_err(|_| AuthError::NotFound)?;
        let removed = self.store.delete_token(user, &token).await?.ok_or(AuthError::NotFound)?;
        self.tokens.live.forget(&[removed]);
        Ok(())
    }

    /// The holder of a token that is valid now.
    pub(crate) async fn holder_of_token(
        &self,
        token: &SecretString,
    ) -> Result<Option<TokenHolder>, AuthError> {
        if !random_text::is_formed(PREFIX, token.expose_secret()) {
            return Ok(None);
        }
        let (hash, now) = (TokenHash::of(token), self.clock.now_ms());
        let live = match self.tokens.live.find(&hash) {
            Some(live) => live,
            None => match self.tokens.read(&self.store, hash, now).await? {
                Some(live) => live,
                None => return Ok(None),
            },
        };
        Ok(live.is_used(now).then(|| live.holder.clone()))
    }
}

impl Lifetime {
    fn end(self, now: i64) -> Result<Option<i64>, AuthError> {
        let seconds = match self {
            Self::Default => DEFAULT_SECONDS,
            Self::Seconds(seconds) if (1..=SECONDS_MAX).contains(&seconds) => seconds,
            Self::Seconds(_) => return Err(AuthError::InvalidLifetime { seconds_max: SECONDS_MAX }),
            Self::Endless => return Ok(None),
        };
        Ok(Some(now + seconds * 1000))
    }
}

fn scope_set(texts: &[String]) -> Result<ScopeSet, AuthError> {
    if texts.is_empty() {
        return Err(AuthError::NoScopes);
    }
    let scope = |text: &String| Scope::parse(text).ok_or_else(|| AuthError::InvalidScope(cut(text)));
    texts.iter().map(scope).collect()
}

/// What an error repeats of a text.
fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

fn scope_text(scopes: &ScopeSet) -> String {
    scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(" ")
}

fn stored_scopes(token: &StoredToken) -> Result<ScopeSet, AuthError> {
    let scope = |text| Scope::parse(text).ok_or_else(|| AuthError::Unreadable(token.id.clone()));
    token.scopes.split(' ').map(scope).collect()
}

fn holder(found: &StoredToken) -> Result<TokenHolder, AuthError> {
    let unreadable = |_| AuthError::Unreadable(found.id.clone());
    Ok(TokenHolder {
        token: TokenId::parse(&found.id).map_err(unreadable)?,
        user: UserId::parse(&found.account).map_err(unreadable)?,
        scopes: stored_scopes(found)?,
    })
}
