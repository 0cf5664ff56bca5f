//! How often a caller may start a handler: never more than `limit` in any `window_ms`. Counts are kept by sixteenths of
//! the window, so that who has used all of it waits up to a sixteenth longer. Memory is bounded: the keys that were
//! used least are forgotten. Each process counts for itself.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use quick_cache::sync::Cache;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

/// Callers that are counted at once.
const KEYS_MAX: usize = 65_536;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Counts of all callers of an application.
pub(crate) struct RateLimits {
    windows: Cache<u64, Arc<Mutex<Window>>>,
    /// Made at start, so that nobody can choose keys that meet.
    seed: RandomState,
}

/// Parts of a window, and one more that lies in it partly.
const PARTS: i64 = 16;
const COUNTS: i64 = PARTS + 1;

#[derive(Default)]
struct Window {
    /// The part that was counted last, since the epoch.
    newest: i64,
    /// By the part's number modulo how many there are.
    counts: [u32; COUNTS as usize],
}

/// What became of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) is_allowed: bool,
    limit: u32,
    remaining: u32,
    /// Milliseconds until there is room for one more where it was refused, else until the whole limit is there again.
    pub(crate) reset_ms: i64,
}

impl RateLimits {
    pub(crate) fn new() -> Self {
        Self { windows: Cache::new(KEYS_MAX), seed: RandomState::new() }
    }

    /// Counts one attempt of `key` where it is within the limit.
    pub(crate) fn take(&self, key: &impl Hash, limit: u32, window_ms: i64, now_ms: i64) -> Taken {
        let key = self.seed.hash_one((key, limit, window_ms));
        let window =
            self.windows.get_or_insert_with(&key, || Ok::<_, std::convert::Infallible>(Arc::default()));
        let Ok(window) = window;
        let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
        window.take(limit, window_ms, now_ms)
    }
}

impl Window {
    fn take(&mut self, limit: u32, window_ms: i64, now_ms: i64) -> Taken {
        let part_ms = (window_ms + PARTS - 1) / PARTS;
        let part = now_ms / part_ms;
        for passed in (self.newest + 1..=part).rev().take(self.counts.len()) {
            self.counts[slot(passed)] = 0;
        }
        // A clock that was set back counts on in the part that it was in.
        self.newest = self.newest.max(part);
        let used: u32 = self.counts.iter().sum();
        let is_allowed = used < limit;
        let last = if is_allowed { self.newest } else { self.freeing(used - limit + 1) };
        if is_allowed {
            self.counts[slot(self.newest)] += 1;
        }
        let remaining = limit.saturating_sub(used + 1);
        Taken { is_allowed, limit, remaining, reset_ms: (last + COUNTS) * part_ms - now_ms }
    }

    /// The part with whose end so many attempts do not count any more.
    fn freeing(&self, mut attempts: u32) -> i64 {
        let oldest = self.newest - PARTS;
        let is_enough = |part: &i64| {
            attempts = attempts.saturating_sub(self.counts[slot(*part)]);
            attempts == 0
        };
        (oldest..self.newest).find(is_enough).unwrap_or(self.newest)
    }
}

fn slot(part: i64) -> usize {
    part.rem_euclid(COUNTS) as usize
}

impl Taken {
    /// Writes what it says into the headers of an answer; of several limits, the one with least room.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        let told = headers.get(REMAINING).and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
        if self.is_allowed && told.is_some_and(|told| told <= self.remaining) {
            return;
        }
        let reset_s = (self.reset_ms + 999) / 1_000;
        headers.insert(LIMIT, HeaderValue::from(self.limit));
        headers.insert(REMAINING, HeaderValue::from(self.remaining));
        headers.insert(RESET, HeaderValue::from(reset_s));
        if !self.is_allowed {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(reset_s));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_holds_for_each_key_and_says_when_it_ends() {
        let limits = RateLimits::new();
        let mut taken = (0..4).map(|_| limits.take(&"a", 3, 60_000, 0)).collect::<Vec<_>>();
        assert!(taken[..3].iter().all(|taken| taken.is_allowed) && !taken[3].is_allowed);
        assert!(limits.take(&"b", 3, 60_000, 0).is_allowed);
        let mut headers = HeaderMap::new();
        let refused = taken.pop().unwrap();
        refused.write(&mut headers);
        assert_eq!(headers["ratelimit-limit"], "3");
        assert_eq!(headers["ratelimit-remaining"], "0");
        assert_eq!(headers["retry-after"], headers["ratelimit-reset"]);
        assert!(limits.take(&"a", 3, 60_000, refused.reset_ms).is_allowed);
        assert!(!RateLimits::new().take(&"a", 0, 60_000, 0).is_allowed);
    }

    #[test]
    fn memory_is_bounded() {
        let limits = RateLimits::new();
        for key in 0..KEYS_MAX * 2 {
            limits.take(&key, 1, 1_000, 0);
        }
        assert!(limits.windows.len() <= KEYS_MAX);
    }

    proptest::proptest! {
        #[test]
        fn no_window_has_more_than_the_limit(
            steps in proptest::collection::vec(0_i64..300, 1..400), limit in 1_u32..50, window_ms in 20_i64..1_500,
        ) {
            let (mut window, mut now_ms, mut times) = (Window::default(), 1_000_000, Vec::new());
            for step in steps {
                now_ms += step;
                let taken = window.take(limit, window_ms, now_ms);
                if taken.is_allowed {
                    times.push(now_ms);
                } else {
                    now_ms += taken.reset_ms;
                    proptest::prop_assert!(window.take(limit, window_ms, now_ms).is_allowed);
                    times.push(now_ms);
                }
            }
            for start in &times {
                let within = times.iter().filter(|time| (*start..start + window_ms).contains(*time)).count();
                proptest::prop_assert!(within <= limit as usize);
            }
        }
    }
}
