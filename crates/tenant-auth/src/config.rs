//! Settings of end users that hold for the whole server; what a project sets is in `project_config`.

use serde::Deserialize;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};

/// Settings; each has a default.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenantAuthConfig {
    /// Whether the session cookie is for HTTPS only. Set it where the server is reached over HTTPS.
    pub secure_cookies: bool,
    /// Passwords hashed at once; each takes one core and 19 MiB.
    pub hash_slots: NonZeroUsize,
    /// Passwords that may wait for a slot; over it comes `overloaded`.
    pub hash_queue_max: usize,
    /// End users of one project.
    pub users_per_project_max: NonZeroU64,
    /// Sessions of one end user; one more ends the oldest.
    pub sessions_per_user_max: NonZeroU32,
    /// Passwords tried on one account from one address (IPv6: one /64), per minute.
    pub attempts_per_minute_per_account: NonZeroU32,
    /// The same from everywhere together; addresses from which the user signed in before are not held up.
    pub attempts_per_minute_per_account_everywhere: NonZeroU32,
    /// Mails to one address of one project, per hour.
    pub mails_per_hour_per_address: NonZeroU32,
}

const HASH_QUEUE_MAX: usize = 64;
const USERS_PER_PROJECT_MAX: NonZeroU64 = NonZeroU64::new(1_000_000).expect("not zero");
const SESSIONS_PER_USER_MAX: NonZeroU32 = NonZeroU32::new(50).expect("not zero");
const PER_ACCOUNT: NonZeroU32 = NonZeroU32::new(10).expect("not zero");
const PER_ACCOUNT_EVERYWHERE: NonZeroU32 = NonZeroU32::new(100).expect("not zero");
const MAILS_PER_HOUR: NonZeroU32 = NonZeroU32::new(10).expect("not zero");

impl Default for TenantAuthConfig {
    fn default() -> Self {
        Self {
            secure_cookies: false,
            hash_slots: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            hash_queue_max: HASH_QUEUE_MAX,
            users_per_project_max: USERS_PER_PROJECT_MAX,
            sessions_per_user_max: SESSIONS_PER_USER_MAX,
            attempts_per_minute_per_account: PER_ACCOUNT,
            attempts_per_minute_per_account_everywhere: PER_ACCOUNT_EVERYWHERE,
            mails_per_hour_per_address: MAILS_PER_HOUR,
        }
    }
}
