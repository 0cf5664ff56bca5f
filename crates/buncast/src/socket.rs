//! The Unix socket for programs of the same user on this machine: the binary protocol of
//! `docs/buncast-protocol.md`, over topics of the server's own realm.

mod connection;
mod deliver;
mod frame;
mod publish;

use crate::error::BuncastError;
use crate::service::BuncastService;
use service_kit::socket::Socket;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// The largest frame: 16 MiB.
pub(crate) const FRAME_BYTES_MAX: usize = 16 << 20;
/// How long the listener waits where the system has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The socket.
#[derive(Debug)]
pub(crate) struct Listener(Socket);

impl Listener {
    /// Makes the socket, in place of one that nobody serves any more.
    pub(crate) fn bind(path: &Path) -> Result<Self, BuncastError> {
        let made = Socket::bind(path).map(Self);
        made.map_err(|source| BuncastError::Socket { path: path.to_owned(), source })
    }

    /// Serves connections until it is dropped.
    pub(crate) async fn serve(self, service: Weak<BuncastService>) {
        let Some(connections_max) = service.upgrade().map(|service| service.config.socket_connections_max)
        else {
            return;
        };
        let places = Arc::new(Semaphore::new(connections_max));
        let mut connections = JoinSet::new();
        loop {
            let stream = match self.0.accept().await {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection to the event socket could not be taken");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            while connections.try_join_next().is_some() {}
            let Some(service) = service.upgrade() else { return };
            let Ok(place) = places.clone().try_acquire_owned() else {
                tracing::warn!(connections_max, "the event socket has as many connections as it may have");
                continue;
            };
            if self.is_own(&stream) {
                connections.spawn(async move {
                    connection::serve(service, stream).await;
                    drop(place);
                });
            }
        }
    }

    /// Whether the peer runs as the user who runs the server.
    fn is_own(&self, stream: &UnixStream) -> bool {
        let uid = stream.peer_cred().ok().map(|peer| peer.uid());
        if uid != Some(self.0.uid()) {
            tracing::warn!(uid, "refused another user on the event socket");
        }
        uid == Some(self.0.uid())
    }
}
