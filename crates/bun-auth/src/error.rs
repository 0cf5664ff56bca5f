//! What can go wrong with accounts, sessions and tokens.

use axum::response::{IntoResponse, Response};
use credentials::{InvalidEmail, PasswordError, TooMany};
use service_kit::error::{ApiError, Classify, ErrorCode};
use service_kit::secret::NoRandomness;
use sql::SqlError;
use std::time::Duration;

/// How long to wait when a queue is full.
const OVERLOADED_WAIT: Duration = Duration::from_secs(1);

/// An error of accounts, sessions or tokens.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// No such account, or another password: the same answer.
    #[error("the e-mail address or the password is wrong")]
    InvalidCredentials,
    /// The current password does not fit.
    #[error("`current_password` is wrong")]
    WrongPassword,
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
    /// Whoever was invited has an account made with the invitation.
    #[error(
        "accounts are made with an invitation here: open the link in your invitation, or ask a member of a \
         project for one"
    )]
    InvitationNeeded,
    /// There is an account already.
    #[error("set-up was done before: sign in instead")]
    SetupDone,
    /// The e-mail address has an account.
    #[error("there is an account with this e-mail address: sign in instead")]
    AccountExists,
    /// The link was used, is too old, or never was one.
    #[error("this link was used before or is too old: ask for a new one")]
    LinkInvalid,
    /// An API token without scopes could do nothing.
    #[error("`scopes` must name at least one scope, such as `functions:read`, `*:read` or `*`")]
    NoScopes,
    /// A scope that is none.
    #[error("`{0}` is no scope: a scope is an area with a level, such as `functions:read`, `*:read` or `*`")]
    InvalidScope(String),
    /// The token would last too short or too long.
    #[error("`ttl` must be 1 to {seconds_max} seconds, or null for a token that does not expire")]
    InvalidLifetime {
        /// The longest.
        seconds_max: i64,
    },
    /// The account has as many tokens as it may.
    #[error("an account has at most {max} API tokens: delete one that is not needed any more")]
    TooManyTokens {
        /// How many.
        max: u32,
    },
    /// No such session or token of this account.
    #[error("there is no such session or token of yours")]
    NotFound,
    /// Too many attempts.
    #[error(transparent)]
    RateLimited(#[from] TooMany),
    /// Every place in the queue of mails to be written is taken.
    #[error("too many people ask for mails at once: try again in a moment")]
    MailQueueFull,
    /// No randomness for a token.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// What is stored is not readable.
    #[error("the stored account or token {0} is not readable")]
    Unreadable(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] SqlError),
}

impl Classify for AuthError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::InvalidCredentials | Self::WrongPassword => ErrorCode::InvalidCredentials,
            Self::SignedOut => ErrorCode::Unauthenticated,
            Self::InvalidEmail(error) => error.code(),
            Self::Password(error) => error.code(),
            Self::InvalidName => ErrorCode::InvalidName,
            Self::RegistrationClosed | Self::InvitationNeeded => ErrorCode::RegistrationClosed,
            Self::SetupDone => ErrorCode::SetupDone,
            Self::AccountExists => ErrorCode::AccountExists,
            Self::LinkInvalid => ErrorCode::LinkInvalid,
            Self::NoScopes | Self::InvalidScope(_) | Self::InvalidLifetime { .. } => {
                ErrorCode::InvalidRequest
            }
            Self::TooManyTokens { .. } => ErrorCode::LimitExceeded,
            Self::NotFound => ErrorCode::AccountItemNotFound,
            Self::RateLimited(_) => ErrorCode::RateLimited,
            Self::MailQueueFull => ErrorCode::Overloaded,
            Self::Store(error) => error.code(),
            Self::NoRandomness(_) | Self::Unreadable(_) => ErrorCode::Internal,
        }
    }
}

impl AuthError {
    /// The error as the caller gets it, with `Retry-After` where waiting helps.
    pub(crate) fn answer(&self) -> ApiError {
        let answer = ApiError::from_error(self);
        match self {
            Self::RateLimited(TooMany { retry_after }) => answer.retry_after(*retry_after),
            Self::Password(PasswordError::Overloaded) | Self::MailQueueFull => {
                answer.retry_after(OVERLOADED_WAIT)
            }
            _ => answer,
        }
    }
}

impl IntoResponse for AuthError {
    fn into_response(self) -> Response {
        self.answer().into_response()
    }
}
