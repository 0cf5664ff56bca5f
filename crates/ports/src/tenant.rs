//! End users of a project: who a token belongs to.

use async_trait::async_trait;
use secrecy::SecretString;
use serde_json::{Map, Value};
use service_kit::ids::{EndUserId, ProjectId};

/// An end user who is signed in: what rules see as `request.auth`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndUser {
    /// The user; `request.auth.uid`.
    pub id: EndUserId,
    /// Claims: `email`, `email_verified` and those that a secret key has set; `request.auth.claims`.
    pub claims: Map<String, Value>,
}

/// End users could not be looked up.
#[derive(Debug, thiserror::Error)]
#[error("the end user could not be looked up")]
pub struct TenantError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Sessions of end users.
#[async_trait]
pub trait TenantIdentity: Send + Sync {
    /// The user whom `token` (an access token, or the session cookie) stands for in `project`, now: `None`
    /// for one that is forged, foreign, expired, or whose session or user ended.
    ///
    /// # Errors
    /// The store could not be read.
    async fn verify(
        &self,
        project: &ProjectId,
        token: &SecretString,
    ) -> Result<Option<std::sync::Arc<EndUser>>, TenantError>;
}
