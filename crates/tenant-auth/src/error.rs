//! What can go wrong with end users.

use axum::response::{IntoResponse, Response};
use credentials::{InvalidEmail, PasswordError, TooMany};
use ports::documents::DocumentsError;
use ports::secrets::SecretsError;
use service_kit::error::{ApiError, Classify, ErrorCode};
use service_kit::secret::NoRandomness;
use std::time::Duration;

/// How long to wait when every hashing slot and every waiting place is taken.
const OVERLOADED_WAIT: Duration = Duration::from_secs(1);

/// An error of end users, their sessions or their configuration.
#[derive(Debug, thiserror::Error)]
pub enum TenantAuthError {
    /// No such account, or another password: the same answer.
    #[error("the e-mail address or the password is wrong")]
    InvalidCredentials,
    /// Nobody is signed in.
    #[error("nobody is signed in: send the end user's access token or session cookie")]
    SignedOut,
    /// The access token, refresh token or session is not valid.
    #[error("the token is expired, was used or was revoked: sign in again")]
    TokenInvalid,
    /// The link's token is not valid.
    #[error("the link was used, is too old or never was one: ask for a new one")]
    LinkInvalid,
    /// The address has an account.
    #[error("there is an account with this e-mail address: sign in instead")]
    AccountExists,
    /// The project takes no registrations.
    #[error("this project is not open to registration")]
    RegistrationClosed,
    /// The address has to be verified first.
    #[error("the e-mail address is not verified: follow the link in the mail, or ask for a new one")]
    EmailNotVerified,
    /// The account is disabled.
    #[error("the account is disabled")]
    AccountDisabled,
    /// There is no such end user.
    #[error("there is no such end user")]
    UserNotFound,
    /// The route was called without a project.
    #[error("there is no such project")]
    ProjectNotFound,
    /// The name is empty, too long or not printable.
    #[error("`name` must have 1 to 100 printable characters")]
    InvalidName,
    /// The text is no e-mail address.
    #[error(transparent)]
    InvalidEmail(#[from] InvalidEmail),
    /// A claim, a setting or a parameter breaks a rule; the text says which.
    #[error("{0}")]
    Invalid(String),
    /// The project has as many end users as it may.
    #[error("the project has {0} end users, as many as it may have")]
    UsersLimit(u64),
    /// Signing keys were rotated too often.
    #[error("so many signing keys are in use that no more may be made: try again when the oldest has gone")]
    KeysLimit,
    /// The account or the configuration was changed at the same moment.
    #[error("this was changed by somebody else at the same moment: try again")]
    Changed,
    /// The password was not taken, hashed or verified.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// Too many attempts.
    #[error(transparent)]
    RateLimited(#[from] TooMany),
    /// No randomness for a token or a key.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// Something stored is not readable.
    #[error("a stored {what} is not readable")]
    Unreadable {
        /// What.
        what: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A document could not be put together.
    #[error("a document could not be put together")]
    Encode(#[source] bson::error::Error),
    /// The cryptographic library refused a key.
    #[error("a signing key could not be made or used")]
    Key,
    /// The store failed.
    #[error(transparent)]
    Documents(#[from] DocumentsError),
    /// Secrets could not be sealed or opened.
    #[error("secrets of the project cannot be sealed or opened at the moment")]
    Secrets(#[from] SecretsError),
}

impl Classify for TenantAuthError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::InvalidCredentials => ErrorCode::InvalidCredentials,
            Self::SignedOut => ErrorCode::Unauthenticated,
            Self::TokenInvalid => ErrorCode::TokenInvalid,
            Self::LinkInvalid => ErrorCode::LinkInvalid,
            Self::AccountExists => ErrorCode::AccountExists,
            Self::RegistrationClosed => ErrorCode::RegistrationClosed,
            Self::EmailNotVerified => ErrorCode::EmailNotVerified,
            Self::AccountDisabled => ErrorCode::AccountDisabled,
            Self::UserNotFound => ErrorCode::UserNotFound,
            Self::ProjectNotFound => ErrorCode::ProjectNotFound,
            Self::InvalidName => ErrorCode::InvalidName,
            Self::Invalid(_) => ErrorCode::InvalidRequest,
            Self::InvalidEmail(error) => error.code(),
            Self::UsersLimit(_) | Self::KeysLimit => ErrorCode::LimitExceeded,
            Self::Changed => ErrorCode::Conflict,
            Self::Password(error) => error.code(),
            Self::RateLimited(_) => ErrorCode::RateLimited,
            Self::Documents(DocumentsError::Unavailable(_)) | Self::Secrets(SecretsError::Unavailable(_)) => {
                ErrorCode::Unavailable
            }
            Self::Documents(_)
            | Self::Secrets(_)
            | Self::NoRandomness(_)
            | Self::Unreadable { .. }
            | Self::Encode(_)
            | Self::Key => ErrorCode::Internal,
        }
    }
}

impl TenantAuthError {
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

impl IntoResponse for TenantAuthError {
    fn into_response(self) -> Response {
        self.answer().into_response()
    }
}
