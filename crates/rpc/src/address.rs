//! Where a service of another process is: `host:port` or `http://host:port`, for gRPC and HTTP alike.
//! Owns the names that addresses had in the environment of the earlier system.

use crate::service::Service;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The text is no address of a service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no address of a service: write host:port or http://host:port (put TLS in front with a proxy)"
)]
pub struct InvalidAddress(String);

/// An address, as `http://host:port`.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address(String);

impl Address {
    /// Takes `text` if it is an address.
    ///
    /// # Errors
    /// `InvalidAddress` where there is a path, another scheme, or no port.
    pub fn parse(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = || InvalidAddress(text.to_owned());
        let authority = text.strip_prefix("http://").unwrap_or(text);
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let parsed: http::uri::Authority = authority.parse().map_err(|_| invalid())?;
        let complete = parsed.port_u16().is_some() && !parsed.host().is_empty() && !authority.contains('@');
        if complete { Ok(Self(format!("http://{authority}"))) } else { Err(invalid()) }
    }

    /// `http://host:port`, without a slash at the end.
    pub fn as_url(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Address {
    type Error = InvalidAddress;

    fn try_from(text: String) -> Result<Self, InvalidAddress> {
        Self::parse(&text)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.0
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Variables of the earlier system and the service they name; of two for one service the first that is set
/// counts.
const VARIABLES: &[(&str, Service)] = &[
    ("PLATFORM_BUNDOC_RPC_ADDR", Service::BundocServer),
    ("TENANTAUTH_BUNDOC_RPC_ADDR", Service::BundocServer),
    ("PLATFORM_BUNDOC_URL", Service::BundocServer),
    ("TENANTAUTH_BUNDOC_URL", Service::BundocServer),
    ("PLATFORM_FUNCTIONS_RPC_ADDR", Service::Functions),
    ("PLATFORM_FUNCTIONS_URL", Service::Functions),
    ("PLATFORM_BUNDER_RPC_ADDR", Service::BunderManager),
    ("PLATFORM_BUNDER_MANAGER_URL", Service::BunderManager),
    ("TENANTAUTH_BUNKMS_RPC_ADDR", Service::BunKms),
    ("TENANTAUTH_BUNKMS_URL", Service::BunKms),
    ("PLATFORM_AUTH_URL", Service::BunAuth),
    ("TENANT_AUTH_URL", Service::TenantAuth),
];

/// The setting (`rpc.addresses.<service>`) and the text of each address that the earlier system's variables
/// give. They stand below the settings' own names: apply them first.
pub fn addresses_from_environment(variable: impl Fn(&str) -> Option<String>) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for (name, service) in VARIABLES {
        let setting = format!("rpc.addresses.{service}");
        let is_new = !found.iter().any(|(earlier, _)| *earlier == setting);
        if let Some(text) = variable(name).filter(|text| is_new && !text.is_empty()) {
            found.push((setting, text));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_needed_and_nothing_else() {
        for text in ["127.0.0.1:8082", "http://127.0.0.1:8082", "http://127.0.0.1:8082/"] {
            assert_eq!(Address::parse(text).unwrap().as_url(), "http://127.0.0.1:8082");
        }
        assert_eq!(Address::parse("[::1]:1").unwrap().as_url(), "http://[::1]:1");
        for text in ["", "bundoc", "https://a:1", "http://a:1/x", "a:1/x", "u@a:1", ":1", "a:99999"] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_variables_of_the_earlier_system_are_addresses() {
        let set = [("PLATFORM_BUNDOC_URL", "http://old:1"), ("PLATFORM_BUNDOC_RPC_ADDR", "bundoc:9091")];
        let of =
            |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
        let expected = vec![("rpc.addresses.bundoc-server".to_owned(), "bundoc:9091".to_owned())];
        assert_eq!(addresses_from_environment(of), expected);
    }
}
