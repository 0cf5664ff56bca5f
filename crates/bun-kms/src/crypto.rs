//! Cryptography: what the rest of the crate may use of it. Knows no store, no names of routes.

mod aad;
mod aead;
mod envelope;
mod key32;

pub(crate) use aad::{Aad, Binding};
pub(crate) use aead::{Algorithm, Cipher};
pub(crate) use envelope::{open, seal};
pub(crate) use key32::Key32;

/// Why cryptography gave nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// The bytes were not made with this key and binding, or were changed since.
    #[error("this was not sealed here, or was changed since")]
    NotSealedHere,
    /// The library refused what it should take, or there is no randomness.
    #[error("a cryptographic operation failed")]
    Failed,
}

/// Fills `bytes` with randomness.
pub(crate) fn randomize(bytes: &mut [u8]) -> Result<(), CryptoError> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| CryptoError::Failed)
}
