//! How often somebody may try to set up, register or sign in: by address and by account. Memory is
//! bounded: keys fall into 65,536 buckets by a hash whose seed is made at start.

use crate::config::AuthConfig;
use crate::error::AuthError;
use crate::metrics;
use governor::clock::Clock;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;

/// The bits of an IPv6 address that name one customer's network.
const NETWORK_MASK: u128 = !0 << 64;

/// Both limits.
pub(crate) struct Limits {
    addresses: Buckets,
    accounts: Buckets,
}

impl Limits {
    pub(crate) fn new(config: &AuthConfig) -> Self {
        Self {
            addresses: Buckets::new(config.requests_per_minute_per_address),
            accounts: Buckets::new(config.requests_per_minute_per_account),
        }
    }

    /// Counts an attempt from `address`.
    pub(crate) fn address(&self, address: IpAddr) -> Result<(), AuthError> {
        self.addresses.count(&network(address)).inspect_err(|_| metrics::rate_limited("address"))
    }

    /// Counts an attempt on the account of a normalised e-mail address, whether there is one or not.
    pub(crate) fn account(&self, email: &str) -> Result<(), AuthError> {
        self.accounts.count(&email).inspect_err(|_| metrics::rate_limited("account"))
    }
}

/// An IPv4 address as it is, an IPv6 address by its /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & NETWORK_MASK)),
    }
}

struct Buckets {
    limiter: DefaultKeyedRateLimiter<u16>,
    seed: RandomState,
}

impl Buckets {
    fn new(per_minute: NonZeroU32) -> Self {
        Self { limiter: RateLimiter::keyed(Quota::per_minute(per_minute)), seed: RandomState::new() }
    }

    fn count(&self, key: &impl Hash) -> Result<(), AuthError> {
        let bucket = self.seed.hash_one(key) as u16;
        self.limiter.check_key(&bucket).map_err(|until| AuthError::RateLimited {
            retry_after: until.wait_time_from(self.limiter.clock().now()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn limits(per_minute: u32) -> Limits {
        let limit = NonZeroU32::new(per_minute).unwrap();
        Limits::new(&AuthConfig {
            requests_per_minute_per_address: limit,
            requests_per_minute_per_account: limit,
            ..AuthConfig::default()
        })
    }

    #[test]
    fn the_limit_holds_for_a_whole_ipv6_network_and_says_when_it_ends() {
        let limits = limits(2);
        let address = |text: &str| limits.address(text.parse().unwrap());
        address("2001:db8:1:2::1").unwrap();
        address("2001:db8:1:2:ffff::2").unwrap();
        let Err(AuthError::RateLimited { retry_after }) = address("2001:db8:1:2::3") else {
            panic!("the third attempt passed")
        };
        assert!(retry_after > Duration::from_secs(20) && retry_after <= Duration::from_secs(30));
        address("::ffff:192.0.2.1").unwrap();
        address("192.0.2.1").unwrap();
        assert!(address("192.0.2.1").is_err());
    }

    #[test]
    fn memory_is_bounded_however_many_try() {
        let limits = limits(1_000_000);
        for number in 0..200_000_u32 {
            limits.address(IpAddr::V4(number.into())).unwrap();
        }
        assert!(limits.addresses.limiter.len() <= 1 << 16);
    }
}
