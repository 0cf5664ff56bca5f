//! Counters of accounts and sessions.

use metrics::counter;

/// A password was hashed or verified.
pub(crate) fn password_hashed() {
    counter!("bunbase_auth_password_hashes_total").increment(1);
}

/// Somebody signed in, or tried to.
pub(crate) fn login(outcome: &'static str) {
    counter!("bunbase_auth_logins_total", "outcome" => outcome).increment(1);
}

/// An attempt was refused because there were too many.
pub(crate) fn rate_limited(by: &'static str) {
    counter!("bunbase_auth_rate_limited_total", "by" => by).increment(1);
}
