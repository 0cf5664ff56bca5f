//! How often somebody may try, all counted by project: from one network, on one account from one network,
//! on one account from everywhere, and how many mails one address gets. What must hold: nobody can keep a
//! user out for ever by trying wrong passwords, because the network from which the user signed in before
//! is not held up by what others do.

use crate::config::TenantAuthConfig;
use crate::error::TenantAuthError;
use crate::metrics;
use credentials::{Attempts, Email, SharedAttempts, network};
use quick_cache::sync::Cache;
use service_kit::ids::ProjectId;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;

/// Pairs of account and network that are remembered from successful sign-ins.
const FAMILIAR_MAX: usize = 50_000;

/// Who tries, and where.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    /// The project.
    pub(crate) project: ProjectId,
    /// The address; callers whose address is not known share one.
    pub(crate) address: IpAddr,
    /// Whether the project's own server or function asks, for many people from one address.
    pub(crate) is_backend: bool,
}

/// All limits.
pub(crate) struct Limits {
    networks: SharedAttempts,
    accounts: Attempts,
    everywhere: Attempts,
    mails: Attempts,
    familiar: Cache<u64, ()>,
    seed: RandomState,
}

impl Limits {
    pub(crate) fn new(config: &TenantAuthConfig) -> Self {
        Self {
            networks: SharedAttempts::default(),
            accounts: Attempts::per_minute(config.attempts_per_minute_per_account),
            everywhere: Attempts::per_minute(config.attempts_per_minute_per_account_everywhere),
            mails: Attempts::per_hour(config.mails_per_hour_per_address),
            familiar: Cache::new(FAMILIAR_MAX),
            seed: RandomState::new(),
        }
    }

    /// Counts a request from the visitor's network.
    pub(crate) fn visit(&self, visitor: &Visitor, per_minute: NonZeroU32) -> Result<(), TenantAuthError> {
        if visitor.is_backend {
            return Ok(());
        }
        let key = (&visitor.project, network(visitor.address));
        Ok(self.networks.count(&key, per_minute).inspect_err(|_| metrics::rate_limited("address"))?)
    }

    /// Counts an attempt on the account of an address, whether there is one or not.
    pub(crate) fn account(&self, visitor: &Visitor, email: &str) -> Result<(), TenantAuthError> {
        let email = Email::normal(email);
        let pair = self.pair(visitor, &email);
        self.accounts.count(&pair).inspect_err(|_| metrics::rate_limited("account"))?;
        if self.familiar.get(&pair).is_some() {
            return Ok(());
        }
        let everywhere = self.everywhere.count(&(&visitor.project, email));
        Ok(everywhere.inspect_err(|_| metrics::rate_limited("account_everywhere"))?)
    }

    /// Remembers that the user of the account is at home in the visitor's network.
    pub(crate) fn signed_in(&self, visitor: &Visitor, email: &str) {
        self.familiar.insert(self.pair(visitor, &Email::normal(email)), ());
    }

    /// Counts a mail to an address, whether one will be sent or not.
    pub(crate) fn mail(&self, project: &ProjectId, email: &str) -> Result<(), TenantAuthError> {
        let key = (project, Email::normal(email));
        Ok(self.mails.count(&key).inspect_err(|_| metrics::rate_limited("mail"))?)
    }

    fn pair(&self, visitor: &Visitor, email: &str) -> u64 {
        self.seed.hash_one((&visitor.project, network(visitor.address), email))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_cannot_keep_a_user_out_of_a_network_that_is_theirs() {
        let three = NonZeroU32::new(3).unwrap();
        let limits = Limits::new(&TenantAuthConfig {
            attempts_per_minute_per_account_everywhere: three,
            ..TenantAuthConfig::default()
        });
        let project = ProjectId::generate();
        let visitor = |last: u8| Visitor {
            project: project.clone(),
            address: IpAddr::from([192, 0, 2, last]),
            is_backend: false,
        };
        limits.signed_in(&visitor(1), "ada@example.com");
        let strangers = (10..30).filter(|last| limits.account(&visitor(*last), "ada@example.com").is_ok());
        assert_eq!(strangers.count(), 3);
        assert!(limits.account(&visitor(1), " ADA@example.com").is_ok());
        assert!(limits.account(&visitor(2), "ada@example.com").is_err());
        let elsewhere = Visitor { project: ProjectId::generate(), ..visitor(2) };
        assert!(limits.account(&elsewhere, "ada@example.com").is_ok());
    }
}
