//! Secrets of an installation without the service that keeps them.

use async_trait::async_trait;
use ports::secrets::{Secrets, SecretsError};
use secrecy::SecretSlice;
use service_kit::ids::ProjectId;

/// Refuses everything.
pub(crate) struct NoSecrets;

fn refused<T>() -> Result<T, SecretsError> {
    Err(SecretsError::Unavailable("bun-kms is not part of this installation".into()))
}

#[async_trait]
impl Secrets for NoSecrets {
    async fn seal(&self, _: &ProjectId, _: &str, _: &[u8]) -> Result<Vec<u8>, SecretsError> {
        refused()
    }

    async fn open(&self, _: &ProjectId, _: &str, _: &[u8]) -> Result<SecretSlice<u8>, SecretsError> {
        refused()
    }

    async fn put(&self, _: &ProjectId, _: &str, _: &[u8]) -> Result<u32, SecretsError> {
        refused()
    }

    async fn get(&self, _: &ProjectId, _: &str) -> Result<SecretSlice<u8>, SecretsError> {
        refused()
    }

    async fn delete(&self, _: &ProjectId, _: &str) -> Result<(), SecretsError> {
        refused()
    }
}
