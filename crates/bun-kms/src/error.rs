//! What can go wrong: at start (`KmsError`), and with one operation (`OperationError`).

use crate::audit::AuditError;
use crate::crypto::CryptoError;
use ports::secrets::SecretsError;
use service_kit::error::{Classify, ErrorCode};
use sql::SqlError;
use std::path::PathBuf;

/// Keys and secrets cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum KmsError {
    /// `kms.root_key` is malformed.
    #[error("`kms.root_key` is not a key: write `base64:` and 32 bytes in base64, or 64 hex digits")]
    RootKeyForm,
    /// The passphrase is too short.
    #[error("`kms.passphrase` has fewer than {min} characters: use a longer one")]
    PassphraseTooShort {
        /// The fewest.
        min: usize,
    },
    /// The root key is not the one that the database was sealed with.
    #[error(
        "the root key from {origin} is not the one that {database} was sealed with: start with the key that \
         was used before"
    )]
    WrongRootKey {
        /// Where the key came from.
        origin: &'static str,
        /// The database.
        database: PathBuf,
    },
    /// There is no root key, and there is data that needs one.
    #[error(
        "{path} is missing, and {database} holds keys sealed with it: put the file back, or set \
         `kms.root_key`; a new key could not open them"
    )]
    RootKeyFileMissing {
        /// Where the file was looked for.
        path: PathBuf,
        /// The database.
        database: PathBuf,
    },
    /// The root key came from a passphrase, and none is set.
    #[error("{database} is sealed with a passphrase: set `kms.passphrase`")]
    PassphraseMissing {
        /// The database.
        database: PathBuf,
    },
    /// Others can read the root key.
    #[error(
        "{path} can be read by others (mode {mode:o}): run `chmod 600` on it, and change the key if others had access"
    )]
    RootKeyFileOpen {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file holds no key.
    #[error("{path} does not hold a root key (64 hex digits): put the right file back")]
    RootKeyFileForm {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read or made.
    #[error("cannot read or make {path}")]
    RootKeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The stored parameters of the passphrase are not usable.
    #[error("the parameters of the passphrase in {database} are not readable")]
    PassphraseParameters {
        /// The database.
        database: PathBuf,
    },
    /// Cryptography failed where it cannot, or there is no randomness.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// The audit log cannot be opened.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] SqlError),
}

/// Why one operation was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OperationError {
    #[error("there is no key of this name in this project")]
    KeyNotFound,
    #[error("there is no secret of this name and version in this project")]
    SecretNotFound,
    #[error("{0}")]
    InvalidName(&'static str),
    #[error("{0}")]
    Invalid(&'static str),
    #[error("`{field}` is not valid base64")]
    Base64 { field: &'static str },
    #[error("{what} has at most {max} bytes")]
    TooLarge { what: &'static str, max: usize },
    #[error("a key of type {kind} does not {operation}: make one of type {instead}")]
    WrongOperation { kind: &'static str, operation: &'static str, instead: &'static str },
    #[error("there is a key of this name already: rotate it, or take another name")]
    KeyExists,
    #[error("the key was rotated meanwhile: look at it and try again")]
    Rotated,
    #[error("the key is revoked, for good: make another one")]
    Revoked,
    #[error("a project has at most {max} {what}: delete one first")]
    TooMany { what: &'static str, max: u32 },
    #[error("a key has at most {max} versions: make a new key")]
    TooManyVersions { max: u32 },
    #[error("this was not encrypted with this key, version and `aad` in this project, or was changed since")]
    NotSealedHere,
    #[error("a stored {what} cannot be opened")]
    Damaged { what: &'static str },
    #[error(transparent)]
    Crypto(CryptoError),
    #[error("keys and secrets are not served while their audit log cannot be written")]
    Audit(#[source] AuditError),
    #[error("too many operations at once: try again in a moment")]
    Busy,
    #[error("the server is shutting down")]
    Closed,
    #[error(transparent)]
    Store(#[from] SqlError),
}

impl From<sqlx::Error> for OperationError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<CryptoError> for OperationError {
    fn from(error: CryptoError) -> Self {
        match error {
            CryptoError::NotSealedHere => Self::NotSealedHere,
            CryptoError::Failed => Self::Crypto(error),
        }
    }
}

impl OperationError {
    /// For what the store holds: if that does not open, the caller cannot mend it.
    pub(crate) fn stored(what: &'static str) -> impl Fn(CryptoError) -> Self {
        move |error| match error {
            CryptoError::NotSealedHere => Self::Damaged { what },
            CryptoError::Failed => Self::Crypto(error),
        }
    }
}

impl Classify for OperationError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::KeyNotFound | Self::SecretNotFound => ErrorCode::SecretNotFound,
            Self::InvalidName(_) => ErrorCode::InvalidName,
            Self::Invalid(_) | Self::Base64 { .. } | Self::WrongOperation { .. } => ErrorCode::InvalidRequest,
            Self::TooLarge { .. } => ErrorCode::BodyTooLarge,
            Self::KeyExists | Self::Rotated | Self::Revoked => ErrorCode::Conflict,
            Self::TooMany { .. } | Self::TooManyVersions { .. } => ErrorCode::LimitExceeded,
            Self::NotSealedHere => ErrorCode::DecryptionFailed,
            Self::Damaged { .. } | Self::Crypto(_) => ErrorCode::Internal,
            Self::Audit(_) => ErrorCode::Unavailable,
            Self::Busy => ErrorCode::Overloaded,
            Self::Closed => ErrorCode::ShuttingDown,
            Self::Store(error) => error.code(),
        }
    }
}

impl From<OperationError> for SecretsError {
    fn from(error: OperationError) -> Self {
        match error {
            OperationError::KeyNotFound | OperationError::SecretNotFound => Self::NotFound,
            OperationError::InvalidName(_)
            | OperationError::Invalid(_)
            | OperationError::Base64 { .. }
            | OperationError::TooLarge { .. }
            | OperationError::WrongOperation { .. }
            | OperationError::KeyExists
            | OperationError::Rotated
            | OperationError::Revoked
            | OperationError::TooMany { .. }
            | OperationError::TooManyVersions { .. } => Self::Invalid(error.to_string()),
            OperationError::NotSealedHere => Self::NotSealedHere,
            OperationError::Damaged { .. }
            | OperationError::Crypto(_)
            | OperationError::Audit(_)
            | OperationError::Busy
            | OperationError::Closed
            | OperationError::Store(_) => Self::Unavailable(Box::new(error)),
        }
    }
}
