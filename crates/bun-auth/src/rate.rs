//! How often somebody may try to set up, register or sign in: by address and by account.

use crate::config::AuthConfig;
use crate::error::AuthError;
use crate::metrics;
use credentials::{Attempts, network};
use std::net::IpAddr;

/// Both limits.
pub(crate) struct Limits {
    addresses: Attempts,
    accounts: Attempts,
}

impl Limits {
    pub(crate) fn new(config: &AuthConfig) -> Self {
        Self {
            addresses: Attempts::per_minute(config.requests_per_minute_per_address),
            accounts: Attempts::per_minute(config.requests_per_minute_per_account),
        }
    }

    /// Counts an attempt from `address`.
    pub(crate) fn address(&self, address: IpAddr) -> Result<(), AuthError> {
        Ok(self.addresses.count(&network(address)).inspect_err(|_| metrics::rate_limited("address"))?)
    }

    /// Counts an attempt on the account of a normalised e-mail address, whether there is one or not.
    pub(crate) fn account(&self, email: &str) -> Result<(), AuthError> {
        Ok(self.accounts.count(&email).inspect_err(|_| metrics::rate_limited("account"))?)
    }
}
