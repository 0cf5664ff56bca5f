//! Signing and verifying with a named key.

use super::crypt::check_size;
use crate::audit::{Operation, ResourceKind};
use crate::error::OperationError;
use crate::keyring::NamedKey;
use crate::kms::{Done, Kms, Scope};
use service_kit::ids::ProjectId;

/// Bytes of a signature that are looked at; the longest has 64.
const SIGNATURE_BYTES_MAX: usize = 1 << 10;

/// Whether a signature holds, and which version made it.
pub(crate) struct Verified {
    pub(crate) version: Option<u32>,
}

fn wrong(key: &NamedKey, operation: &'static str) -> OperationError {
    let instead = "ed25519, ecdsa-p256 or hmac-sha256";
    OperationError::WrongOperation { kind: key.kind.as_str(), operation, instead }
}

impl Kms {
    /// Signs with the active version; gives the signature and the version.
    pub(crate) async fn sign(
        &self,
        scope: &Scope,
        name: &str,
        data: &[u8],
    ) -> Result<(Vec<u8>, u32), OperationError> {
        let signed = self.sign_with(&scope.project, name, data).await;
        let event = scope.event_on(Operation::Sign, ResourceKind::Key, name);
        self.recorded(event, signed.map(|signed| Done { version: Some(signed.1), value: signed })).await
    }

    /// Looks for the version that made a signature, the active one first.
    pub(crate) async fn verify(
        &self,
        scope: &Scope,
        name: &str,
        (data, signature): (&[u8], &[u8]),
    ) -> Result<Verified, OperationError> {
        let verified = self.verify_with(&scope.project, name, (data, signature)).await;
        let event = scope.event_on(Operation::Verify, ResourceKind::Key, name);
        let done = verified.map(|verified| Done { version: verified.version, value: verified });
        self.recorded(event, done).await
    }

    async fn sign_with(
        &self,
        project: &ProjectId,
        name: &str,
        data: &[u8],
    ) -> Result<(Vec<u8>, u32), OperationError> {
        check_size("what is signed", data, self.config.payload_bytes_max)?;
        let key = self.named_key(project, name).await?;
        let active = key.active()?;
        let signature = active.material.sign(data)?.ok_or_else(|| wrong(&key, "sign"))?;
        Ok((signature, active.version))
    }

    async fn verify_with(
        &self,
        project: &ProjectId,
        name: &str,
        (data, signature): (&[u8], &[u8]),
    ) -> Result<Verified, OperationError> {
        check_size("what is verified", data, self.config.payload_bytes_max)?;
        check_size("`signature_b64`", signature, SIGNATURE_BYTES_MAX)?;
        let key = self.named_key(project, name).await?;
        for version in key.newest_first()? {
            let holds = version.material.verify(data, signature).ok_or_else(|| wrong(&key, "verify"))?;
            if holds {
                return Ok(Verified { version: Some(version.version) });
            }
        }
        Ok(Verified { version: None })
    }
}
