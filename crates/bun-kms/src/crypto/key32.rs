//! 256 bits of key material, wiped when dropped.

use super::{CryptoError, randomize};
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox};

/// Bytes of a key.
pub(crate) const KEY_LEN: usize = 32;

/// A 256-bit key; never shown.
pub(crate) struct Key32(SecretBox<[u8; KEY_LEN]>);

impl Key32 {
    /// A random one.
    pub(crate) fn generate() -> Result<Self, CryptoError> {
        Self::fill(randomize)
    }

    /// Takes 32 bytes; `None` for another number of them.
    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != KEY_LEN {
            return None;
        }
        Some(Self(SecretBox::init_with_mut(|key: &mut [u8; KEY_LEN]| key.copy_from_slice(bytes))))
    }

    /// Lets `fill` write the bytes in place.
    pub(crate) fn fill<E>(fill: impl FnOnce(&mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        let mut key = SecretBox::new(Box::new([0; KEY_LEN]));
        fill(key.expose_secret_mut())?;
        Ok(Self(key))
    }

    /// The bytes.
    pub(crate) fn expose(&self) -> &[u8; KEY_LEN] {
        self.0.expose_secret()
    }
}
