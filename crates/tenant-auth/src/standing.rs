//! Whether a session and its user still stand. Answers come from memory, at most `FRESH_MS` old; what
//! this process ends is forgotten at once.

use crate::claims;
use crate::error::TenantAuthError;
use crate::store::{Session, Store, User};
use ports::tenant::EndUser;
use quick_cache::sync::Cache;
use serde_json::Value;
use service_kit::clock::Clock;
use service_kit::ids::{EndUserId, EndUserSessionId, ProjectId};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How old an answer may be: another process may have ended the session.
const FRESH_MS: i64 = 2_000;
/// Sessions, and users, held in memory; others are read from the store.
const HELD_MAX: usize = 20_000;

/// A user as it was read.
pub(crate) struct Known {
    pub(crate) user: User,
    pub(crate) end_user: Arc<EndUser>,
}

/// A session that stands, with its user.
pub(crate) struct Live {
    pub(crate) session: Arc<Session>,
    pub(crate) known: Arc<Known>,
}

struct Seen<T> {
    at: i64,
    value: Arc<T>,
}

impl<T> Clone for Seen<T> {
    fn clone(&self) -> Self {
        Self { at: self.at, value: self.value.clone() }
    }
}

type Held<Id, T> = Cache<(ProjectId, Id), Seen<T>>;

/// What is known of sessions and users.
pub(crate) struct Standings {
    store: Store,
    clock: Clock,
    sessions: Held<EndUserSessionId, Session>,
    users: Held<EndUserId, Known>,
    /// Counts changes: what was read before one may not be held after it.
    changes: AtomicU64,
}

impl Standings {
    pub(crate) fn new(store: Store, clock: Clock) -> Self {
        let (sessions, users) = (Cache::new(HELD_MAX), Cache::new(HELD_MAX));
        Self { store, clock, sessions, users, changes: AtomicU64::new(0) }
    }

    /// The session and its user, where both stand.
    pub(crate) async fn live(
        &self,
        project: &ProjectId,
        id: &EndUserSessionId,
    ) -> Result<Option<Live>, TenantAuthError> {
        let Some(session) = self.session(project, id).await? else { return Ok(None) };
        if session.expires_at <= self.clock.now_ms() {
            return Ok(None);
        }
        let Some(known) = self.user(project, &session.user).await? else { return Ok(None) };
        let stands = !known.user.disabled && known.user.epoch == session.epoch;
        Ok(stands.then_some(Live { session, known }))
    }

    async fn session(
        &self,
        project: &ProjectId,
        id: &EndUserSessionId,
    ) -> Result<Option<Arc<Session>>, TenantAuthError> {
        let key = (project.clone(), id.clone());
        if let Some(held) = self.fresh(self.sessions.get(&key)) {
            return Ok(Some(held));
        }
        let before = self.changes.load(Ordering::SeqCst);
        let Some(kept) = self.store.session(project, id).await? else { return Ok(None) };
        Ok(Some(self.hold(&self.sessions, &key, kept.value, before)))
    }

    async fn user(&self, project: &ProjectId, id: &EndUserId) -> Result<Option<Arc<Known>>, TenantAuthError> {
        let key = (project.clone(), id.clone());
        if let Some(held) = self.fresh(self.users.get(&key)) {
            return Ok(Some(held));
        }
        let before = self.changes.load(Ordering::SeqCst);
        let Some(kept) = self.store.user(project, id).await? else { return Ok(None) };
        let end_user = Arc::new(end_user(&kept.value)?);
        Ok(Some(self.hold(&self.users, &key, Known { user: kept.value, end_user }, before)))
    }

    fn fresh<T>(&self, seen: Option<Seen<T>>) -> Option<Arc<T>> {
        let now = self.clock.now_ms();
        seen.filter(|seen| (0..FRESH_MS).contains(&(now - seen.at))).map(|seen| seen.value)
    }

    fn hold<Id, T>(&self, held: &Held<Id, T>, key: &(ProjectId, Id), value: T, before: u64) -> Arc<T>
    where
        Id: Clone + Eq + std::hash::Hash,
    {
        let value = Arc::new(value);
        held.insert(key.clone(), Seen { at: self.clock.now_ms(), value: value.clone() });
        if self.changes.load(Ordering::SeqCst) != before {
            held.remove(key);
        }
        value
    }

    /// A session was changed or ended.
    pub(crate) fn forget_session(&self, project: &ProjectId, id: &EndUserSessionId) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.sessions.remove(&(project.clone(), id.clone()));
    }

    /// A user was changed or removed.
    pub(crate) fn forget_user(&self, project: &ProjectId, id: &EndUserId) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.users.remove(&(project.clone(), id.clone()));
    }

    /// A project was removed.
    pub(crate) fn forget_project(&self, project: &ProjectId) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.sessions.retain(|(owner, _), _| owner != project);
        self.users.retain(|(owner, _), _| owner != project);
    }
}

/// What rules see of a user: custom claims, with what the account itself says above them.
fn end_user(user: &User) -> Result<EndUser, TenantAuthError> {
    let mut claims = claims::read(&user.claims)?;
    claims.insert("email".into(), Value::from(user.email.clone()));
    claims.insert("email_verified".into(), Value::from(user.email_verified));
    Ok(EndUser { id: user.id.clone(), claims })
}
