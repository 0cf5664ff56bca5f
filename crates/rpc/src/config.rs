//! Settings of calls between processes.

use crate::address::Address;
use crate::credential::{SECRET_BYTES_MIN, ServiceSecret};
use crate::service::Service;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Settings under `rpc`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RpcConfig {
    /// Where the services of other processes are, by name.
    pub addresses: BTreeMap<Service, Address>,
    /// The installation's service secret, 32 bytes at least; the same in every process.
    #[serde(deserialize_with = "secret")]
    pub secret: Option<SecretString>,
    /// The file it stands in, instead.
    pub secret_file: Option<PathBuf>,
    /// Milliseconds that connecting may take.
    pub connect_timeout_ms: u64,
    /// Milliseconds that a call may take.
    pub call_timeout_ms: u64,
    /// The same for a call of a function's client to a project's routes.
    pub project_api_timeout_ms: u64,
    /// The same for the removal of a project from a store.
    pub purge_timeout_ms: u64,
    /// Milliseconds between the pings of an open connection; an unanswered one ends it.
    pub keepalive_ms: u64,
    /// Calls in flight to one service; more wait, within their time.
    pub calls_in_flight_max: usize,
}

impl Default for RpcConfig {
    fn default() -> Self {
        Self {
            addresses: BTreeMap::new(),
            secret: None,
            secret_file: None,
            connect_timeout_ms: 2_000,
            call_timeout_ms: 10_000,
            project_api_timeout_ms: 60_000,
            purge_timeout_ms: 600_000,
            keepalive_ms: 10_000,
            calls_in_flight_max: 200,
        }
    }
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(SecretString::from))
}

/// The settings do not allow calls between processes.
#[derive(Debug, thiserror::Error)]
pub enum RpcConfigError {
    /// No secret.
    #[error("services of other processes need `rpc.secret` or `rpc.secret_file`, the same in every process")]
    SecretMissing,
    /// Two secrets.
    #[error("`rpc.secret` and `rpc.secret_file` are both set: keep one")]
    SecretTwice,
    /// Too short a secret.
    #[error(
        "the service secret has {found} bytes; it needs {SECRET_BYTES_MIN} at least: `openssl rand -hex 32`"
    )]
    SecretShort {
        /// How many there are.
        found: usize,
    },
    /// The file of the secret.
    #[error("cannot read the service secret from {path}")]
    SecretFile {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No address.
    #[error(
        "the service `{service}` runs in another process: set `rpc.addresses.{service}` to its host:port"
    )]
    AddressMissing {
        /// Which service.
        service: Service,
    },
    /// An address that cannot be connected to.
    #[error("the address {url} cannot be used")]
    Address {
        /// Which.
        url: String,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
}

impl RpcConfig {
    /// The installation's service secret; `None` where none is set.
    ///
    /// # Errors
    /// It is set twice, too short, or in a file that cannot be read.
    pub fn service_secret(&self) -> Result<Option<ServiceSecret>, RpcConfigError> {
        let text = match (&self.secret, &self.secret_file) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => return Err(RpcConfigError::SecretTwice),
            (Some(text), None) => text.clone(),
            (None, Some(path)) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|source| RpcConfigError::SecretFile { path: path.clone(), source })?;
                SecretString::from(text.trim())
            }
        };
        let found = text.expose_secret().len();
        ServiceSecret::new(&text).map(Some).ok_or(RpcConfigError::SecretShort { found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<RpcConfig, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn services_are_named_with_dashes_or_underscores() {
        let text = "[addresses]\nbun-auth = \"a:1\"\nbundoc_server = \"http://b:2\"";
        let config = parsed(text).unwrap();
        assert_eq!(config.addresses[&Service::BunAuth].as_url(), "http://a:1");
        assert_eq!(config.addresses[&Service::BundocServer].as_url(), "http://b:2");
        assert!(parsed("[addresses]\nbundock = \"a:1\"").is_err());
        assert!(parsed("[addresses]\nbuncast = \"a\"").unwrap_err().to_string().contains("host:port"));
    }

    #[test]
    fn the_secret_is_long_stands_in_one_place_and_is_not_printed() {
        let config = parsed(&format!("secret = \"{}\"", "s".repeat(32))).unwrap();
        assert!(config.service_secret().unwrap().is_some());
        assert!(!format!("{config:?}").contains("ssss"));
        assert!(RpcConfig::default().service_secret().unwrap().is_none());
        let short = parsed("secret = \"short\"").unwrap().service_secret();
        assert!(matches!(short, Err(RpcConfigError::SecretShort { found: 5 })));
        let twice = parsed("secret = \"a\"\nsecret_file = \"b\"").unwrap().service_secret();
        assert!(matches!(twice, Err(RpcConfigError::SecretTwice)));
        let missing = parsed("secret_file = \"/nonexistent/secret\"").unwrap().service_secret();
        assert!(matches!(missing, Err(RpcConfigError::SecretFile { .. })));
    }
}
