//! Who a developer's session belongs to. Asked by whoever decides about access.

use async_trait::async_trait;
use secrecy::SecretString;
use service_kit::ids::UserId;

/// Identity could not be looked up.
#[derive(Debug, thiserror::Error)]
#[error("the identity of the caller could not be looked up")]
pub struct IdentityError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Accounts and sessions of developers.
#[async_trait]
pub trait DeveloperIdentity: Send + Sync {
    /// The account of a session that is valid now; `None` for an unknown, expired or revoked one.
    ///
    /// # Errors
    /// The store could not be read.
    async fn session_user(&self, token: &SecretString) -> Result<Option<UserId>, IdentityError>;
}
