//! Settings of accounts and sessions.

use serde::{Deserialize, Serialize};
use std::num::{NonZeroU32, NonZeroUsize};

/// Who may make an account once set-up is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Everybody.
    Open,
    /// Whoever was invited.
    Invite,
    /// Nobody.
    Closed,
}

impl Registration {
    /// The mode as it is written in settings and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Invite => "invite",
            Self::Closed => "closed",
        }
    }
}

/// Settings; each has a default.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// Who may make an account.
    pub registration: Registration,
    /// Whether the session cookie is for HTTPS only. Set it where the server is reached over HTTPS.
    pub secure_cookies: bool,
    /// Days until a session ends by itself.
    pub session_days: NonZeroU32,
    /// Sessions of one account; one more ends the oldest.
    pub sessions_per_account_max: NonZeroU32,
    /// API tokens of one account; over it comes `limit_exceeded`.
    pub tokens_per_account_max: NonZeroU32,
    /// Passwords hashed at once; each takes one core and 19 MiB.
    pub hash_slots: NonZeroUsize,
    /// Passwords that may wait for a slot; over it comes `overloaded`.
    pub hash_queue_max: usize,
    /// Requests to set up, register, sign in, and change or reset a password, from one address (IPv6: one
    /// /64), per minute.
    pub requests_per_minute_per_address: NonZeroU32,
    /// Sign-ins to one account with a wrong password, from one address (IPv6: one /64), per minute.
    pub failures_per_minute_per_account_and_address: NonZeroU32,
    /// The same from all addresses together, but for those that the account was signed in from before.
    pub failures_per_minute_per_account: NonZeroU32,
    /// Mails that one e-mail address can be made to get in an hour, by asking for a new password or for an
    /// account.
    pub mails_per_hour_per_account: NonZeroU32,
}

const fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("not zero")
}

const HASH_QUEUE_MAX: usize = 64;

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            registration: Registration::Invite,
            secure_cookies: false,
            session_days: const { number(30) },
            sessions_per_account_max: const { number(100) },
            tokens_per_account_max: const { number(100) },
            hash_slots: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            hash_queue_max: HASH_QUEUE_MAX,
            requests_per_minute_per_address: const { number(30) },
            failures_per_minute_per_account_and_address: const { number(10) },
            failures_per_minute_per_account: const { number(100) },
            mails_per_hour_per_account: const { number(5) },
        }
    }
}
