//! Settings of projects, members and keys.

use serde::Deserialize;
use std::num::NonZeroU32;
use std::time::Duration;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Settings; each has a default.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlatformConfig {
    /// Projects that one account may own.
    pub projects_per_account_max: u32,
    /// Members and open invitations of one project.
    pub members_per_project_max: u32,
    /// Keys that one project may have.
    pub keys_per_project_max: u32,
    /// Days until an invitation can no longer be accepted.
    pub invitation_days: NonZeroU32,
    /// Invitations that one account may send per minute.
    pub invitations_per_minute_per_account: NonZeroU32,
    /// Days that entries of the audit log are kept.
    pub audit_days: NonZeroU32,
    /// Wait before a store that could not remove a project is asked again, in ms; doubles each time.
    pub purge_backoff_ms: u64,
    /// The longest such wait, in ms.
    pub purge_backoff_max_ms: u64,
    /// Wait between the answers of all stores and the second round, in ms: it removes what was being
    /// written while the project was deleted.
    pub purge_again_after_ms: u64,
}

const INVITATION_DAYS: NonZeroU32 = NonZeroU32::new(7).expect("not zero");
const INVITATIONS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(30).expect("not zero");
const AUDIT_DAYS: NonZeroU32 = NonZeroU32::new(400).expect("not zero");

impl Default for PlatformConfig {
    fn default() -> Self {
        Self {
            projects_per_account_max: 100,
            members_per_project_max: 100,
            keys_per_project_max: 100,
            invitation_days: INVITATION_DAYS,
            invitations_per_minute_per_account: INVITATIONS_PER_MINUTE,
            audit_days: AUDIT_DAYS,
            purge_backoff_ms: 1_000,
            purge_backoff_max_ms: 300_000,
            purge_again_after_ms: 60_000,
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

    /// When an invitation made `now` ends.
    pub(crate) fn invitation_end(&self, now: i64) -> i64 {
        now + i64::from(self.invitation_days.get()) * DAY_MS
    }

    /// Entries of the audit log older than this are removed.
    pub(crate) fn audit_start(&self, now: i64) -> i64 {
        now - i64::from(self.audit_days.get()) * DAY_MS
    }

    /// When the second round of purges begins.
    pub(crate) fn purge_again_at(&self, now: i64) -> i64 {
        now.saturating_add(i64::try_from(self.purge_again_after_ms).unwrap_or(i64::MAX))
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
