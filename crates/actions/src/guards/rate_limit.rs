//! How often a caller may start a handler: never more than `limit` in any `window_ms`. Counts are kept by sixteenths of
//! the window, so that who has used all of it waits up to a sixteenth longer. Memory is bounded: the keys that were
//! used least are forgotten. Several servers count together where they share a store ([`SharedCounts`]), and each for
//! itself where there is none or it does not answer.

use super::shared::{CountsAway, Shared, SharedCounts};
use aws_lc_rs::hmac;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use quick_cache::sync::Cache;
use serde::Serialize;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Callers that are counted at once.
const KEYS_MAX: usize = 65_536;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Counts of all callers of an application.
pub(crate) struct RateLimits {
    counters: Cache<u64, Arc<Counter>>,
    /// Made at start, so that nobody can choose keys that meet.
    seed: RandomState,
    shared: Option<Shared>,
}

/// Parts of a window, and one more that lies in it partly.
const PARTS: i64 = 16;
const COUNTS: i64 = PARTS + 1;

/// What is known of one caller.
#[derive(Default)]
pub(super) struct Counter {
    window: Mutex<Window>,
    /// One asks the others' store for parts that are over.
    pub(super) turn: tokio::sync::Mutex<()>,
}

impl Counter {
    pub(super) fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a caller may do: so many attempts in so many milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct Rate {
    pub(crate) limit: u32,
    pub(crate) window_ms: i64,
}

impl Rate {
    pub(super) fn part_ms(self) -> i64 {
        (self.window_ms + PARTS - 1) / PARTS
    }

    /// The part that a moment is in, since the epoch.
    pub(super) fn part(self, now_ms: i64) -> i64 {
        now_ms / self.part_ms()
    }

    /// How long the count of a part is of use.
    pub(super) fn part_life_ms(self) -> i64 {
        self.part_ms() * (COUNTS + 1)
    }
}

#[derive(Default)]
pub(super) struct Window {
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
    /// `key` names callers in the store of several servers, so that it does not tell who they are.
    pub(crate) fn new(shared: Option<Arc<dyn SharedCounts>>, key: hmac::Key) -> Self {
        let shared = shared.map(|counts| Shared::new(counts, key));
        Self { counters: Cache::new(KEYS_MAX), seed: RandomState::new(), shared }
    }

    /// Counts one attempt of `caller` where it is within the limit.
    pub(crate) async fn take(&self, caller: &(impl Hash + Serialize), rate: Rate, now_ms: i64) -> Taken {
        let key = self.seed.hash_one((caller, rate));
        let counter =
            self.counters.get_or_insert_with(&key, || Ok::<_, std::convert::Infallible>(Arc::default()));
        let Ok(counter) = counter;
        let together = match &self.shared {
            Some(shared) => shared.take(&counter, caller, rate, now_ms).await,
            None => Err(CountsAway),
        };
        together.unwrap_or_else(|CountsAway| counter.window().take(rate, now_ms))
    }
}

impl Window {
    /// Counts one attempt where it is within the limit.
    fn take(&mut self, rate: Rate, now_ms: i64) -> Taken {
        self.advance(rate.part(now_ms));
        let used = self.used();
        let taken = self.taken(used, rate, now_ms);
        if taken.is_allowed {
            self.counts[slot(self.newest)] += 1;
        }
        taken
    }

    /// What is before `part` and after the window that ends with it does not count any more. A clock that was set back
    /// counts on in the part that it was in.
    fn advance(&mut self, part: i64) {
        for passed in (self.newest + 1..=part).rev().take(self.counts.len()) {
            self.counts[slot(passed)] = 0;
        }
        self.newest = self.newest.max(part);
    }

    /// The part that an attempt at `part` is counted in.
    pub(super) fn current(&self, part: i64) -> i64 {
        self.newest.max(part)
    }

    /// The parts whose last counts are not known here when `part` begins.
    pub(super) fn unknown(&self, part: i64) -> std::ops::Range<i64> {
        self.newest.max(part - PARTS)..part
    }

    /// Begins `part`, with the counts of those before it.
    pub(super) fn begin(&mut self, part: i64, counts: impl IntoIterator<Item = (i64, u32)>) {
        self.advance(part);
        for (part, count) in counts {
            self.know(part, count);
        }
    }

    fn know(&mut self, part: i64, count: u32) {
        if self.newest - part < COUNTS {
            let known = &mut self.counts[slot(part)];
            *known = count.max(*known);
        }
    }

    /// That there is no room, as far as is known here.
    pub(super) fn refused(&self, rate: Rate, now_ms: i64) -> Option<Taken> {
        Some(self.taken(self.used(), rate, now_ms)).filter(|taken| !taken.is_allowed)
    }

    /// An attempt was counted elsewhere: `part` has `count` with it. One that is refused does not stay counted.
    pub(super) fn counted(&mut self, (part, count): (i64, u32), rate: Rate, now_ms: i64) -> Taken {
        self.know(part, count);
        let used = self.used().saturating_sub(1);
        let taken = self.taken(used, rate, now_ms);
        if !taken.is_allowed {
            let known = &mut self.counts[slot(part)];
            *known = known.saturating_sub(used.saturating_add(1) - rate.limit);
        }
        taken
    }

    fn used(&self) -> u32 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// What becomes of an attempt before which there were `used`.
    fn taken(&self, used: u32, rate: Rate, now_ms: i64) -> Taken {
        let limit = rate.limit;
        let is_allowed = used < limit;
        let last = if is_allowed { self.newest } else { self.freeing(used - limit + 1) };
        let remaining = limit.saturating_sub(used.saturating_add(1));
        Taken { is_allowed, limit, remaining, reset_ms: (last + COUNTS) * rate.part_ms() - now_ms }
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
    use async_trait::async_trait;
    use futures_util::future::join_all;
    use std::collections::HashMap;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::time::Duration;

    fn limits(shared: Option<Arc<dyn SharedCounts>>) -> RateLimits {
        RateLimits::new(shared, hmac::Key::new(hmac::HMAC_SHA256, b"secret"))
    }

    #[tokio::test]
    async fn the_limit_holds_for_each_key_and_says_when_it_ends() {
        let (limits, rate) = (limits(None), Rate { limit: 3, window_ms: 60_000 });
        let mut taken = Vec::new();
        for _ in 0..4 {
            taken.push(limits.take(&"a", rate, 0).await);
        }
        assert!(taken[..3].iter().all(|taken| taken.is_allowed) && !taken[3].is_allowed);
        assert!(limits.take(&"b", rate, 0).await.is_allowed);
        let mut headers = HeaderMap::new();
        let refused = taken.pop().unwrap();
        refused.write(&mut headers);
        assert_eq!(headers["ratelimit-limit"], "3");
        assert_eq!(headers["ratelimit-remaining"], "0");
        assert_eq!(headers["retry-after"], headers["ratelimit-reset"]);
        assert!(limits.take(&"a", rate, refused.reset_ms).await.is_allowed);
        assert!(!limits.take(&"a", Rate { limit: 0, ..rate }, 0).await.is_allowed);
    }

    #[tokio::test]
    async fn memory_is_bounded() {
        let limits = limits(None);
        for key in 0..KEYS_MAX * 2 {
            limits.take(&key, Rate { limit: 1, window_ms: 1_000 }, 0).await;
        }
        assert!(limits.counters.len() <= KEYS_MAX);
    }

    /// A store of several servers.
    #[derive(Default)]
    struct Store {
        counts: Mutex<HashMap<String, i64>>,
        is_away: AtomicBool,
    }

    #[async_trait]
    impl SharedCounts for Store {
        async fn add(&self, name: &str, by: i64, _ttl: Duration) -> Result<i64, CountsAway> {
            tokio::task::yield_now().await;
            if self.is_away.load(Relaxed) {
                return Err(CountsAway);
            }
            let mut counts = self.counts.lock().unwrap();
            let count = counts.entry(name.to_owned()).or_default();
            *count += by;
            Ok(*count)
        }

        async fn get(&self, name: &str) -> Result<i64, CountsAway> {
            tokio::task::yield_now().await;
            let counts = self.counts.lock().unwrap();
            if self.is_away.load(Relaxed) {
                Err(CountsAway)
            } else {
                Ok(counts.get(name).copied().unwrap_or(0))
            }
        }
    }

    #[tokio::test]
    async fn servers_with_one_store_share_a_limit_and_go_on_alone_without_it() {
        let store = Arc::new(Store::default());
        let servers = [limits(Some(store.clone())), limits(Some(store.clone()))];
        let (rate, start) = (Rate { limit: 10, window_ms: 1_600 }, 1_000_000);
        let (mut times, mut now_ms) = (Vec::new(), start);
        while now_ms < start + 8_000 {
            let at_once =
                servers.iter().cycle().take(4).map(|server| server.take(&"192.0.2.7", rate, now_ms));
            let taken = join_all(at_once).await;
            times.extend(taken.iter().filter(|taken| taken.is_allowed).map(|_| now_ms));
            now_ms += 70;
        }
        for at in &times {
            let within = times.iter().filter(|time| (*at..at + rate.window_ms).contains(*time)).count();
            assert!(within <= 10, "{within} from {at} on");
        }
        assert!(times.len() >= 40, "{} in five windows", times.len());
        assert!(store.counts.lock().unwrap().keys().all(|name| !name.contains("192.0.2.7")));

        store.is_away.store(true, Relaxed);
        let later = now_ms + 10_000;
        for server in &servers {
            let mut allowed = 0;
            for _ in 0..20 {
                allowed += usize::from(server.take(&"192.0.2.7", rate, later).await.is_allowed);
            }
            assert_eq!(allowed, 10, "each for itself");
        }
        store.is_away.store(false, Relaxed);
        let back = later + 10_000;
        let mut allowed = 0;
        for server in servers.iter().cycle().take(40) {
            allowed += usize::from(server.take(&"192.0.2.7", rate, back).await.is_allowed);
        }
        assert_eq!(allowed, 10, "together again");
    }

    proptest::proptest! {
        #[test]
        fn no_window_has_more_than_the_limit(
            steps in proptest::collection::vec(0_i64..300, 1..400), limit in 1_u32..50, window_ms in 20_i64..1_500,
        ) {
            let rate = Rate { limit, window_ms };
            let (mut window, mut now_ms, mut times) = (Window::default(), 1_000_000, Vec::new());
            for step in steps {
                now_ms += step;
                let taken = window.take(rate, now_ms);
                if taken.is_allowed {
                    times.push(now_ms);
                } else {
                    now_ms += taken.reset_ms;
                    proptest::prop_assert!(window.take(rate, now_ms).is_allowed);
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
