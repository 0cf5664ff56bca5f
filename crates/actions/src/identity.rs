//! Who sent a request: by the cookie of a session, its token as a bearer token, or an API key. Sessions and keys are
//! asked for in the tables every 5 seconds at least, so that a revocation shows.

use crate::directory::{ApiKey, Directory, DirectoryError, KEY_USE_COARSE_MS, Session};
use crate::permissions::{Roles, common, role_key};
use crate::recent::Recent;
use crate::session::{Claims, Tokens};
use crate::state::{Auth, AuthKind};
use http::{HeaderMap, HeaderValue, header};
use secrecy::SecretString;
use serde_json::Value;
use service_kit::secret::TokenHash;
use std::sync::Arc;

/// What API keys begin with.
pub const API_KEY_PREFIX: &str = "bbk_";
/// Sessions and keys that are remembered, each.
const REMEMBERED_MAX: usize = 20_000;

/// Looks up who a request is of.
pub(crate) struct Identities {
    pub(crate) tokens: Tokens,
    directory: Arc<dyn Directory>,
    pub(crate) roles: Arc<Roles>,
    /// By the session's id; nothing for one that does not hold.
    sessions: Recent<String, Option<Arc<Live>>>,
    /// What tokens say whose signature was found right.
    verified: Recent<String, Arc<Claims>>,
    keys: Recent<[u8; 32], Option<Arc<Auth>>>,
}

/// A session that holds, and who it is of.
struct Live {
    auth: Arc<Auth>,
    /// The same for its token in `Authorization`.
    bearer: Arc<Auth>,
    expires_at: i64,
}

/// Who a request is of, and how that is known.
#[derive(Default)]
pub(crate) struct Identity {
    pub(crate) auth: Option<Arc<Auth>>,
    /// A browser sent it without being asked.
    pub(crate) is_by_cookie: bool,
    /// `Set-Cookie` of a session that goes on.
    pub(crate) renewal: Option<HeaderValue>,
}

impl Identities {
    pub(crate) fn new(directory: Arc<dyn Directory>, tokens: Tokens) -> Self {
        let roles = Arc::new(Roles::new(directory.clone()));
        let (sessions, verified) = (Recent::new(REMEMBERED_MAX), Recent::new(REMEMBERED_MAX));
        Self { tokens, directory, roles, sessions, verified, keys: Recent::new(REMEMBERED_MAX) }
    }

    pub(crate) fn forget(&self) {
        self.sessions.clear();
        self.keys.clear();
    }

    /// What does not hold is nobody: the guards decide whether that is enough.
    pub(crate) async fn of_request(
        &self,
        headers: &HeaderMap,
        is_secure: bool,
        now_ms: i64,
    ) -> Result<Identity, DirectoryError> {
        if let Some(key) = api_key(headers) {
            return Ok(Identity { auth: self.of_key(key, now_ms).await?, ..Identity::default() });
        }
        if let Some(token) = bearer(headers).filter(|token| token.matches('.').count() == 1) {
            let Some(claims) = self.verify(token, now_ms) else { return Ok(Identity::default()) };
            let auth = self.live(&claims, now_ms).await?.map(|live| live.bearer.clone());
            return Ok(Identity { auth, ..Identity::default() });
        }
        for token in self.tokens.in_cookies(headers) {
            let Some(claims) = self.verify(token, now_ms) else { continue };
            let Some(live) = self.live(&claims, now_ms).await? else { continue };
            let renewal = self.renew(&claims, &live, is_secure, now_ms).await?;
            return Ok(Identity { auth: Some(live.auth.clone()), is_by_cookie: true, renewal });
        }
        Ok(Identity::default())
    }

    /// A token that comes again with each request is not computed anew for each.
    fn verify(&self, token: &str, now_ms: i64) -> Option<Arc<Claims>> {
        let known = self.verified.get(token, now_ms);
        if let Some(claims) = known {
            return claims.holds(now_ms).then_some(claims);
        }
        let claims = Arc::new(self.tokens.verify(token, now_ms)?);
        self.verified.insert(token.to_owned(), claims.clone(), now_ms);
        Some(claims)
    }

    async fn live(&self, claims: &Claims, now_ms: i64) -> Result<Option<Arc<Live>>, DirectoryError> {
        let live = match self.sessions.get(claims.sid.as_str(), now_ms) {
            Some(known) => known,
            None => {
                let found = self.look_up(claims, now_ms).await?.map(Arc::new);
                self.sessions.insert(claims.sid.clone(), found.clone(), now_ms);
                found
            }
        };
        Ok(live.filter(|live| live.auth.user_id == claims.uid && now_ms < live.expires_at))
    }

    async fn look_up(&self, claims: &Claims, now_ms: i64) -> Result<Option<Live>, DirectoryError> {
        let Some(session) = self.directory.session(&claims.sid).await? else { return Ok(None) };
        if session.revoked_at.is_some() || session.expires_at <= now_ms {
            return Ok(None);
        }
        let Some(user) = self.directory.user(&session.user_id).await? else { return Ok(None) };
        let expires_at = session.expires_at;
        let auth = self.auth_of_session(session, user.role, now_ms).await?;
        let bearer = Arc::new(Auth { kind: AuthKind::Bearer, ..auth.clone() });
        Ok(Some(Live { auth: Arc::new(auth), bearer, expires_at }))
    }

    /// What the session was created with comes before what the user has; an organisation counts while the user is in it.
    async fn auth_of_session(
        &self,
        session: Session,
        user_role: Option<String>,
        now_ms: i64,
    ) -> Result<Auth, DirectoryError> {
        let said = |name: &str| session.payload.get(name).and_then(Value::as_str).map(str::to_owned);
        let own_role = said("role").or(user_role);
        let given = session.payload.get("permissions").and_then(Value::as_array).map(Vec::as_slice);
        let given = given.unwrap_or_default().iter().filter_map(Value::as_str);
        let mut permissions: Vec<String> = given.map(str::to_owned).collect();
        if let Some(role) = &own_role {
            permissions.extend(self.roles.permissions_of(role, now_ms).await?.iter().cloned());
        }
        let membership = match &session.org_id {
            Some(org_id) => self.directory.membership(&session.user_id, org_id).await?,
            None => None,
        };
        if let Some(role) = &membership {
            permissions.extend(self.roles.permissions_of(&role_key(role), now_ms).await?.iter().cloned());
        }
        permissions.sort_unstable();
        permissions.dedup();
        Ok(Auth {
            user_id: session.user_id,
            session_id: Some(session.id),
            org_id: session.org_id.filter(|_| membership.is_some()),
            role: own_role.or(membership),
            permissions,
            kind: AuthKind::Session,
            key_id: None,
            scopes: None,
        })
    }

    /// A session goes on when less than half of it is left.
    async fn renew(
        &self,
        claims: &Claims,
        live: &Arc<Live>,
        is_secure: bool,
        now_ms: i64,
    ) -> Result<Option<HeaderValue>, DirectoryError> {
        if !self.tokens.is_due(claims, now_ms) {
            return Ok(None);
        }
        let expires_at = now_ms + self.tokens.lifetime_ms();
        // Others that came with the old token meanwhile have written it.
        if live.expires_at - now_ms < self.tokens.lifetime_ms() / 2 {
            self.directory.touch_session(&claims.sid, now_ms, expires_at).await?;
            self.sessions.remove(claims.sid.as_str());
        }
        let token = self.tokens.sign(&claims.sid, &claims.uid, now_ms);
        Ok(token.and_then(|token| self.tokens.set_cookie(&token, is_secure)))
    }

    async fn of_key(&self, token: &str, now_ms: i64) -> Result<Option<Arc<Auth>>, DirectoryError> {
        let hash = TokenHash::of(&SecretString::from(token));
        let Ok(bytes) = <[u8; 32]>::try_from(hash.as_bytes()) else { return Ok(None) };
        if let Some(known) = self.keys.get(&bytes, now_ms) {
            return Ok(known);
        }
        let found = match self.directory.api_key(&hash).await? {
            Some(key) => {
                self.note_use(&key, now_ms);
                self.auth_of_key(key, now_ms).await?.map(Arc::new)
            }
            None => None,
        };
        self.keys.insert(bytes, found.clone(), now_ms);
        Ok(found)
    }

    /// Writes down that a key is used, beside the call: that need not succeed.
    fn note_use(&self, key: &ApiKey, now_ms: i64) {
        if key.last_used_at.is_some_and(|at_ms| now_ms - at_ms < KEY_USE_COARSE_MS) {
            return;
        }
        let (directory, id) = (self.directory.clone(), key.id.clone());
        tokio::spawn(async move {
            if let Err(error) = directory.touch_api_key(&id, now_ms).await {
                tracing::warn!(%error, key = %id, "the use of an API key was not written down");
            }
        });
    }

    /// A key that is limited has none of its user's roles, and what both may of the permissions.
    async fn auth_of_key(&self, key: ApiKey, now_ms: i64) -> Result<Option<Auth>, DirectoryError> {
        let Some(user) = self.directory.user(&key.user_id).await? else { return Ok(None) };
        let of_user = match &user.role {
            Some(role) => self.roles.permissions_of(role, now_ms).await?.to_vec(),
            None => Vec::new(),
        };
        let scopes = Some(key.scopes).filter(|scopes| !scopes.is_empty());
        Ok(Some(Auth {
            user_id: key.user_id,
            session_id: None,
            org_id: None,
            role: user.role.filter(|_| scopes.is_none()),
            permissions: scopes.as_ref().map_or_else(|| of_user.clone(), |scopes| common(&of_user, scopes)),
            kind: AuthKind::ApiKey,
            key_id: Some(key.id),
            scopes,
        }))
    }

    /// Whether there is such a user.
    pub(crate) async fn has_user(&self, id: &str) -> Result<bool, DirectoryError> {
        Ok(self.directory.user(id).await?.is_some())
    }

    /// A user by id or e-mail address, as a session of theirs would be; `None` where there is none.
    pub(crate) async fn of_user(
        &self,
        named: &str,
        now_ms: i64,
    ) -> Result<Option<Arc<Auth>>, DirectoryError> {
        let Some(user) = self.directory.find_user(named).await? else { return Ok(None) };
        let permissions = match &user.role {
            Some(role) => self.roles.permissions_of(role, now_ms).await?.to_vec(),
            None => Vec::new(),
        };
        Ok(Some(Arc::new(Auth {
            user_id: user.id,
            session_id: None,
            org_id: None,
            role: user.role,
            permissions,
            kind: AuthKind::Bearer,
            key_id: None,
            scopes: None,
        })))
    }

    /// Writes a new session, and gives its cookie.
    pub(crate) async fn create(
        &self,
        session: &Session,
        is_secure: bool,
    ) -> Result<Option<HeaderValue>, DirectoryError> {
        let Some(token) = self.tokens.sign(&session.id, &session.user_id, session.created_at) else {
            return Ok(None);
        };
        self.directory.insert_session(session).await?;
        Ok(self.tokens.set_cookie(&token, is_secure))
    }

    /// Ends a session at once here, and within 5 seconds in other processes.
    pub(crate) async fn revoke(&self, session_id: &str, now_ms: i64) -> Result<(), DirectoryError> {
        self.directory.revoke_session(session_id, now_ms).await?;
        self.sessions.insert(session_id.to_owned(), None, now_ms);
        Ok(())
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn api_key(headers: &HeaderMap) -> Option<&str> {
    let in_header = headers.get("x-api-key").and_then(|value| value.to_str().ok());
    in_header.or_else(|| bearer(headers)).filter(|token| token.starts_with(API_KEY_PREFIX))
}
