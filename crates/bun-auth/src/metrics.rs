//! Counters of accounts and sessions.

use metrics::counter;

/// Somebody signed in, or tried to.
pub(crate) fn login(outcome: &'static str) {
    counter!("bunbase_auth_logins_total", "outcome" => outcome).increment(1);
}

/// An attempt was refused because there were too many.
pub(crate) fn rate_limited(by: &'static str) {
    counter!("bunbase_auth_rate_limited_total", "by" => by).increment(1);
}
