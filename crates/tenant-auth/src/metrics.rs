//! Counters of end users; no project names.

use metrics::counter;

/// An end user signed in, or tried to.
pub(crate) fn login(outcome: &'static str) {
    counter!("bunbase_end_users_logins_total", "outcome" => outcome).increment(1);
}

/// A refresh token was exchanged, or was refused.
pub(crate) fn refresh(outcome: &'static str) {
    counter!("bunbase_end_users_refreshes_total", "outcome" => outcome).increment(1);
}

/// An attempt was refused because there were too many.
pub(crate) fn rate_limited(by: &'static str) {
    counter!("bunbase_end_users_rate_limited_total", "by" => by).increment(1);
}
