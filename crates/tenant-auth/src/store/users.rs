//! `_system/auth/users`.

use super::{Kept, Pending, Store, as_read, delete, put, read};
use crate::error::TenantAuthError;
use bson::doc;
use credentials::Email;
use ports::documents::{At, Condition, DocumentsError, Find};
use serde::{Deserialize, Serialize};
use service_kit::ids::{EndUserId, ProjectId};

pub(super) const COLLECTION: &str = "_system/auth/users";

/// Sorts behind every address with the same beginning.
const LAST_CHAR: char = char::MAX;

/// An end user. No `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct User {
    #[serde(rename = "_id")]
    pub(crate) id: EndUserId,
    /// As it is compared.
    pub(crate) email: String,
    pub(crate) email_verified: bool,
    pub(crate) name: Option<String>,
    /// An argon2id hash; `None` for a user who has no password yet.
    pub(crate) password_hash: Option<String>,
    pub(crate) disabled: bool,
    /// Custom claims as JSON.
    pub(crate) claims: String,
    /// Sessions of an earlier epoch are over.
    pub(crate) epoch: i64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

/// Which users are wanted.
pub(crate) struct UserPage {
    pub(crate) email_prefix: Option<String>,
    pub(crate) limit: usize,
    pub(crate) cursor: Option<String>,
}

impl Store {
    pub(crate) async fn user(
        &self,
        project: &ProjectId,
        id: &EndUserId,
    ) -> Result<Option<Kept<User>>, TenantAuthError> {
        self.get(project, COLLECTION, id.as_str()).await
    }

    pub(crate) async fn user_by_email(
        &self,
        project: &ProjectId,
        email: &Email,
    ) -> Result<Option<Kept<User>>, TenantAuthError> {
        let find = Find { filter: doc! { "email": email.as_str() }, limit: 1, ..Find::default() };
        let found = self.documents.find(At { project, collection: COLLECTION }, find).await?;
        found.documents.first().map(|stored| read(COLLECTION, stored)).transpose()
    }

    /// One page: in the order of making, or of addresses where these are filtered.
    pub(crate) async fn users(
        &self,
        project: &ProjectId,
        page: UserPage,
    ) -> Result<(Vec<User>, Option<String>), TenantAuthError> {
        let (filter, sort) = match &page.email_prefix {
            None => (doc! {}, None),
            Some(prefix) => {
                let end = format!("{prefix}{LAST_CHAR}");
                (doc! { "email": { "$gte": prefix, "$lt": end } }, Some("email".to_owned()))
            }
        };
        let continues = page.cursor.is_some();
        let find = Find { filter, sort, limit: page.limit, cursor: page.cursor };
        let found = self.documents.find(At { project, collection: COLLECTION }, find).await;
        let found = found.map_err(|error| match error {
            DocumentsError::Invalid(_) if continues => {
                TenantAuthError::Invalid("`cursor` is not one that an earlier page gave".into())
            }
            other => other.into(),
        })?;
        let users = found.documents.iter().map(|stored| Ok(read::<User>(COLLECTION, stored)?.value));
        Ok((users.collect::<Result<_, TenantAuthError>>()?, found.next_cursor))
    }

    pub(crate) fn put_user(user: &User, version: Option<u64>) -> Result<Pending, TenantAuthError> {
        put(COLLECTION, user, as_read(version))
    }

    pub(crate) fn delete_user(id: &EndUserId, version: u64) -> Pending {
        delete(COLLECTION, id.as_str(), Condition::Version(version))
    }
}
