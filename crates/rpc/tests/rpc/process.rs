//! A process on loopback that offers ports, and clients that reach it.

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rpc::{Address, Clients, RpcConfig, RpcServer, Service};
use secrecy::SecretString;
use service_kit::drain::Drain;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

const SECRET: &str = "a service secret of the tests, long enough";

/// Settings in which every service is at `address`.
pub(crate) fn config(address: SocketAddr) -> RpcConfig {
    let here = Address::parse(&address.to_string()).unwrap();
    let addresses = Service::ALL.iter().map(|service| (*service, here.clone())).collect();
    RpcConfig { addresses, secret: Some(SecretString::from(SECRET)), ..RpcConfig::default() }
}

/// A server that offers nothing yet.
pub(crate) fn server(drain: Drain) -> RpcServer {
    let unused = SocketAddr::from(([127, 0, 0, 1], 1));
    RpcServer::new(config(unused).service_secret().unwrap().unwrap(), drain)
}

/// A listener with its connections; dropping it cuts them all.
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Process {
    pub(crate) async fn start(offered: impl FnOnce(RpcServer) -> RpcServer) -> Self {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::start_at(anywhere, offered(server(Drain::new())).finish()).await
    }

    pub(crate) async fn start_at(address: SocketAddr, router: Router) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { address, serving: tokio::spawn(serve(listener, router)) }
    }

    /// Clients that call as `caller`.
    pub(crate) fn clients(&self, caller: Service) -> Clients {
        Clients::new(&config(self.address), caller).unwrap()
    }

    /// Cuts every connection and frees the port.
    pub(crate) async fn stop(mut self) {
        self.serving.abort();
        assert!((&mut self.serving).await.unwrap_err().is_cancelled());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let service = TowerToHyperService::new(router.clone());
        connections.spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            // How a connection ends is seen by the client.
            drop(server.serve_connection(TokioIo::new(stream), service).await);
        });
    }
}
