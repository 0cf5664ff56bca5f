//! A root key from a passphrase: argon2id (RFC 9106), with salt and parameters kept in the database, so
//! that stronger ones here do not change the keys of older databases.

use crate::crypto::{CryptoError, Key32, randomize};
use crate::error::KmsError;
use argon2::{Algorithm, Argon2, Params, Version};
use secrecy::{ExposeSecret, SecretString};
use std::path::Path;

/// The fewest characters of a passphrase.
const CHARS_MIN: usize = 12;
/// Bytes of salt.
const SALT_LEN: usize = 16;
/// RFC 9106 §4, the second recommended option: 64 MiB, three passes, four lanes.
const MEMORY_KIB: u32 = 64 << 10;
const PASSES: u32 = 3;
const LANES: u32 = 4;

/// How a passphrase is stretched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stretching {
    pub(crate) salt: Vec<u8>,
    pub(crate) memory_kib: u32,
    pub(crate) passes: u32,
    pub(crate) lanes: u32,
}

impl Stretching {
    /// New salt, the parameters of today.
    pub(super) fn new() -> Result<Self, CryptoError> {
        let mut salt = vec![0; SALT_LEN];
        randomize(&mut salt)?;
        Ok(Self { salt, memory_kib: MEMORY_KIB, passes: PASSES, lanes: LANES })
    }
}

/// The key of a passphrase; takes a part of a second on a thread of its own.
pub(super) async fn derive(
    passphrase: &SecretString,
    stretching: &Stretching,
    database: &Path,
) -> Result<Key32, KmsError> {
    if passphrase.expose_secret().chars().count() < CHARS_MIN {
        return Err(KmsError::PassphraseTooShort { min: CHARS_MIN });
    }
    let (passphrase, stretching) = (passphrase.clone(), stretching.clone());
    let derived = tokio::task::spawn_blocking(move || stretch(&passphrase, &stretching)).await;
    derived.ok().flatten().ok_or_else(|| KmsError::PassphraseParameters { database: database.to_owned() })
}

fn stretch(passphrase: &SecretString, stretching: &Stretching) -> Option<Key32> {
    let Stretching { salt, memory_kib, passes, lanes } = stretching;
    let params = Params::new(*memory_kib, *passes, *lanes, None).ok()?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let passphrase = passphrase.expose_secret().as_bytes();
    Key32::fill(|key| argon2.hash_password_into(passphrase, salt, key)).ok()
}
