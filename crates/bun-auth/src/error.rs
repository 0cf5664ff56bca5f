//! What can go wrong with accounts and sessions.

use axum::response::{IntoResponse, Response};
use credentials::{InvalidEmail, PasswordError, TooMany};
use service_kit::error::{ApiError, Classify, ErrorCode};
use service_kit::secret::NoRandomness;
use sql::SqlError;
use std::time::Duration;

/// How long to wait when every hashing slot and every waiting place is taken.
const OVERLOADED_WAIT: Duration = Duration::from_secs(1);

/// An error of accounts or sessions.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// No such account, or another password: the same answer.
    #[error("the e-mail address or the password is wrong")]
    InvalidCredentials,
    /// The session ended while its request was on the way.
    #[error("nobody is signed in: sign in first")]
    SignedOut,
    /// The text is no e-mail address.
    #[error(transparent)]
    InvalidEmail(#[from] InvalidEmail),
    /// The name is empty, too long or not printable.
    #[error("`name` must have 1 to 100 printable characters")]
    InvalidName,
    /// The password was not taken, hashed or verified.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// Accounts are not open to registration, or set-up was not done.
    #[error("this server is not open to registration: ask whoever runs it for an account")]
    RegistrationClosed,
    /// There is an account already.
    #[error("set-up was done before: sign in instead")]
    SetupDone,
    /// The e-mail address has an account.
    #[error("there is an account with this e-mail address: sign in instead")]
    AccountExists,
    /// Too many attempts.
    #[error(transparent)]
    RateLimited(#[from] TooMany),
    /// No randomness for a token.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// An account in the store is not readable.
    #[error("the stored account {0} is not readable")]
    UnreadableAccount(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] SqlError),
}

impl Classify for AuthError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::InvalidCredentials => ErrorCode::InvalidCredentials,
            Self::SignedOut => ErrorCode::Unauthenticated,
            Self::InvalidEmail(error) => error.code(),
            Self::Password(error) => error.code(),
            Self::InvalidName => ErrorCode::InvalidName,
            Self::RegistrationClosed => ErrorCode::RegistrationClosed,
            Self::SetupDone => ErrorCode::SetupDone,
            Self::AccountExists => ErrorCode::AccountExists,
            Self::RateLimited(_) => ErrorCode::RateLimited,
            Self::Store(error) => error.code(),
            Self::NoRandomness(_) | Self::UnreadableAccount(_) => ErrorCode::Internal,
        }
    }
}

impl AuthError {
    /// The error as the caller gets it, with `Retry-After` where waiting helps.
    pub(crate) fn answer(&self) -> ApiError {
        let answer = ApiError::from_error(self);
        match self {
            Self::RateLimited(TooMany { retry_after }) => answer.retry_after(*retry_after),
            Self::Password(PasswordError::Overloaded) => answer.retry_after(OVERLOADED_WAIT),
            _ => answer,
        }
    }
}

impl IntoResponse for AuthError {
    fn into_response(self) -> Response {
        self.answer().into_response()
    }
}
