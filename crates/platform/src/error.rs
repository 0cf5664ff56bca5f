//! What can go wrong with projects, members, keys and the audit log.

use credentials::{InvalidEmail, TooMany};
use mail::MailError;
use ports::identity::IdentityError;
use service_kit::error::{ApiError, Classify, ErrorCode};
use service_kit::secret::NoRandomness;
use sql::SqlError;
use std::time::Duration;

/// An error of projects, members, keys or the audit log.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// No such project.
    #[error("there is no such project")]
    ProjectNotFound,
    /// No such key in this project.
    #[error("there is no such key in this project")]
    KeyNotFound,
    /// No such member in this project.
    #[error("there is no such member in this project")]
    MemberNotFound,
    /// No such invitation in this project.
    #[error("there is no such invitation in this project")]
    InvitationNotFound,
    /// The name is empty, too long or not printable.
    #[error("`name` must have 1 to 100 printable characters")]
    InvalidName,
    /// The address is malformed.
    #[error(transparent)]
    InvalidEmail(#[from] InvalidEmail),
    /// The wait before the old text of a key ends is too long.
    #[error("`grace_seconds` must be 0 to {max}")]
    InvalidGrace {
        /// The longest it may be.
        max: u32,
    },
    /// The account owns as many projects as it may.
    #[error("an account may own {limit} projects: delete one first")]
    TooManyProjects {
        /// How many it may.
        limit: u32,
    },
    /// The project has as many members and open invitations as it may.
    #[error("a project may have {limit} members and open invitations: remove one first")]
    TooManyMembers {
        /// How many it may.
        limit: u32,
    },
    /// The project has as many keys as it may.
    #[error("a project may have {limit} keys: revoke one first")]
    TooManyKeys {
        /// How many it may.
        limit: u32,
    },
    /// The account sent too many invitations.
    #[error("too many invitations: try again later")]
    TooManyInvitations(#[from] TooMany),
    /// Only an owner may do this to an owner.
    #[error("only an owner may name, change or remove owners: ask one")]
    OwnersOnly,
    /// The caller lost the role since the request began.
    #[error("your role in this project does not allow this: ask an owner of the project")]
    RoleTooLow,
    /// Nobody would own the project.
    #[error("a project has at least one owner: make another member an owner first")]
    LastOwner,
    /// The invited address is a member's.
    #[error("the account with this address is a member already: change its role instead")]
    AlreadyMember,
    /// The link was used, is too old, was replaced, or never was one.
    #[error("this invitation was used, taken back or is too old: ask for a new one")]
    InvitationInvalid,
    /// The invited address has an account, and nobody is signed in.
    #[error("the invited address has an account: sign in to it, then open the invitation again")]
    SignInToAccept,
    /// Somebody else is signed in.
    #[error(
        "the invitation is for another account than the one signed in: sign out, sign in to the invited one, and open it again"
    )]
    OtherAccount,
    /// The invited address has no account.
    #[error("the invited address has no account yet: send `password` and `name` to make one")]
    AccountMissing,
    /// A parameter of a list is malformed.
    #[error("`limit` must be 1 to 1000, and `cursor` a `next_cursor` of an earlier answer")]
    InvalidPage,
    /// A filter of the audit log is malformed.
    #[error(
        "`since` and `until` are RFC 3339 or milliseconds since 1970, `actor` is an id or an e-mail address, `action` has at most 200 characters"
    )]
    InvalidFilter,
    /// The route is for developers, and the caller is none.
    #[error("nobody is signed in: sign in first")]
    NoDeveloper,
    /// The route is for those who run the server.
    #[error("this is for administrators of the server")]
    AdministratorsOnly,
    /// The mail was not taken.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// Accounts could not be asked, or refused.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// No randomness for a key.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// A row of the store is not readable.
    #[error("the stored {what} is not readable")]
    Unreadable {
        /// Which column.
        what: &'static str,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] SqlError),
}

impl PlatformError {
    /// The answer to the caller, with the wait where there is one.
    pub(crate) fn answer(&self) -> ApiError {
        let error = ApiError::from_error(self);
        match self {
            Self::TooManyInvitations(TooMany { retry_after }) => error.retry_after(*retry_after),
            Self::Mail(MailError::QueueFull) => error.retry_after(MAIL_RETRY_AFTER),
            _ => error,
        }
    }
}

/// When a mail that was not taken is worth another try.
const MAIL_RETRY_AFTER: Duration = Duration::from_secs(5);

impl Classify for PlatformError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::ProjectNotFound => ErrorCode::ProjectNotFound,
            Self::KeyNotFound => ErrorCode::KeyNotFound,
            Self::MemberNotFound => ErrorCode::MemberNotFound,
            Self::InvitationNotFound => ErrorCode::AccountItemNotFound,
            Self::InvalidName => ErrorCode::InvalidName,
            Self::InvalidEmail(error) => error.code(),
            Self::TooManyProjects { .. } | Self::TooManyMembers { .. } | Self::TooManyKeys { .. } => {
                ErrorCode::LimitExceeded
            }
            Self::TooManyInvitations(_) => ErrorCode::RateLimited,
            Self::OwnersOnly | Self::RoleTooLow | Self::OtherAccount | Self::AdministratorsOnly => {
                ErrorCode::Forbidden
            }
            Self::LastOwner => ErrorCode::LastOwner,
            Self::AlreadyMember => ErrorCode::Conflict,
            Self::InvitationInvalid => ErrorCode::LinkInvalid,
            Self::InvalidPage | Self::InvalidFilter | Self::InvalidGrace { .. } | Self::AccountMissing => {
                ErrorCode::InvalidRequest
            }
            Self::NoDeveloper | Self::SignInToAccept => ErrorCode::Unauthenticated,
            Self::Mail(error) => error.code(),
            Self::Identity(error) => error.code(),
            Self::NoRandomness(_) | Self::Unreadable { .. } => ErrorCode::Internal,
            Self::Store(error) => error.code(),
        }
    }
}
