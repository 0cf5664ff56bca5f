//! Developers: who a session or an API token belongs to, and their accounts. Asked by whoever decides
//! about access and by whoever invites people.

use crate::action::ScopeSet;
use async_trait::async_trait;
use secrecy::SecretString;
use service_kit::error::{Classify, ErrorCode};
use service_kit::ids::{TokenId, UserId};

/// A developer's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub user: UserId,
    /// Address, in the form it is compared in.
    pub email: String,
    /// Name.
    pub name: String,
    /// Whether the account runs this server.
    pub is_instance_admin: bool,
}

/// Whom an API token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenHolder {
    /// The token.
    pub token: TokenId,
    /// The account.
    pub user: UserId,
    /// What it may be used for.
    pub scopes: ScopeSet,
}

/// An account to be made.
#[derive(Debug)]
pub struct NewAccount {
    /// Address; whoever asks vouches that it is the person's own.
    pub email: String,
    /// Password, as it was typed.
    pub password: SecretString,
    /// Name.
    pub name: String,
}

/// An account and a session that was opened for it.
#[derive(Debug)]
pub struct SignedIn {
    /// The account.
    pub account: Account,
    /// The session's token, for the cookie.
    pub session: SecretString,
}

/// Why identity gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// It could not be looked up.
    #[error("the identity of the caller could not be looked up")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It was refused; the code and the text are for the caller.
    #[error("{message}")]
    Refused {
        /// Why, for programs.
        code: ErrorCode,
        /// Why, for people.
        message: String,
    },
}

impl Classify for IdentityError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Unavailable(_) => ErrorCode::Unavailable,
            Self::Refused { code, .. } => *code,
        }
    }
}

/// Accounts, sessions and API tokens of developers.
#[async_trait]
pub trait DeveloperIdentity: Send + Sync {
    /// The account of a session that is valid now; `None` for an unknown, expired or revoked one.
    ///
    /// # Errors
    /// The store could not be read.
    async fn session_user(&self, token: &SecretString) -> Result<Option<UserId>, IdentityError>;

    /// The holder of an API token that is valid now; `None` for an unknown, expired or revoked one.
    ///
    /// # Errors
    /// The store could not be read.
    async fn token_holder(&self, token: &SecretString) -> Result<Option<TokenHolder>, IdentityError>;

    /// The accounts with these ids, those that exist, in any order.
    ///
    /// # Errors
    /// The store could not be read.
    async fn accounts(&self, users: &[UserId]) -> Result<Vec<Account>, IdentityError>;

    /// The account with this address.
    ///
    /// # Errors
    /// The address is malformed; the store could not be read.
    async fn account_by_email(&self, email: &str) -> Result<Option<Account>, IdentityError>;

    /// Makes an account, whatever registration is set to, and opens a session for it.
    ///
    /// # Errors
    /// Address or password are refused; the account exists; the store could not be written.
    async fn register(&self, account: NewAccount) -> Result<SignedIn, IdentityError>;

    /// Opens a session.
    ///
    /// # Errors
    /// `invalid_credentials` in the same time for unknown and known addresses; rate limits.
    async fn log_in(&self, email: &str, password: &SecretString) -> Result<SignedIn, IdentityError>;
}
