//! The listener: connections in, bounded in number over all listeners; HTTP/1.1 and HTTP/2 on the same port; ends when the
//! drain begins and the last answer is out.

use crate::body::RequestBody;
use crate::connection::Connection;
use crate::dispatch::Gateway;
use crate::lean::{self, Unread};
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use service_kit::drain::DRAIN_TIMEOUT;
use std::convert::Infallible;
use std::io::{Cursor, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// Streams of one HTTP/2 connection.
const STREAMS_MAX: u32 = 256;
/// Headers are read up to so many times their limit, so that those over it get an answer that says so;
/// beyond that the connection is closed.
const HEADERS_READ_FACTOR: usize = 4;
/// Wait after a failed accept (out of file descriptors).
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else has the port.
    #[error("{address} is in use by another process: stop it, or choose another address with --listen")]
    InUse {
        /// The address.
        address: SocketAddr,
    },
    /// Any other reason.
    #[error("cannot listen on {address}")]
    Failed {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A bound listener that serves nothing yet.
pub struct Listener {
    socket: TcpListener,
}

impl Listener {
    /// Binds `address`.
    ///
    /// # Errors
    /// The address is taken or not to be had.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        match TcpListener::bind(address).await {
            Ok(socket) => Ok(Self { socket }),
            Err(error) if error.kind() == ErrorKind::AddrInUse => Err(BindError::InUse { address }),
            Err(source) => Err(BindError::Failed { address, source }),
        }
    }

    /// The address that was bound (the port where 0 was asked for).
    ///
    /// # Errors
    /// The operating system does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until the gateway's drain begins, then until the last answer is out (`DRAIN_TIMEOUT` at most).
    pub async fn serve(self, gateway: Arc<Gateway>) {
        serve_all(self.socket, gateway).await;
    }
}

/// Where connections come from.
pub(crate) trait Accept: Send + Sync {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next connection, and the address of its other end.
    fn accept(&self) -> impl Future<Output = std::io::Result<(Self::Stream, IpAddr)>> + Send;
}

impl Accept for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> std::io::Result<(TcpStream, IpAddr)> {
        let (stream, peer) = Self::accept(self).await?;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        Ok((stream, peer.ip()))
    }
}

/// Serves what comes in, as far as there are places, until the drain begins and the last answer is out. A
/// connection without a place waits, and with it those behind it.
pub(crate) async fn serve_all(listener: impl Accept, gateway: Arc<Gateway>) {
    let server = Arc::new(builder(&gateway));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = gateway.drain.started() => break,
            accepted = next(&listener, &gateway) => accepted,
        };
        let (stream, connection) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
                continue;
            }
        };
        let (server, gateway, watcher) = (server.clone(), gateway.clone(), graceful.watcher());
        tokio::spawn(async move { serve(&server, gateway, watcher, (stream, connection)).await });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!(in_flight = gateway.drain.in_flight(), "requests did not end in time and are cut");
    }
}

/// The next connection that has a place.
async fn next<A: Accept>(listener: &A, gateway: &Gateway) -> std::io::Result<(A::Stream, Connection)> {
    let (stream, peer) = listener.accept().await?;
    let place = gateway.places.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    Ok((stream, Connection { peer, place: Arc::new(place) }))
}

fn builder(gateway: &Gateway) -> auto::Builder<TokioExecutor> {
    let config = &gateway.config;
    let header_timeout = Duration::from_millis(config.header_timeout_ms);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_headers(config.headers_max.saturating_mul(HEADERS_READ_FACTOR))
        .max_buf_size(config.header_bytes_max.saturating_mul(HEADERS_READ_FACTOR).max(8 << 10))
        .pipeline_flush(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(header_timeout)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(
            u32::try_from(config.header_bytes_max.saturating_mul(HEADERS_READ_FACTOR)).unwrap_or(u32::MAX),
        );
    builder
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    server: &auto::Builder<TokioExecutor>,
    gateway: Arc<Gateway>,
    watcher: hyper_util::server::graceful::Watcher,
    (stream, connection): (S, Connection),
) {
    let connection = Arc::new(connection);
    let Some(Unread { stream, bytes }) = lean::serve(&gateway, &connection, stream).await else { return };
    let service = service_fn(move |request: Request<Incoming>| {
        let (gateway, connection) = (gateway.clone(), connection.clone());
        async move { Ok::<_, Infallible>(gateway.handle(request.map(RequestBody::new), &connection).await) }
    });
    let (reader, writer) = tokio::io::split(stream);
    let stream = TokioIo::new(tokio::io::join(Cursor::new(bytes).chain(reader), writer));
    let served = server.serve_connection_with_upgrades(stream, service);
    if let Err(error) = watcher.watch(served.into_owned()).await {
        tracing::debug!(%error, "connection ended early");
    }
}
