//! How often somebody may try. Memory is bounded: keys fall into 65,536 buckets by a hash whose seed is
//! made at start.

use governor::clock::Clock;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

/// The bits of an IPv6 address that name one customer's network.
const NETWORK_MASK: u128 = !0 << 64;

/// The network that an address is counted by: IPv4 as it is, IPv6 by its /64.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & NETWORK_MASK)),
    }
}

/// There were too many attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many attempts: try again later")]
pub struct TooMany {
    /// Until the next attempt is taken.
    pub retry_after: Duration,
}

/// What one minute holds where each key has a limit of its own: an attempt takes its share of it.
const SHARES: NonZeroU32 = NonZeroU32::new(60_000).expect("not zero");

/// Attempts in a time and by key, whatever the keys are.
pub struct Attempts {
    limiter: DefaultKeyedRateLimiter<u16>,
    seed: RandomState,
}

impl Attempts {
    /// At most `limit` per minute; so many may come at once.
    pub fn per_minute(limit: NonZeroU32) -> Self {
        Self::with(Quota::per_minute(limit))
    }

    /// At most `limit` per hour; so many may come at once.
    pub fn per_hour(limit: NonZeroU32) -> Self {
        Self::with(Quota::per_hour(limit))
    }

    fn with(quota: Quota) -> Self {
        Self { limiter: RateLimiter::keyed(quota), seed: RandomState::new() }
    }

    /// Counts one.
    ///
    /// # Errors
    /// `TooMany`.
    pub fn count(&self, key: &impl Hash) -> Result<(), TooMany> {
        self.take(key, NonZeroU32::MIN)
    }

    /// A whole limit smaller than `cells` is never met.
    fn take(&self, key: &impl Hash, cells: NonZeroU32) -> Result<(), TooMany> {
        let bucket = self.seed.hash_one(key) as u16;
        let counted = self.limiter.check_key_n(&bucket, cells).unwrap_or(Ok(()));
        counted.map_err(|until| TooMany { retry_after: until.wait_time_from(self.limiter.clock().now()) })
    }
}

/// Attempts per minute where each caller says how many there may be of its kind.
pub struct SharedAttempts(Attempts);

impl Default for SharedAttempts {
    fn default() -> Self {
        Self(Attempts::per_minute(SHARES))
    }
}

impl SharedAttempts {
    /// The highest limit that is told from none.
    pub const LIMIT_MAX: u32 = SHARES.get();

    /// Counts one of at most `limit` per minute.
    ///
    /// # Errors
    /// `TooMany`.
    pub fn count(&self, key: &impl Hash, limit: NonZeroU32) -> Result<(), TooMany> {
        let share = NonZeroU32::new(SHARES.get() / limit).unwrap_or(NonZeroU32::MIN);
        self.0.take(key, share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_holds_for_a_whole_ipv6_network_and_says_when_it_ends() {
        let attempts = Attempts::per_minute(NonZeroU32::new(2).unwrap());
        let address = |text: &str| attempts.count(&network(text.parse().unwrap()));
        address("2001:db8:1:2::1").unwrap();
        address("2001:db8:1:2:ffff::2").unwrap();
        let TooMany { retry_after } = address("2001:db8:1:2::3").unwrap_err();
        assert!(retry_after > Duration::from_secs(20) && retry_after <= Duration::from_secs(30));
        address("::ffff:192.0.2.1").unwrap();
        address("192.0.2.1").unwrap();
        assert!(address("192.0.2.1").is_err());
    }

    #[test]
    fn each_key_may_have_a_limit_of_its_own() {
        let attempts = SharedAttempts::default();
        for (key, limit) in [("a", 3), ("b", 7)] {
            let limit = NonZeroU32::new(limit).unwrap();
            let taken = (0..20).filter(|_| attempts.count(&key, limit).is_ok()).count();
            assert_eq!(taken, limit.get() as usize);
        }
    }

    #[test]
    fn memory_is_bounded_however_many_try() {
        let attempts = Attempts::per_minute(NonZeroU32::new(1_000_000).unwrap());
        for number in 0..200_000_u32 {
            attempts.count(&number).unwrap();
        }
        assert!(attempts.limiter.len() <= 1 << 16);
    }
}
