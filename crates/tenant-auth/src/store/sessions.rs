//! `_system/auth/sessions`.

use super::{Kept, Pending, Store, as_read, delete, put, read};
use crate::error::TenantAuthError;
use bson::doc;
use ports::documents::{At, Condition, Find};
use serde::{Deserialize, Serialize};
use service_kit::ids::{EndUserId, EndUserSessionId, ProjectId};

pub(super) const COLLECTION: &str = "_system/auth/sessions";

/// Sessions of one user that are looked at together.
const LOOKED_AT_MAX: usize = 1000;

/// A session: a family of refresh tokens, and a cookie.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    #[serde(rename = "_id")]
    pub(crate) id: EndUserSessionId,
    pub(crate) user: EndUserId,
    /// The user's epoch in which it was opened.
    pub(crate) epoch: i64,
    /// Which refresh token of the family is the live one.
    pub(crate) generation: i64,
    /// When that one was made.
    pub(crate) rotated_at: i64,
    pub(crate) created_at: i64,
    pub(crate) expires_at: i64,
}

impl Store {
    pub(crate) async fn session(
        &self,
        project: &ProjectId,
        id: &EndUserSessionId,
    ) -> Result<Option<Kept<Session>>, TenantAuthError> {
        self.get(project, COLLECTION, id.as_str()).await
    }

    /// The sessions of a user, the oldest first.
    pub(crate) async fn sessions_of(
        &self,
        project: &ProjectId,
        user: &EndUserId,
    ) -> Result<Vec<Session>, TenantAuthError> {
        let find = Find { filter: doc! { "user": user.as_str() }, limit: LOOKED_AT_MAX, ..Find::default() };
        let found = self.documents.find(At { project, collection: COLLECTION }, find).await?;
        let sessions = found.documents.iter().map(|stored| Ok(read::<Session>(COLLECTION, stored)?.value));
        let mut sessions = sessions.collect::<Result<Vec<_>, TenantAuthError>>()?;
        sessions.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        Ok(sessions)
    }

    pub(crate) fn put_session(session: &Session, version: Option<u64>) -> Result<Pending, TenantAuthError> {
        put(COLLECTION, session, as_read(version))
    }

    /// Removes a session that may be gone already.
    pub(crate) async fn end_session(
        &self,
        project: &ProjectId,
        id: &EndUserSessionId,
    ) -> Result<(), TenantAuthError> {
        let gone = self.commit(project, [delete(COLLECTION, id.as_str(), Condition::Any)]).await;
        match gone {
            Ok(()) | Err(TenantAuthError::Changed) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
