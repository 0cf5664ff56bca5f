//! The connector: TCP to checked addresses, TLS with the roots of Mozilla, HTTP/1.1.
//!
//! hyper rather than reqwest, whose TLS would be switched on for the clients of gateway and command line too, and
//! refuse to start them where the system has no certificates.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;

use crate::config::OutboundConfig;
use crate::resolver::CheckedResolver;

pub(crate) type Connections = Client<HttpsConnector<HttpConnector<CheckedResolver>>, Full<Bytes>>;

/// Connections as `config` bounds them.
pub(crate) fn connections(config: &OutboundConfig, resolver: CheckedResolver) -> Connections {
    let mut tcp = HttpConnector::new_with_resolver(resolver);
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(config.connect_timeout));
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls())
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(config.idle_timeout)
        .pool_max_idle_per_host(config.idle_connections_max)
        .http1_max_buf_size(config.response_head_bytes_max.max(MIN_BUFFER_BYTES))
        .build(connector)
}

/// hyper takes no smaller buffer.
const MIN_BUFFER_BYTES: usize = 8192;

fn tls() -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        // The provider is the library's own, and supports its own versions.
        .expect("the default protocol versions are supported")
        .with_webpki_roots()
        .with_no_client_auth()
}
