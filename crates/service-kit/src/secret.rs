//! Tokens and keys: made from the system's randomness, stored as a SHA-256 hash, compared in constant
//! time. A token has 256 bits, so that a plain hash (no salt, no stretching) is enough.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The operating system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no randomness")]
pub struct NoRandomness;

/// A new token: `prefix` and 256 random bits in hex.
///
/// # Errors
/// `NoRandomness` where the system has none to give.
pub fn generate(prefix: &str) -> Result<SecretString, NoRandomness> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(SecretString::from(format!("{prefix}{}", hex::encode(bytes))))
}

/// What is stored of a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a token.
    pub fn of(token: &SecretString) -> Self {
        Self(Sha256::digest(token.expose_secret().as_bytes()).into())
    }

    /// The bytes as a store keeps them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Takes what a store kept.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Constant-time comparison.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_match_their_own_hash_only() {
        let (a, b) = (generate("sk_").unwrap(), generate("sk_").unwrap());
        assert_eq!(a.expose_secret().len(), 3 + 64);
        assert!(TokenHash::of(&a).matches(&TokenHash::of(&a)));
        assert!(!TokenHash::of(&a).matches(&TokenHash::of(&b)));
    }
}
