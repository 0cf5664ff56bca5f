//! Sealing under a project's own key, and named secrets. What is sealed for one project or one purpose
//! cannot be opened for another.

use async_trait::async_trait;
use secrecy::SecretSlice;
use service_kit::error::{Classify, ErrorCode};
use service_kit::ids::ProjectId;

/// Why a secret was not given, taken or opened.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// No such secret.
    #[error("there is no secret of this name")]
    NotFound,
    /// The name breaks a rule, or the value is too large; the text says which.
    #[error("{0}")]
    Invalid(String),
    /// The bytes were not sealed for this project and purpose, or were changed since.
    #[error("this was not sealed here, or was changed since")]
    NotSealedHere,
    /// The store, or the audit record that comes before every answer, failed.
    #[error("secrets cannot be read or written at the moment")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Classify for SecretsError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound => ErrorCode::SecretNotFound,
            Self::Invalid(_) => ErrorCode::InvalidRequest,
            Self::NotSealedHere => ErrorCode::DecryptionFailed,
            Self::Unavailable(_) => ErrorCode::Unavailable,
        }
    }
}

/// The keeper of secrets.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// Encrypts under the project's key, bound to `project` and `purpose`.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn seal(
        &self,
        project: &ProjectId,
        purpose: &str,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, SecretsError>;

    /// Decrypts what `seal` made for the same project and purpose.
    ///
    /// # Errors
    /// `NotSealedHere`, `Unavailable`.
    async fn open(
        &self,
        project: &ProjectId,
        purpose: &str,
        sealed: &[u8],
    ) -> Result<SecretSlice<u8>, SecretsError>;

    /// Writes a new version of a named secret and returns its number.
    ///
    /// # Errors
    /// `Invalid`, `Unavailable`.
    async fn put(&self, project: &ProjectId, name: &str, value: &[u8]) -> Result<u32, SecretsError>;

    /// The newest version of a named secret.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    async fn get(&self, project: &ProjectId, name: &str) -> Result<SecretSlice<u8>, SecretsError>;

    /// Removes a named secret with all its versions.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    async fn delete(&self, project: &ProjectId, name: &str) -> Result<(), SecretsError>;
}
