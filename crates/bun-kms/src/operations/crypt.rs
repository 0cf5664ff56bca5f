//! Encrypting and decrypting with a named key.
//!
//! What callers are given is base64 of `"BBK1" | cipher 1 | version 4 | nonce | ciphertext | tag 16`; the
//! cipher is 1 for AES-256-GCM (nonce 12) and 2 for XChaCha20-Poly1305 (nonce 24), the version of the key is
//! big-endian. Project, key, all of the above and the caller's `aad` are authenticated.

use crate::audit::{Operation, ResourceKind};
use crate::crypto::{Aad, Algorithm, Cipher};
use crate::error::OperationError;
use crate::keyring::{BLOCK, KeyVersion, Material, NamedKey};
use crate::kms::{Done, Kms, Scope};
use service_kit::ids::ProjectId;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Domain of the additional data.
const DOMAIN: &str = "bunbase/kms/v1";
/// The format and its version.
const MAGIC: &[u8; 4] = b"BBK1";
/// Bytes before the nonce.
const HEADER_LEN: usize = MAGIC.len() + 1 + 4;
/// The most that encrypting adds.
const OVERHEAD_MAX: usize = HEADER_LEN + Algorithm::XChaCha20Poly1305.overhead();
/// Bytes of `aad`.
pub(crate) const AAD_BYTES_MAX: usize = 4 << 10;
/// How often an encryption waits for more messages to be set aside before it gives up: each time either
/// some are, or the key is rotated.
const BUDGET_ATTEMPTS_MAX: usize = 32;

/// The key that is used, and what is bound to the ciphertext besides.
#[derive(Clone, Copy)]
pub(crate) struct With<'a> {
    pub(crate) key: &'a str,
    pub(crate) aad: &'a [u8],
}

fn cipher_number(algorithm: Algorithm) -> u8 {
    match algorithm {
        Algorithm::Aes256Gcm => 1,
        Algorithm::XChaCha20Poly1305 => 2,
    }
}

fn header(algorithm: Algorithm, version: u32) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    header[..4].copy_from_slice(MAGIC);
    header[4] = cipher_number(algorithm);
    header[5..].copy_from_slice(&version.to_be_bytes());
    header
}

fn bound(project: &ProjectId, with: With<'_>, header: &[u8]) -> Aad {
    let place = Aad::new(DOMAIN).field(project.as_str().as_bytes()).field(with.key.as_bytes());
    place.field(header).field(with.aad)
}

fn cipher<'a>(
    key: &NamedKey,
    version: &'a KeyVersion,
    operation: &'static str,
) -> Result<&'a Cipher, OperationError> {
    let instead = "aes-256-gcm or xchacha20-poly1305";
    match &version.material {
        Material::Cipher(cipher) => Ok(cipher),
        Material::Ed25519(_) | Material::Ecdsa(_) | Material::Hmac(_) => {
            Err(OperationError::WrongOperation { kind: key.kind.as_str(), operation, instead })
        }
    }
}

impl Kms {
    /// Encrypts with the active version; gives the ciphertext and the version.
    pub(crate) async fn encrypt(
        self: &Arc<Self>,
        scope: &Scope,
        with: With<'_>,
        plaintext: &[u8],
    ) -> Result<(Vec<u8>, u32), OperationError> {
        let sealed = self.encrypt_with(&scope.project, with, plaintext).await;
        let event = scope.event_on(Operation::Encrypt, ResourceKind::Key, with.key);
        self.recorded(event, sealed.map(|sealed| Done { version: Some(sealed.1), value: sealed })).await
    }

    /// Decrypts with the version that encrypted; gives the plaintext and the version.
    pub(crate) async fn decrypt(
        &self,
        scope: &Scope,
        with: With<'_>,
        ciphertext: &[u8],
    ) -> Result<(Zeroizing<Vec<u8>>, u32), OperationError> {
        let opened = self.decrypt_with(&scope.project, with, ciphertext, "decrypt").await;
        let event = scope.event_on(Operation::Decrypt, ResourceKind::Key, with.key);
        self.recorded(event, opened.map(|opened| Done { version: Some(opened.1), value: opened })).await
    }

    /// Decrypts with the version that encrypted and encrypts with the active one; the plaintext stays here.
    pub(crate) async fn rewrap(
        self: &Arc<Self>,
        scope: &Scope,
        with: With<'_>,
        ciphertext: &[u8],
    ) -> Result<(Vec<u8>, u32), OperationError> {
        let rewrapped = match self.decrypt_with(&scope.project, with, ciphertext, "rewrap").await {
            Ok((plaintext, _)) => self.encrypt_with(&scope.project, with, &plaintext).await,
            Err(error) => Err(error),
        };
        let event = scope.event_on(Operation::Rewrap, ResourceKind::Key, with.key);
        self.recorded(event, rewrapped.map(|sealed| Done { version: Some(sealed.1), value: sealed })).await
    }

    async fn encrypt_with(
        self: &Arc<Self>,
        project: &ProjectId,
        with: With<'_>,
        plaintext: &[u8],
    ) -> Result<(Vec<u8>, u32), OperationError> {
        let max = self.config.payload_bytes_max;
        check_size("what is encrypted", plaintext, max)?;
        check_size("`aad`", with.aad, AAD_BYTES_MAX)?;
        let key = self.key_with_budget(project, with.key).await?;
        let active = key.active()?;
        let cipher = cipher(&key, active, "encrypt")?;
        let mut sealed = header(cipher.algorithm(), active.version).to_vec();
        let aad = bound(project, with, &sealed);
        cipher.seal_into(aad.bytes(), plaintext, &mut sealed)?;
        Ok((sealed, active.version))
    }

    async fn decrypt_with(
        &self,
        project: &ProjectId,
        with: With<'_>,
        ciphertext: &[u8],
        operation: &'static str,
    ) -> Result<(Zeroizing<Vec<u8>>, u32), OperationError> {
        check_size("`ciphertext`", ciphertext, self.config.payload_bytes_max.saturating_add(OVERHEAD_MAX))?;
        check_size("`aad`", with.aad, AAD_BYTES_MAX)?;
        let key = self.named_key(project, with.key).await?;
        cipher(&key, key.active()?, operation)?;
        let (head, sealed) = ciphertext.split_at_checked(HEADER_LEN).ok_or(OperationError::NotSealedHere)?;
        let version =
            head[5..].try_into().map(u32::from_be_bytes).map_err(|_| OperationError::NotSealedHere)?;
        let found = key.version(version)?;
        let cipher = cipher(&key, found, operation)?;
        if head != header(cipher.algorithm(), version) {
            return Err(OperationError::NotSealedHere);
        }
        Ok((cipher.open(bound(project, with, head).bytes(), sealed)?, version))
    }

    /// The key, with one message of its active version taken. A version whose messages are all used is
    /// rotated away first.
    async fn key_with_budget(
        self: &Arc<Self>,
        project: &ProjectId,
        name: &str,
    ) -> Result<Arc<NamedKey>, OperationError> {
        for _ in 0..BUDGET_ATTEMPTS_MAX {
            let key = self.named_key(project, name).await?;
            let active = key.active()?;
            if cipher(&key, active, "encrypt")?.algorithm() != Algorithm::Aes256Gcm || key.budget.take() {
                return Ok(key);
            }
            self.refill(project, name, &key).await?;
        }
        Err(OperationError::Busy)
    }

    /// Sets more messages aside, or rotates the key where there are no more.
    async fn refill(
        self: &Arc<Self>,
        project: &ProjectId,
        name: &str,
        key: &NamedKey,
    ) -> Result<(), OperationError> {
        let _one_at_a_time = key.budget.reserving.lock().await;
        if key.budget.has_some() {
            return Ok(());
        }
        let (version, max) = (key.active()?.version, self.config.messages_max());
        match self.store.reserve((project, name, version), BLOCK, max).await? {
            Some(reserved) => {
                key.budget.extend(reserved);
                Ok(())
            }
            None => self.rotate_used_up(project, name, version).await,
        }
    }

    async fn rotate_used_up(
        self: &Arc<Self>,
        project: &ProjectId,
        name: &str,
        version: u32,
    ) -> Result<(), OperationError> {
        tracing::info!(%project, key = name, version, "a key version encrypted as much as it may: rotating");
        let (kms, scope, name) = (self.clone(), Scope::service(project), name.to_owned());
        let rotate = async move { kms.rotate_from(&scope, &name, Some(version)).await };
        match crate::kms::uninterrupted(rotate).await {
            Ok(_) | Err(OperationError::Rotated) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Refuses what is longer than `max`.
pub(super) fn check_size(what: &'static str, bytes: &[u8], max: usize) -> Result<(), OperationError> {
    if bytes.len() > max { Err(OperationError::TooLarge { what, max }) } else { Ok(()) }
}
