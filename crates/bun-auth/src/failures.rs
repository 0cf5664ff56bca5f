//! Failed attempts by key: so many at once, then evenly over each minute (the generic cell rate algorithm,
//! ITU-T I.371). An attempt counts before it is made, so that many at the same time do not slip through,
//! and is taken back when it did not fail. Memory is bounded: keys fall into 65,536 buckets by a hash whose
//! seed is made at start.

use credentials::TooMany;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const MINUTE_US: i64 = 60_000_000;

/// The failures of one kind.
pub(crate) struct Failures {
    /// Microseconds that one failure takes to be forgotten.
    each_us: i64,
    /// When all failures of a bucket are forgotten, in microseconds since the epoch.
    forgotten_at: Mutex<HashMap<u16, i64>>,
    seed: RandomState,
}

impl Failures {
    pub(crate) fn per_minute(limit: NonZeroU32) -> Self {
        let each_us = (MINUTE_US / i64::from(limit.get())).max(1);
        Self { each_us, forgotten_at: Mutex::default(), seed: RandomState::new() }
    }

    /// Counts an attempt as failed until it is taken back.
    pub(crate) fn count(&self, key: &impl Hash, now_ms: i64) -> Result<(), TooMany> {
        let now = now_ms.saturating_mul(1000);
        let bucket = self.bucket(key);
        let mut buckets = self.buckets();
        let after = buckets.get(&bucket).copied().unwrap_or(now).max(now) + self.each_us;
        let over = after - now - MINUTE_US;
        if over > 0 {
            let wait = u64::try_from(over).unwrap_or_default();
            return Err(TooMany { retry_after: Duration::from_micros(wait) });
        }
        buckets.insert(bucket, after);
        Ok(())
    }

    /// Takes one back: it did not fail.
    pub(crate) fn take_back(&self, key: &impl Hash) {
        let bucket = self.bucket(key);
        if let Some(forgotten_at) = self.buckets().get_mut(&bucket) {
            *forgotten_at -= self.each_us;
        }
    }

    fn bucket(&self, key: &impl Hash) -> u16 {
        self.seed.hash_one(key) as u16
    }

    fn buckets(&self) -> MutexGuard<'_, HashMap<u16, i64>> {
        self.forgotten_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Failures {
        Failures::per_minute(NonZeroU32::new(3).unwrap())
    }

    #[test]
    fn failures_are_forgotten_evenly_over_a_minute() {
        let failures = three();
        for _ in 0..3 {
            failures.count(&"a", 1000).unwrap();
        }
        let TooMany { retry_after } = failures.count(&"a", 1000).unwrap_err();
        assert_eq!(retry_after, Duration::from_secs(20));
        assert!(failures.count(&"a", 20_999).is_err());
        failures.count(&"a", 21_000).unwrap();
        assert!(failures.count(&"a", 21_000).is_err());
        failures.count(&"b", 1000).unwrap();
    }

    #[test]
    fn what_did_not_fail_is_not_counted() {
        let failures = three();
        for _ in 0..100 {
            failures.count(&"a", 1000).unwrap();
            failures.take_back(&"a");
        }
    }

    #[test]
    fn memory_is_bounded_however_many_fail() {
        let failures = Failures::per_minute(NonZeroU32::MAX);
        for number in 0..200_000_u32 {
            failures.count(&number, 1000).unwrap();
        }
        assert!(failures.buckets().len() <= 1 << 16);
    }
}
