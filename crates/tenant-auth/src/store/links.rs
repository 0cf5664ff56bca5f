//! `_system/auth/links`: the link of each purpose that was last sent to each user.

use super::{Kept, Pending, Store, User, as_read, delete, put};
use crate::error::TenantAuthError;
use crate::tokens::Purpose;
use ports::documents::Condition;
use serde::{Deserialize, Serialize};
use service_kit::ids::{EndUserId, ProjectId};

const COLLECTION: &str = "_system/auth/links";

/// Where a wish for an unknown address is written, so that it costs what one for a known address costs.
const NOBODY: &str = "nobody";

/// A link that was sent and not used. Its token is not kept.
#[derive(Serialize, Deserialize)]
pub(crate) struct Link {
    #[serde(rename = "_id")]
    id: String,
    /// What makes its token another than that of the link before.
    pub(crate) nonce: String,
    /// The address that it was sent to.
    pub(crate) email: String,
    pub(crate) expires_at: i64,
}

impl Link {
    /// A link for a user; without one it is for nobody and opens nothing.
    pub(crate) fn new(user: Option<&User>, purpose: Purpose, nonce: String, expires_at: i64) -> Self {
        let email = user.map(|user| user.email.clone()).unwrap_or_default();
        Self { id: id(user.map(|user| &user.id), purpose), nonce, email, expires_at }
    }
}

fn id(user: Option<&EndUserId>, purpose: Purpose) -> String {
    format!("{}.{}", user.map_or(NOBODY, EndUserId::as_str), purpose.mode())
}

impl Store {
    pub(crate) async fn link(
        &self,
        project: &ProjectId,
        user: Option<&EndUserId>,
        purpose: Purpose,
    ) -> Result<Option<Kept<Link>>, TenantAuthError> {
        self.get(project, COLLECTION, &id(user, purpose)).await
    }

    /// Writes a link in place of the one that was read, so that one that was used meanwhile stays used.
    pub(crate) fn put_link(link: &Link, version: Option<u64>) -> Result<Pending, TenantAuthError> {
        let condition = if link.id.starts_with(NOBODY) { Condition::Any } else { as_read(version) };
        put(COLLECTION, link, condition)
    }

    pub(crate) fn use_link(link: &Kept<Link>) -> Pending {
        delete(COLLECTION, &link.value.id, Condition::Version(link.version))
    }

    /// Removes what was sent to a user and not used.
    pub(crate) async fn drop_links(
        &self,
        project: &ProjectId,
        user: &EndUserId,
    ) -> Result<(), TenantAuthError> {
        for purpose in [Purpose::VerifyEmail, Purpose::ResetPassword] {
            let gone =
                self.commit(project, [delete(COLLECTION, &id(Some(user), purpose), Condition::Any)]).await;
            match gone {
                Ok(()) | Err(TenantAuthError::Changed) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
