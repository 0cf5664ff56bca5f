//! How often somebody may try: requests by network, and failed sign-ins by account. What must hold: a
//! stranger who tries wrong passwords does not keep the owner of the account out. Failures count by account
//! and network; those from everywhere together have a limit too, against many networks at once, which does
//! not hold up the networks that the owner signed in from before.

use crate::config::AuthConfig;
use crate::error::AuthError;
use crate::failures::Failures;
use crate::metrics;
use credentials::{Attempts, network};
use quick_cache::sync::Cache;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr};

/// Pairs of account and network that are remembered from sign-ins.
const FAMILIAR_MAX: usize = 50_000;

/// All limits.
pub(crate) struct Limits {
    networks: Attempts,
    by_network: Failures,
    everywhere: Failures,
    familiar: Cache<u64, ()>,
    seed: RandomState,
}

/// A sign-in under way. It counts as failed until it is said not to.
#[must_use]
pub(crate) struct SignInAttempt<'a> {
    limits: &'a Limits,
    account: String,
    network: IpAddr,
    /// Whether it counts among those from everywhere.
    is_strange: bool,
}

impl Limits {
    pub(crate) fn new(config: &AuthConfig) -> Self {
        Self {
            networks: Attempts::per_minute(config.requests_per_minute_per_address),
            by_network: Failures::per_minute(config.failures_per_minute_per_account_and_address),
            everywhere: Failures::per_minute(config.failures_per_minute_per_account),
            familiar: Cache::new(FAMILIAR_MAX),
            seed: RandomState::new(),
        }
    }

    /// Counts a request from `address`.
    pub(crate) fn address(&self, address: Option<IpAddr>) -> Result<(), AuthError> {
        let counted = self.networks.count(&known_network(address));
        Ok(counted.inspect_err(|_| metrics::rate_limited("address"))?)
    }

    /// Begins a sign-in to the account of a normalised e-mail address, whether there is one or not.
    pub(crate) fn sign_in(
        &self,
        account: String,
        address: Option<IpAddr>,
        now: i64,
    ) -> Result<SignInAttempt<'_>, AuthError> {
        let network = known_network(address);
        self.by_network
            .count(&(&account, network), now)
            .inspect_err(|_| metrics::rate_limited("account_and_address"))?;
        let is_strange = self.familiar.get(&self.pair(&account, network)).is_none();
        let attempt = SignInAttempt { limits: self, account, network, is_strange };
        if is_strange && let Err(error) = self.everywhere.count(&attempt.account, now) {
            metrics::rate_limited("account");
            self.by_network.take_back(&(&attempt.account, network));
            return Err(error.into());
        }
        Ok(attempt)
    }

    fn pair(&self, account: &str, network: IpAddr) -> u64 {
        self.seed.hash_one((account, network))
    }
}

impl SignInAttempt<'_> {
    /// It was the owner.
    pub(crate) fn succeeded(self) {
        self.limits.familiar.insert(self.limits.pair(&self.account, self.network), ());
        self.undecided();
    }

    /// The password was not looked at.
    pub(crate) fn undecided(self) {
        self.limits.by_network.take_back(&(&self.account, self.network));
        if self.is_strange {
            self.limits.everywhere.take_back(&self.account);
        }
    }
}

/// Callers whose address is not known share one.
fn known_network(address: Option<IpAddr>) -> IpAddr {
    network(address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    fn limits() -> Limits {
        Limits::new(&AuthConfig {
            failures_per_minute_per_account_and_address: NonZeroU32::new(3).unwrap(),
            failures_per_minute_per_account: NonZeroU32::new(5).unwrap(),
            ..AuthConfig::default()
        })
    }

    /// Whether an attempt was taken; it fails.
    fn fail(limits: &Limits, address: &str) -> bool {
        let address = Some(address.parse().unwrap());
        limits.sign_in("ada@example.com".to_owned(), address, 1000).is_ok()
    }

    #[test]
    fn a_stranger_does_not_keep_the_owner_out() {
        let limits = limits();
        assert_eq!((0..10).filter(|_| fail(&limits, "2001:db8::1")).count(), 3);
        assert!(!fail(&limits, "2001:db8::ffff"), "the same /64");
        assert!(fail(&limits, "192.0.2.1"), "another network");
    }

    #[test]
    fn many_networks_together_do_not_hold_up_one_the_owner_signed_in_from() {
        let limits = limits();
        let home = Some("192.0.2.1".parse().unwrap());
        limits.sign_in("ada@example.com".to_owned(), home, 1000).ok().unwrap().succeeded();
        let strangers = (0..50).filter(|number| fail(&limits, &format!("198.51.100.{number}")));
        assert_eq!(strangers.count(), 5);
        assert!(fail(&limits, "192.0.2.1"));
        assert!(!fail(&limits, "192.0.2.2"));
    }

    #[test]
    fn a_sign_in_that_was_not_decided_counts_nowhere() {
        let limits = limits();
        for _ in 0..50 {
            limits.sign_in("ada@example.com".to_owned(), None, 1000).ok().unwrap().undecided();
        }
    }
}
