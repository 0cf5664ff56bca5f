//! A gateway and services of other processes on loopback.

use async_trait::async_trait;
use axum::Router;
use gateway::{Gateway, GatewayConfig, GatewayParts, Listener, Upstreams};
use ports::access::{Access, AccessError, Ask, Caller, Credentials, Grant};
use ports::audit::AuditEntry;
use service_kit::drain::Drain;
use service_kit::health::Health;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) const ANYWHERE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Whoever is on this machine is an operator; nobody else is anybody.
pub(crate) struct LocalOperators;

#[async_trait]
impl Access for LocalOperators {
    async fn authorize(&self, credentials: &Credentials, ask: Ask<'_>) -> Result<Grant, AccessError> {
        let local = credentials.peer.is_some_and(|peer| peer.to_canonical().is_loopback());
        match ask {
            Ask::Operator if local => Ok(Caller::Operator.into()),
            _ => Err(AccessError::Unauthenticated("not you")),
        }
    }

    async fn record(&self, _entry: AuditEntry) -> Result<(), AccessError> {
        Ok(())
    }
}

/// What the parts of a gateway are where a test does not say otherwise.
pub(crate) fn parts() -> GatewayParts {
    GatewayParts {
        config: GatewayConfig::default(),
        services: Vec::new(),
        front: None,
        upstreams: Upstreams::default(),
        access: Arc::new(LocalOperators),
        health: Health::default(),
        drain: Drain::new(),
        metrics: Arc::new(|| "bunbase_up 1\n".to_owned()),
    }
}

/// Serves a gateway of `parts` and tells where.
pub(crate) async fn start(parts: GatewayParts) -> SocketAddr {
    serve(Gateway::new(parts)).await
}

/// Serves `gateway` and tells where.
pub(crate) async fn serve(gateway: Gateway) -> SocketAddr {
    let listener = Listener::bind(ANYWHERE).await.unwrap();
    let address = listener.address().unwrap();
    tokio::spawn(listener.serve(Arc::new(gateway)));
    address
}

/// A service in another process.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Service {
    pub(crate) async fn start(router: Router) -> Self {
        Self::start_at(ANYWHERE, router).await
    }

    pub(crate) async fn start_at(address: SocketAddr, router: Router) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, serving }
    }

    /// Takes no more connections; open ones end with their request.
    pub(crate) async fn stop(mut self) {
        self.serving.abort();
        assert!((&mut self.serving).await.unwrap_err().is_cancelled());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A gateway that has only `service`, at `address`, behind it.
pub(crate) async fn in_front_of(service: &'static str, address: SocketAddr) -> String {
    let mut upstreams = Upstreams::default();
    upstreams.add(service, &format!("http://{address}")).unwrap();
    format!("http://{}", start(GatewayParts { upstreams, ..parts() }).await)
}

pub(crate) async fn json(answer: reqwest::Response) -> serde_json::Value {
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}
