//! Rate limits that several servers keep together: each part of a window is a counter in a store that all of them reach.
//! An attempt is one increment there, and one more takes it back where it is refused; the counts of parts that are over
//! are read once. Servers whose clocks differ by more than a sixteenth of the window count in different parts.

use super::rate_limit::{Counter, Rate, Taken};
use async_trait::async_trait;
use aws_lc_rs::hmac;
use futures_util::future::try_join_all;
use metrics::counter;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

/// A store that needs longer is taken for away.
const ANSWER_TIME_MAX: Duration = Duration::from_millis(500);
/// How long one that was away is not asked.
const PAUSE_MS: i64 = 1_000;
/// Where the counters are, among the keys of a project.
const PREFIX: &str = "_bunbase/rate/";

/// Counters in a store that several servers share.
#[async_trait]
pub trait SharedCounts: Send + Sync {
    /// Adds to a counter, which begins with 0, and gives the sum; one that this makes is gone after `ttl`.
    ///
    /// # Errors
    /// The store does not answer.
    async fn add(&self, name: &str, by: i64, ttl: Duration) -> Result<i64, CountsAway>;

    /// What a counter says.
    ///
    /// # Errors
    /// The store does not answer.
    async fn get(&self, name: &str) -> Result<i64, CountsAway>;
}

/// The store does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the shared counts cannot be reached")]
pub struct CountsAway;

/// The store, as the limits of one application ask it.
pub(super) struct Shared {
    counts: Arc<dyn SharedCounts>,
    /// Names callers there.
    key: hmac::Key,
    away_until_ms: AtomicI64,
    is_away: AtomicBool,
}

impl Shared {
    pub(super) fn new(counts: Arc<dyn SharedCounts>, key: hmac::Key) -> Self {
        Self { counts, key, away_until_ms: AtomicI64::new(0), is_away: AtomicBool::new(false) }
    }

    /// Counts one attempt with the other servers.
    pub(super) async fn take(
        &self,
        counter: &Counter,
        caller: &impl Serialize,
        rate: Rate,
        now_ms: i64,
    ) -> Result<Taken, CountsAway> {
        let until_ms = self.away_until_ms.load(Ordering::Relaxed);
        // A clock that was set back makes no pause longer.
        let is_pausing = now_ms < until_ms && until_ms <= now_ms + PAUSE_MS;
        let taken = match is_pausing {
            true => Err(CountsAway),
            false => {
                let asked = tokio::time::timeout(ANSWER_TIME_MAX, self.ask(counter, caller, rate, now_ms));
                asked.await.unwrap_or(Err(CountsAway))
            }
        };
        if taken.is_err() {
            counter!("bunbase_rate_limits_counted_alone_total").increment(1);
        }
        if !is_pausing {
            self.told(taken.is_err(), now_ms);
        }
        taken
    }

    async fn ask(
        &self,
        counter: &Counter,
        caller: &impl Serialize,
        rate: Rate,
        now_ms: i64,
    ) -> Result<Taken, CountsAway> {
        let name = self.name(caller, rate);
        let part = counter.window().current(rate.part(now_ms));
        {
            let _turn = counter.turn.lock().await;
            let unknown = counter.window().unknown(part);
            let counts = try_join_all(unknown.map(|part| self.count(&name, part))).await?;
            counter.window().begin(part, counts);
        }
        if let Some(refused) = counter.window().refused(rate, now_ms) {
            return Ok(refused);
        }
        let at = format!("{name}{part}");
        let ttl = Duration::from_millis(rate.part_life_ms().unsigned_abs());
        let count = natural(self.counts.add(&at, 1, ttl).await?);
        let taken = counter.window().counted((part, count), rate, now_ms);
        if !taken.is_allowed {
            self.counts.add(&at, -1, ttl).await?;
        }
        Ok(taken)
    }

    async fn count(&self, name: &str, part: i64) -> Result<(i64, u32), CountsAway> {
        Ok((part, natural(self.counts.get(&format!("{name}{part}")).await?)))
    }

    /// A keyed hash: the store does not learn who calls.
    fn name(&self, caller: &impl Serialize, rate: Rate) -> String {
        let text = serde_json::to_vec(&(caller, rate)).unwrap_or_default();
        format!("{PREFIX}{}/", hex::encode(&hmac::sign(&self.key, &text).as_ref()[..16]))
    }

    /// Says once that the store is away, and once that it is back.
    fn told(&self, is_away: bool, now_ms: i64) {
        if is_away {
            self.away_until_ms.store(now_ms + PAUSE_MS, Ordering::Relaxed);
        }
        if self.is_away.swap(is_away, Ordering::Relaxed) != is_away {
            if is_away {
                tracing::warn!(
                    "the shared key-value store does not answer: rate limits count in this process"
                );
            } else {
                tracing::info!("rate limits count in the shared key-value store again");
            }
        }
    }
}

fn natural(count: i64) -> u32 {
    u32::try_from(count.max(0)).unwrap_or(u32::MAX)
}
