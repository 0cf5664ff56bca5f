//! What can go wrong with passwords.

use service_kit::error::{Classify, ErrorCode};

/// Why a password was not taken, hashed or verified.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too few characters for a new password.
    #[error("`password` must have at least {chars_min} characters")]
    TooShort {
        /// How many it must have.
        chars_min: usize,
    },
    /// More bytes than any password may have.
    #[error("`password` must have at most {bytes_max} bytes")]
    TooLong {
        /// How many it may have.
        bytes_max: usize,
    },
    /// Every hashing slot and every place to wait for one is taken.
    #[error("too many people are signing in at once: try again in a moment")]
    Overloaded,
    /// The password could not be hashed, or a stored hash not be read.
    #[error("the password could not be hashed")]
    Hash(#[source] argon2::password_hash::Error),
    /// The thread that hashed gave no answer.
    #[error("the hashing thread gave no answer")]
    HashThread(#[source] tokio::sync::oneshot::error::RecvError),
}

impl Classify for PasswordError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::TooShort { .. } => ErrorCode::WeakPassword,
            Self::TooLong { .. } => ErrorCode::InvalidRequest,
            Self::Overloaded => ErrorCode::Overloaded,
            Self::Hash(_) | Self::HashThread(_) => ErrorCode::Internal,
        }
    }
}
