//! The root key: where it comes from, that it is the right one, and the two things it does: wrap the
//! key-encryption keys of projects and seal its own check value. It never leaves the process.

mod file;
mod passphrase;

use crate::config::KmsConfig;
use crate::crypto::{Aad, Algorithm, Cipher, CryptoError, Key32};
use crate::error::KmsError;
use crate::store::{RootRow, Store};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
pub(crate) use passphrase::Stretching;
use secrecy::{ExposeSecret, SecretString};
use service_kit::ids::ProjectId;
use std::path::Path;
use zeroize::Zeroizing;

/// Domain of wrapped key-encryption keys.
const KEK: &str = "bunbase/kek/v1";
/// Domain of the check value.
const CHECK: &str = "bunbase/root-check/v1";
/// What the check value holds.
const CHECKED: &[u8] = b"bunbase";
/// How a root key in base64 begins.
const BASE64_PREFIX: &str = "base64:";

/// The root key, ready. AES-256-GCM with random nonces: it encrypts one message for each project ever made.
pub(crate) struct RootKey(Cipher);

/// A key and where it came from.
struct Found {
    key: Key32,
    origin: &'static str,
    /// How it was stretched, where it came from a passphrase.
    stretching: Option<Stretching>,
}

impl RootKey {
    /// Finds the key, and checks that it is the one the database was sealed with; on an empty database
    /// remembers it as that.
    pub(crate) async fn load(config: &KmsConfig, data_dir: &Path, store: &Store) -> Result<Self, KmsError> {
        let row = store.root().await?;
        let found = find(config, data_dir, store, row.as_ref()).await?;
        let root = Self::new(&found.key)?;
        match row {
            Some(row) if root.verifies(&row.check_value) => {}
            Some(_) => {
                let database = store.path().to_owned();
                return Err(KmsError::WrongRootKey { origin: found.origin, database });
            }
            None => {
                let check_value = root.0.seal(Aad::new(CHECK).bytes(), CHECKED)?;
                store.set_root(&RootRow { check_value, stretching: found.stretching }).await?;
                tracing::info!(origin = found.origin, "root key of keys and secrets is in use");
            }
        }
        Ok(root)
    }

    fn new(key: &Key32) -> Result<Self, CryptoError> {
        Ok(Self(Cipher::new(Algorithm::Aes256Gcm, key)?))
    }

    fn verifies(&self, check_value: &[u8]) -> bool {
        self.0.open(Aad::new(CHECK).bytes(), check_value).is_ok_and(|text| *text == CHECKED)
    }

    /// Wraps a project's key-encryption key.
    pub(crate) fn wrap(&self, project: &ProjectId, kek: &Key32) -> Result<Vec<u8>, CryptoError> {
        self.0.seal(kek_aad(project).bytes(), kek.expose())
    }

    /// Unwraps what `wrap` made for the same project.
    pub(crate) fn unwrap(&self, project: &ProjectId, wrapped: &[u8]) -> Result<Key32, CryptoError> {
        let kek = self.0.open(kek_aad(project).bytes(), wrapped)?;
        Key32::from_slice(&kek).ok_or(CryptoError::NotSealedHere)
    }
}

fn kek_aad(project: &ProjectId) -> Aad {
    Aad::new(KEK).field(project.as_str().as_bytes())
}

async fn find(
    config: &KmsConfig,
    data_dir: &Path,
    store: &Store,
    row: Option<&RootRow>,
) -> Result<Found, KmsError> {
    if let Some(text) = &config.root_key {
        let key = parse(text).ok_or(KmsError::RootKeyForm)?;
        return Ok(Found { key, origin: "`kms.root_key`", stretching: None });
    }
    let stretching = row.and_then(|row| row.stretching.clone());
    if let Some(passphrase) = &config.passphrase {
        let stretching = stretching.map_or_else(Stretching::new, Ok)?;
        let key = passphrase::derive(passphrase, &stretching, store.path()).await?;
        return Ok(Found { key, origin: "`kms.passphrase`", stretching: Some(stretching) });
    }
    if stretching.is_some() {
        return Err(KmsError::PassphraseMissing { database: store.path().to_owned() });
    }
    let key = file::load(data_dir, row.map(|_| store.path()))?;
    Ok(Found { key, origin: "the file `root.key`", stretching: None })
}

/// `base64:` and 32 bytes in base64, or 64 hex digits.
fn parse(text: &SecretString) -> Option<Key32> {
    let text = text.expose_secret().trim();
    let bytes = match text.strip_prefix(BASE64_PREFIX) {
        Some(base64) => STANDARD.decode(base64).ok()?,
        None => hex::decode(text).ok()?,
    };
    Key32::from_slice(&Zeroizing::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_key_has_two_forms() {
        let of = |text: &str| parse(&SecretString::from(text)).map(|key| *key.expose());
        assert_eq!(of(&"ab".repeat(32)), Some([0xab; 32]));
        assert_eq!(of(&format!("base64:{}", STANDARD.encode([0xab; 32]))), Some([0xab; 32]));
        for text in ["", "base64:", "hunter2", &"ab".repeat(31), &"ab".repeat(33), &"zz".repeat(32)] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn a_wrapped_key_is_its_projects_own() {
        let root = RootKey::new(&Key32::generate().unwrap()).unwrap();
        let (project, other) = (ProjectId::generate(), ProjectId::generate());
        let kek = Key32::generate().unwrap();
        let wrapped = root.wrap(&project, &kek).unwrap();
        assert_eq!(root.unwrap(&project, &wrapped).unwrap().expose(), kek.expose());
        assert!(root.unwrap(&other, &wrapped).is_err());
        let another = RootKey::new(&Key32::generate().unwrap()).unwrap();
        assert!(another.unwrap(&project, &wrapped).is_err());
    }
}
