//! `Secrets` of another process.

use crate::MESSAGE_BYTES_MAX;
use crate::proto::secrets_client::SecretsClient as Wire;
use crate::proto::{PutSecretRequest, SealRequest, SecretBytes, SecretName};
use crate::remote::{Remote, Signed};
use crate::status::from_status;
use async_trait::async_trait;
use bytes::Bytes;
use ports::secrets::{Secrets, SecretsError};
use secrecy::SecretSlice;
use service_kit::ids::ProjectId;

/// Seals, opens and keeps secrets in bun-kms.
pub struct SecretsClient {
    remote: Remote,
    wire: Wire<Signed>,
}

impl SecretsClient {
    pub(crate) fn new(remote: Remote) -> Self {
        let wire = Wire::new(remote.channel()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        Self { remote, wire }
    }
}

fn seal_request(project: &ProjectId, purpose: &str, value: &[u8]) -> SealRequest {
    SealRequest {
        project: project.to_string(),
        purpose: purpose.to_owned(),
        value: Bytes::copy_from_slice(value),
    }
}

fn secret_name(project: &ProjectId, name: &str) -> SecretName {
    SecretName { project: project.to_string(), name: name.to_owned() }
}

fn secret(reply: SecretBytes) -> SecretSlice<u8> {
    SecretSlice::from(Vec::from(reply.value))
}

#[async_trait]
impl Secrets for SecretsClient {
    async fn seal(
        &self,
        project: &ProjectId,
        purpose: &str,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, SecretsError> {
        let mut wire = self.wire.clone();
        let reply = self.remote.call(wire.seal(seal_request(project, purpose, plaintext))).await;
        reply.map(|reply| Vec::from(reply.value)).map_err(from_status)
    }

    async fn open(
        &self,
        project: &ProjectId,
        purpose: &str,
        sealed: &[u8],
    ) -> Result<SecretSlice<u8>, SecretsError> {
        let mut wire = self.wire.clone();
        let reply = self.remote.call(wire.open(seal_request(project, purpose, sealed))).await;
        reply.map(secret).map_err(from_status)
    }

    async fn put(&self, project: &ProjectId, name: &str, value: &[u8]) -> Result<u32, SecretsError> {
        let message = PutSecretRequest {
            project: project.to_string(),
            name: name.to_owned(),
            value: Bytes::copy_from_slice(value),
        };
        let mut wire = self.wire.clone();
        self.remote.call(wire.put(message)).await.map(|reply| reply.version).map_err(from_status)
    }

    async fn get(&self, project: &ProjectId, name: &str) -> Result<SecretSlice<u8>, SecretsError> {
        let mut wire = self.wire.clone();
        self.remote.call(wire.get(secret_name(project, name))).await.map(secret).map_err(from_status)
    }

    async fn delete(&self, project: &ProjectId, name: &str) -> Result<(), SecretsError> {
        let mut wire = self.wire.clone();
        self.remote.call(wire.delete(secret_name(project, name))).await.map(drop).map_err(from_status)
    }
}
