//! Settings of the gateway.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Settings under `gateway`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayConfig {
    /// Address and port of the listener.
    pub listen: SocketAddr,
    /// A Unix socket that answers what the listener answers, for programs of the same user; none without.
    pub socket: Option<PathBuf>,
    /// How people reach the server, for links in mails and client configurations; `http://<listen>` without.
    pub public_url: Option<PublicUrl>,
    /// Networks of reverse proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Milliseconds that connecting to a service of another process may take.
    pub upstream_connect_timeout_ms: u64,
    /// Origins (`https://app.example`) whose pages may call with a key; `*` for all. Never with cookies.
    pub cors_origins: Vec<String>,
    /// Bytes of a JSON body.
    pub json_bytes_max: usize,
    /// Bytes of all request headers together.
    pub header_bytes_max: usize,
    /// Number of request headers.
    pub headers_max: usize,
    /// Milliseconds that the headers of a request may take to arrive, and that a connection may idle.
    pub header_timeout_ms: u64,
    /// Open connections, to the listener and the socket together.
    pub connections_max: usize,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 3001)),
            socket: None,
            public_url: None,
            trusted_proxies: Vec::new(),
            upstream_connect_timeout_ms: 2_000,
            cors_origins: Vec::new(),
            json_bytes_max: 16 << 20,
            header_bytes_max: 64 << 10,
            headers_max: 100,
            header_timeout_ms: 30_000,
            connections_max: 10_000,
        }
    }
}

impl GatewayConfig {
    /// How people reach the server, without a slash at the end.
    pub fn public_url(&self) -> String {
        let listen = self.listen;
        match &self.public_url {
            Some(PublicUrl(url)) => url.clone(),
            None if listen.ip().is_unspecified() => format!("http://localhost:{}", listen.port()),
            None => format!("http://{listen}"),
        }
    }
}

/// The origin under which people reach the server: scheme, host and perhaps port.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicUrl(String);

/// The text is no origin.
#[derive(Debug, Clone, thiserror::Error)]
#[error("`{0}` is no address of a server: write https://host or http://host:port, without a path")]
pub struct InvalidPublicUrl(String);

impl TryFrom<String> for PublicUrl {
    type Error = InvalidPublicUrl;

    fn try_from(text: String) -> Result<Self, InvalidPublicUrl> {
        let trimmed = text.strip_suffix('/').unwrap_or(&text);
        let host = trimmed.strip_prefix("https://").or_else(|| trimmed.strip_prefix("http://"));
        let valid = host.and_then(|host| host.parse::<http::uri::Authority>().ok());
        match valid.filter(|host| !host.host().is_empty() && !host.as_str().contains('@')) {
            Some(_) => Ok(Self(trimmed.to_owned())),
            None => Err(InvalidPublicUrl(text)),
        }
    }
}

impl From<PublicUrl> for String {
    fn from(url: PublicUrl) -> Self {
        url.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_url_is_an_origin() {
        let parse = |text: &str| PublicUrl::try_from(text.to_owned()).map(String::from).ok();
        assert_eq!(parse("https://api.example/").as_deref(), Some("https://api.example"));
        assert_eq!(parse("http://localhost:3001").as_deref(), Some("http://localhost:3001"));
        for text in ["", "api.example", "https://", "ftp://a", "https://a/b", "https://u@a"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn without_one_the_listener_is_it() {
        let with =
            |listen: &str| GatewayConfig { listen: listen.parse().unwrap(), ..GatewayConfig::default() };
        let url = |listen: &str| with(listen).public_url();
        assert_eq!(url("127.0.0.1:3001"), "http://127.0.0.1:3001");
        assert_eq!(url("0.0.0.0:8080"), "http://localhost:8080");
        assert_eq!(url("[::]:8080"), "http://localhost:8080");
    }
}
