//! Settings of projects and keys.

use serde::Deserialize;
use std::time::Duration;

/// Settings; each has a default.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlatformConfig {
    /// Projects that one account may own.
    pub projects_per_account_max: u32,
    /// Keys that one project may have.
    pub keys_per_project_max: u32,
    /// Wait before a store that could not remove a project is asked again, in ms; doubles each time.
    pub purge_backoff_ms: u64,
    /// The longest such wait, in ms.
    pub purge_backoff_max_ms: u64,
}

impl Default for PlatformConfig {
    fn default() -> Self {
        Self {
            projects_per_account_max: 100,
            keys_per_project_max: 100,
            purge_backoff_ms: 1_000,
            purge_backoff_max_ms: 300_000,
        }
    }
}

impl PlatformConfig {
    /// The wait after `attempts` failures.
    pub(crate) fn purge_backoff(&self, attempts: u32) -> Duration {
        let doublings = attempts.saturating_sub(1).min(u64::BITS - 1);
        let wait_ms = self.purge_backoff_ms.saturating_mul(1 << doublings);
        Duration::from_millis(wait_ms.min(self.purge_backoff_max_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_limit() {
        let config = PlatformConfig::default();
        let waits: Vec<_> = [1, 2, 3, 9, 10, u32::MAX].map(|n| config.purge_backoff(n).as_secs()).into();
        assert_eq!(waits, [1, 2, 4, 256, 300, 300]);
    }
}
