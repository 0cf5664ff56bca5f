//! When a failed attempt is made again: exponential backoff with full jitter between a floor and a ceiling
//! (AWS Architecture Blog, "Exponential Backoff And Jitter").

use serde::{Deserialize, Serialize};

/// How often a job is tried, and how long it waits in between. After attempt `n` it waits a random time
/// between `floor_ms` and `floor_ms * 2^n`, never more than `ceiling_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RetryPolicy {
    /// Attempts in all, at least 1 and at most 100. With 1 a job whose process is killed is a dead letter.
    pub attempts_max: u32,
    /// The shortest wait, at least 1 ms.
    pub floor_ms: u64,
    /// The longest wait.
    pub ceiling_ms: u64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts_max: 4, floor_ms: 1_000, ceiling_ms: 10 * 60 * 1_000 }
    }
}

impl RetryPolicy {
    /// The wait after attempt `attempt` (from 1) failed; `random` is from 0 to 1.
    pub(crate) fn wait_ms(&self, attempt: u32, random: f64) -> u64 {
        let doubled = self.floor_ms.saturating_mul(1_u64.checked_shl(attempt).unwrap_or(u64::MAX));
        let longest = doubled.min(self.ceiling_ms).max(self.floor_ms);
        self.floor_ms + ((longest - self.floor_ms) as f64 * random) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_between_floor_and_ceiling() {
        let policy = RetryPolicy { attempts_max: 10, floor_ms: 100, ceiling_ms: 1_000 };
        let longest: Vec<_> = (1..=5).map(|attempt| policy.wait_ms(attempt, 1.0)).collect();
        assert_eq!(longest, [200, 400, 800, 1_000, 1_000]);
        assert_eq!(policy.wait_ms(3, 0.0), 100);
        assert_eq!(policy.wait_ms(3, 0.5), 450);
        assert_eq!(policy.wait_ms(100, 1.0), 1_000);
    }

    #[test]
    fn a_ceiling_below_the_floor_gives_the_floor() {
        let policy = RetryPolicy { attempts_max: 2, floor_ms: 500, ceiling_ms: 10 };
        assert_eq!(policy.wait_ms(1, 1.0), 500);
    }
}
