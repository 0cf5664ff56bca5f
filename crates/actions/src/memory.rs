//! Tables in memory, for tests.

use crate::directory::{ApiKey, Directory, DirectoryError, Organization, PlanAndFeatures, Session, User};
use async_trait::async_trait;
use service_kit::error::ErrorCode;
use service_kit::secret::TokenHash;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) sessions: Mutex<HashMap<String, Session>>,
    pub(crate) users: HashMap<String, Option<String>>,
    pub(crate) keys: Vec<(TokenHash, ApiKey)>,
    /// Role by user and organisation.
    pub(crate) members: HashMap<(String, String), String>,
    /// Plan and features by organisation.
    pub(crate) organizations: HashMap<String, PlanAndFeatures>,
    pub(crate) permissions: HashMap<String, Vec<String>>,
    pub(crate) is_down: AtomicBool,
    pub(crate) asked: AtomicUsize,
    /// Which keys were marked as used, and when.
    pub(crate) used: Mutex<Vec<(String, i64)>>,
}

impl Memory {
    fn ask(&self) -> Result<(), DirectoryError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let is_down = self.is_down.load(Ordering::Relaxed);
        if is_down { Err(DirectoryError::new(ErrorCode::Unavailable, "down")) } else { Ok(()) }
    }
}

#[async_trait]
impl Directory for Memory {
    async fn session(&self, id: &str) -> Result<Option<Session>, DirectoryError> {
        self.ask()?;
        Ok(self.sessions.lock().unwrap().get(id).cloned())
    }

    async fn user(&self, id: &str) -> Result<Option<User>, DirectoryError> {
        self.ask()?;
        Ok(self.users.get(id).map(|role| User { id: id.to_owned(), role: role.clone() }))
    }

    async fn find_user(&self, named: &str) -> Result<Option<User>, DirectoryError> {
        self.user(named).await
    }

    async fn api_key(&self, hash: &TokenHash) -> Result<Option<ApiKey>, DirectoryError> {
        self.ask()?;
        Ok(self.keys.iter().find(|(known, _)| known.matches(hash)).map(|(_, key)| key.clone()))
    }

    async fn touch_api_key(&self, id: &str, now_ms: i64) -> Result<(), DirectoryError> {
        self.ask()?;
        self.used.lock().unwrap().push((id.to_owned(), now_ms));
        Ok(())
    }

    async fn membership(&self, user_id: &str, org_id: &str) -> Result<Option<String>, DirectoryError> {
        self.ask()?;
        Ok(self.members.get(&(user_id.to_owned(), org_id.to_owned())).cloned())
    }

    async fn organization(&self, id: &str) -> Result<Option<Organization>, DirectoryError> {
        self.ask()?;
        let organization =
            |id: &str| Organization { id: id.into(), slug: id.into(), name: id.into(), member_count: 1 };
        Ok(self.organizations.contains_key(id).then(|| organization(id)))
    }

    async fn plan_and_features(&self, org_id: &str, _now_ms: i64) -> Result<PlanAndFeatures, DirectoryError> {
        self.ask()?;
        Ok(self.organizations.get(org_id).cloned().unwrap_or_default())
    }

    async fn permissions_of(&self, roles: &[&str]) -> Result<Vec<String>, DirectoryError> {
        self.ask()?;
        Ok(roles.iter().filter_map(|role| self.permissions.get(*role)).flatten().cloned().collect())
    }

    async fn insert_session(&self, session: &Session) -> Result<(), DirectoryError> {
        self.ask()?;
        if !self.users.contains_key(&session.user_id) {
            return Err(DirectoryError::new(ErrorCode::Internal, "foreign key"));
        }
        self.sessions.lock().unwrap().insert(session.id.clone(), session.clone());
        Ok(())
    }

    async fn revoke_session(&self, id: &str, now_ms: i64) -> Result<(), DirectoryError> {
        self.ask()?;
        if let Some(session) = self.sessions.lock().unwrap().get_mut(id) {
            session.revoked_at.get_or_insert(now_ms);
        }
        Ok(())
    }

    async fn touch_session(&self, id: &str, now_ms: i64, expires_at: i64) -> Result<(), DirectoryError> {
        self.ask()?;
        if let Some(session) = self.sessions.lock().unwrap().get_mut(id) {
            (session.last_active_at, session.expires_at) = (now_ms, expires_at);
        }
        Ok(())
    }
}
