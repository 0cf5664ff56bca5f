//! The short way of calls of functions: plain HTTP/1.1 requests, read and answered without the general machinery.
//! It makes no judgement of its own: what is not a plain, whole request for the front (RFC 9112 with nothing
//! optional) is left unread, and the connection goes to hyper with it, for good. What it measures: `bench/README.md`.

mod answer;
mod head;

use crate::body::RequestBody;
use crate::connection::Connection;
use crate::dispatch::Gateway;
use answer::Encoder;
use axum::body::Body;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::FutureExt as _;
use head::{Head, Plain, Unfit};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use std::io;
use std::pin::{Pin, pin};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, Sleep};

/// Read ahead of what is being answered; a longer head is for hyper.
const AHEAD_BYTES_MAX: usize = 16 << 10;
/// There is always room for so much, so that a head comes in one piece where it was sent in one.
const READ_BYTES_MIN: usize = 4 << 10;
/// Bytes of a body that are waited for here; longer ones are streamed by hyper.
pub(super) const BODY_BYTES_MAX: usize = 64 << 10;
/// Answers are gathered up to so many bytes before they are written.
const GATHERED_BYTES: usize = 64 << 10;

/// A connection that hyper has to go on with, and what was read of it.
pub(crate) struct Unread<S> {
    pub(crate) stream: S,
    pub(crate) bytes: Bytes,
}

/// Serves calls until the connection ends (`None`), or until a request comes that is for hyper.
pub(crate) async fn serve<S>(gateway: &Gateway, connection: &Connection, stream: S) -> Option<Unread<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if !gateway.has_front() {
        return Some(Unread { stream, bytes: Bytes::new() });
    }
    let mut lean = Lean { stream, unread: BytesMut::with_capacity(AHEAD_BYTES_MAX), out: Vec::new() };
    match lean.run(gateway, connection).await {
        Ok(End::Hyper) => Some(Unread { stream: lean.stream, bytes: lean.unread.freeze() }),
        Ok(End::Closed) => None,
        Err(error) => {
            tracing::debug!(%error, "connection ended early");
            None
        }
    }
}

enum End {
    Closed,
    /// What comes next is not for here.
    Hyper,
}

struct Lean<S> {
    stream: S,
    unread: BytesMut,
    out: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Lean<S> {
    async fn run(&mut self, gateway: &Gateway, connection: &Connection) -> io::Result<End> {
        let mut patience = Patience::new(Duration::from_millis(gateway.config.header_timeout_ms));
        let mut draining = pin!(gateway.drain.started());
        loop {
            patience.renew();
            let plain = loop {
                match head::next(&self.unread, gateway) {
                    Ok(plain) => break plain,
                    Err(Unfit::Partial) if self.unread.len() < AHEAD_BYTES_MAX => {}
                    Err(Unfit::Partial | Unfit::Other) => return Ok(End::Hyper),
                }
                self.unread.reserve(READ_BYTES_MIN);
                tokio::select! {
                    biased;
                    read = self.stream.read_buf(&mut self.unread) => if read? == 0 { return Ok(End::Closed) },
                    () = &mut draining => return Ok(End::Closed),
                    () = patience.ended() => return Ok(End::Closed),
                }
            };
            let Plain { head, head_bytes, body_bytes } = plain;
            let whole_bytes = head_bytes + body_bytes;
            self.unread.reserve(whole_bytes.saturating_sub(self.unread.len()));
            patience.renew();
            while self.unread.len() < whole_bytes {
                tokio::select! {
                    biased;
                    read = self.stream.read_buf(&mut self.unread) => if read? == 0 { return Ok(End::Closed) },
                    // It comes slowly: how long it may take is for others to say.
                    () = patience.ended() => return Ok(End::Hyper),
                }
            }
            self.unread.advance(head_bytes);
            let body = match body_bytes {
                0 => Bytes::new(),
                bytes => self.unread.split_to(bytes).freeze(),
            };
            if !self.answer(gateway, connection, (head, body)).await? {
                return Ok(End::Closed);
            }
        }
    }

    /// Answers one request; `false` where the connection ends with it.
    async fn answer(
        &mut self,
        gateway: &Gateway,
        connection: &Connection,
        (head, body): (Head, Bytes),
    ) -> io::Result<bool> {
        let request = Request::from_parts(head, RequestBody::whole(body));
        let response = {
            let mut answering = pin!(gateway.handle(request, connection));
            tokio::select! {
                biased;
                response = &mut answering => response,
                () = gone(&mut self.stream, &mut self.unread) => return Ok(false),
            }
        };
        let stays_open = !gateway.drain.is_started();
        self.write(response, stays_open).await
    }

    async fn write(&mut self, response: Response<Body>, stays_open: bool) -> io::Result<bool> {
        let (head, mut body) = response.into_parts();
        self.out.clear();
        let mut encoder = Encoder::begin(&mut self.out, &head, &body, stays_open);
        while !encoder.is_done() {
            let next = match body.frame().now_or_never() {
                Some(next) => next,
                None => {
                    self.flush().await?;
                    tokio::select! {
                        biased;
                        next = body.frame() => next,
                        () = gone(&mut self.stream, &mut self.unread) => return Ok(false),
                    }
                }
            };
            match next {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        encoder.data(&mut self.out, &data)?;
                    }
                }
                None => encoder.end(&mut self.out)?,
                // The client sees that it is not whole: neither the length nor the last chunk came.
                Some(Err(_)) => return self.flush().await.map(|()| false),
            }
            if self.out.len() >= GATHERED_BYTES {
                self.flush().await?;
            }
        }
        self.flush().await?;
        Ok(stays_open)
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.out).await?;
        self.out.clear();
        Ok(())
    }
}

/// Reads ahead, and returns when the client has gone.
async fn gone(stream: &mut (impl AsyncRead + Unpin), unread: &mut BytesMut) {
    while unread.len() < AHEAD_BYTES_MAX {
        if !matches!(stream.read_buf(unread).await, Ok(1..)) {
            return;
        }
    }
    std::future::pending::<()>().await;
}

/// A time limit that is renewed for each request; its timer is set again only when it has run out.
struct Patience {
    limit: Duration,
    until: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Patience {
    fn new(limit: Duration) -> Self {
        let until = Instant::now() + limit;
        Self { limit, until, timer: Box::pin(tokio::time::sleep_until(until)) }
    }

    fn renew(&mut self) {
        self.until = Instant::now() + self.limit;
    }

    async fn ended(&mut self) {
        loop {
            self.timer.as_mut().await;
            if self.timer.deadline() >= self.until {
                return;
            }
            self.timer.as_mut().reset(self.until);
        }
    }
}
