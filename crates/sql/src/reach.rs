//! Where a connection to PostgreSQL may go whose address somebody else chose. On a server of several projects the address
//! of each passes a guard, and takes nothing along that is the server's: no file, no socket.

use crate::postgres::{CONNECT_TIMEOUT, timed_out};
use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::net::IpAddr;
use std::sync::Arc;
use url::Url;

const PORT: u16 = 5432;

/// Decides about hosts.
#[async_trait]
pub trait Reach: Send + Sync {
    /// The address of `host` to connect to.
    ///
    /// # Errors
    /// Why nothing is connected to.
    async fn address(&self, host: &str, port: u16) -> Result<IpAddr, ReachError>;
}

/// Nothing is connected to.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    /// The address is one that is not connected to.
    #[error("DATABASE_URL is refused: {0}")]
    Refused(String),
    /// The name could not be looked up.
    #[error("the host of DATABASE_URL could not be looked up: see whether it is right")]
    Lookup(#[source] std::io::Error),
}

impl From<ReachError> for sqlx::Error {
    fn from(error: ReachError) -> Self {
        match error {
            ReachError::Refused(_) => Self::Configuration(Box::new(error)),
            ReachError::Lookup(source) => Self::Io(source),
        }
    }
}

/// What the options of an address may be that are about files or sockets of the machine that connects, under all their
/// names.
const FILES: [&str; 12] = [
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "sslcrl",
    "passfile",
    "service",
    "servicefile",
    "hostaddr",
];

/// `options` of `url`, bounded to what `reach` lets through. Where the name of the host plays no part in TLS, it is the
/// very address that was checked; else the name is looked up once more, and whoever answers has to begin TLS before
/// anything is said.
pub(crate) async fn bounded(
    options: PgConnectOptions,
    url: &str,
    reach: &Arc<dyn Reach>,
) -> Result<PgConnectOptions, sqlx::Error> {
    let refused = |why: &str| ReachError::Refused(why.to_owned());
    let parsed = Url::parse(url).map_err(|_| refused("it is no address"))?;
    if let Some((key, _)) = parsed.query_pairs().find(|(key, _)| FILES.contains(&&**key)) {
        return Err(refused(&format!("leave out `{key}`: it means a file or socket of the server")).into());
    }
    let named = |wanted: &str| parsed.query_pairs().any(|(key, _)| key == wanted);
    let has_host = parsed.host_str().is_some_and(|host| !host.is_empty()) || named("host");
    if !has_host || options.get_socket().is_some() || options.get_host().starts_with('/') {
        return Err(refused("name a host, as in postgres://user:password@host/database; no socket").into());
    }
    // What the address does not say is not for the server's environment to say.
    let options = if parsed.port().is_some() || named("port") { options } else { options.port(PORT) };
    let options =
        if named("sslmode") || named("ssl-mode") { options } else { options.ssl_mode(PgSslMode::Prefer) };
    let host = options.get_host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let asked = reach.address(&host, options.get_port());
    let address = tokio::time::timeout(CONNECT_TIMEOUT, asked).await.map_err(|_| timed_out())??;
    let is_by_name =
        matches!(options.get_ssl_mode(), PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull);
    Ok(if is_by_name { options } else { options.host(&address.to_string()) })
}
