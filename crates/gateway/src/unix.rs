//! The Unix socket beside the listener: it answers everything that the listener answers, HTTP and gRPC, and shares
//! its places. Whoever reaches it has proved nothing by that: credentials are asked for as over TCP. Its peers have
//! the loopback address, for limits, the audit log and the pages for operators.

use crate::dispatch::Gateway;
use crate::listener::{Accept, serve_all};
use service_kit::socket::{Socket, is_socket};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::UnixStream;

/// The socket cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Somebody serves it.
    #[error("the socket {} is in use by another process: stop it, or choose another path with --socket", path.display())]
    InUse {
        /// Which.
        path: PathBuf,
    },
    /// Something else has the path.
    #[error("{} is there and is no socket: move it away, or choose another path with --socket", path.display())]
    Taken {
        /// Which.
        path: PathBuf,
    },
    /// There is no directory for it.
    #[error("there is no directory for the socket {}: make it, or choose another path with --socket", path.display())]
    NoDirectory {
        /// Of the socket.
        path: PathBuf,
    },
    /// Any other reason.
    #[error("the socket {} cannot be made: choose another path with --socket", path.display())]
    Failed {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A socket that serves nothing yet. Its file is removed when this is dropped.
pub struct UnixListener(Socket);

impl UnixListener {
    /// Makes the socket, in place of one that nobody serves any more.
    ///
    /// # Errors
    /// The path is taken, or cannot be a socket's.
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        let failed = |source: io::Error| {
            let path = path.to_owned();
            match source.kind() {
                io::ErrorKind::AddrInUse if is_socket(&path) => SocketError::InUse { path },
                io::ErrorKind::AddrInUse => SocketError::Taken { path },
                io::ErrorKind::NotFound => SocketError::NoDirectory { path },
                _ => SocketError::Failed { path, source },
            }
        };
        Socket::bind(path).map(Self).map_err(failed)
    }

    /// Serves until the gateway's drain begins, then until the last answer is out (`DRAIN_TIMEOUT` at most).
    pub async fn serve(self, gateway: Arc<Gateway>) {
        serve_all(self.0, gateway).await;
    }
}

impl Accept for Socket {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, IpAddr)> {
        Ok((Self::accept(self).await?, IpAddr::V4(Ipv4Addr::LOCALHOST)))
    }
}
