//! Counters of projects and keys.

use metrics::counter;

/// A store was asked to remove a project.
pub(crate) fn purge(outcome: &'static str) {
    counter!("bunbase_platform_purges_total", "outcome" => outcome).increment(1);
}

/// A key was not known.
pub(crate) fn unknown_key() {
    counter!("bunbase_platform_unknown_keys_total").increment(1);
}
