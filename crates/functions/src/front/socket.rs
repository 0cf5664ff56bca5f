//! WebSockets that handlers took. Between the client and the worker, messages pass both ways with the flow control of
//! bodies: who does not read makes the other side wait, and nothing else. Whoever ends it, both sides are told.

use super::messages::{self, Broken, Decoder};
use super::upgrade::{Asker, Upgrade};
use crate::places::{Place, Places};
use crate::tail::every;
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::BodyExt as _;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::ProjectId;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use worker_pool::{BoxError, RequestBody, ResponseBody};

/// How often a client is pinged.
const PING_EVERY: Duration = Duration::from_secs(15);
/// How long nothing may come from a client that is pinged.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// How long a client may take to read a message.
const SEND_MAX: Duration = Duration::from_secs(30);
/// How long each side may take to end it, once it is told.
const CLOSE_MAX: Duration = Duration::from_secs(5);
/// How long the rest of what cannot be understood may pause.
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// Bytes that are read of a connection at once.
const READ_BYTES: usize = 16 << 10;

/// The WebSockets that are open.
pub(crate) struct Sockets {
    places: Arc<Places>,
    message_bytes_max: usize,
    /// Ends them all.
    end: CancellationToken,
    open: TaskTracker,
}

/// A WebSocket that its handler may take: what the worker gets, and what is kept for then.
pub(super) struct Offer {
    place: Place,
    messages: mpsc::Sender<Bytes>,
}

impl Sockets {
    pub(crate) fn new(places: Arc<Places>, message_bytes_max: usize, end: CancellationToken) -> Self {
        Self { places, message_bytes_max, end, open: TaskTracker::new() }
    }

    /// A place, and the body with which its call is asked.
    pub(super) fn offer(&self, project: &ProjectId) -> Result<(Offer, RequestBody), ApiError> {
        if self.end.is_cancelled() {
            return Err(ApiError::new(ErrorCode::ShuttingDown, "the server is shutting down"));
        }
        let place = self.places.take(project)?;
        let (messages, mut received) = mpsc::channel(1);
        let body = futures_util::stream::poll_fn(move |context| received.poll_recv(context));
        let body = RequestBody::Socket(body.map(Ok::<Bytes, BoxError>).boxed());
        Ok((Offer { place, messages }, body))
    }

    /// Joins the client with the handler that took its offer.
    pub(super) fn open(&self, offer: Offer, upgrade: Upgrade, answers: ResponseBody) {
        let Upgrade { connection, asker, .. } = upgrade;
        let (message_bytes_max, end) = (self.message_bytes_max, self.end.clone());
        self.open.spawn(async move {
            let Some(client) = connected(connection, message_bytes_max).await else { return };
            let Offer { place, messages } = offer;
            Socket { client, messages, answers, asker, message_bytes_max, end }.run().await;
            drop(place);
        });
    }

    /// Waits for the end of all that are open, when they were told to end.
    pub(crate) async fn ended(&self) {
        self.open.close();
        self.open.wait().await;
    }
}

async fn connected(connection: OnUpgrade, message_bytes_max: usize) -> Option<Client> {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(message_bytes_max))
        .max_frame_size(Some(message_bytes_max));
    let upgraded = TokioIo::new(timeout(CLOSE_MAX, connection).await.ok()?.ok()?);
    Some(WebSocketStream::from_raw_socket(upgraded, Role::Server, Some(config)).await)
}

type Client = WebSocketStream<TokioIo<Upgraded>>;

struct Socket {
    client: Client,
    /// To the handler.
    messages: mpsc::Sender<Bytes>,
    /// From the handler.
    answers: ResponseBody,
    asker: Asker,
    message_bytes_max: usize,
    end: CancellationToken,
}

/// How it ends.
enum End {
    /// The client is gone.
    Gone,
    /// The client closed it.
    Closed(Option<CloseFrame>),
    /// The client is told why.
    Close(Option<CloseFrame>),
    /// The same; what the client sends cannot be understood any more.
    Fail(CloseFrame),
}

fn because(code: CloseCode, reason: &'static str) -> CloseFrame {
    CloseFrame { code, reason: reason.into() }
}

impl Socket {
    async fn run(mut self) {
        let end = self.join().await;
        let told = self.end_client(end).await;
        self.end_handler(&told).await;
    }

    async fn join(&mut self) -> End {
        let (sink, stream) = (&mut self.client).split();
        tokio::select! {
            end = receive(stream, &self.messages) => end,
            end = send(sink, &mut self.answers, self.message_bytes_max) => end,
            () = self.asker.refused() => End::Close(Some(because(CloseCode::Policy, "revoked"))),
            () = self.end.cancelled() => End::Close(Some(because(CloseCode::Away, "shutting_down"))),
        }
    }

    /// Ends the connection; what the handler is to learn.
    async fn end_client(&mut self, end: End) -> CloseFrame {
        let (frame, is_read) = match end {
            End::Gone => return because(CloseCode::Abnormal, ""),
            End::Closed(frame) => {
                // Its close is answered by reading on.
                let _late = timeout(CLOSE_MAX, read_on(&mut self.client)).await;
                return frame.unwrap_or(because(CloseCode::Status, ""));
            }
            End::Close(frame) => (frame, true),
            End::Fail(frame) => (Some(frame), false),
        };
        let told = self.client.send(Message::Close(frame.clone()));
        if matches!(timeout(CLOSE_MAX, told).await, Ok(Ok(()))) {
            let _late = timeout(CLOSE_MAX, async {
                if is_read { read_on(&mut self.client).await } else { throw_away(&mut self.client).await }
            })
            .await;
        }
        frame.unwrap_or(because(CloseCode::Status, ""))
    }

    /// Tells the handler, and waits until it has said what it has to say.
    async fn end_handler(self, told: &CloseFrame) {
        let Self { client, messages, mut answers, .. } = self;
        drop(client);
        let ended = async move {
            // The call may be over.
            let _over = messages.send(messages::close(told)).await;
            drop(messages);
            while let Some(Ok(_)) = answers.frame().await {}
        };
        if timeout(CLOSE_MAX, ended).await.is_err() {
            tracing::debug!("a handler did not end its WebSocket in time");
        }
    }
}

/// Reads until both have said that it is over.
async fn read_on(client: &mut Client) {
    while let Some(Ok(_)) = client.next().await {}
}

/// Reads what still comes: a connection that is closed with bytes unread loses what was sent last.
async fn throw_away(client: &mut Client) {
    let mut bytes = vec![0; READ_BYTES];
    while let Ok(Ok(1..)) = timeout(PAUSE_MAX, client.get_mut().read(&mut bytes)).await {}
}

/// From the client to the handler.
async fn receive(mut client: SplitStream<&mut Client>, handler: &mpsc::Sender<Bytes>) -> End {
    loop {
        // Where the call is over, the end of its answer says so.
        let Ok(room) = handler.reserve().await else { return std::future::pending().await };
        let Ok(next) = timeout(SILENCE_MAX, client.next()).await else { return End::Gone };
        match next {
            Some(Ok(Message::Text(text))) => room.send(messages::text(&text)),
            Some(Ok(Message::Binary(bytes))) => room.send(messages::binary(&bytes)),
            Some(Ok(Message::Close(frame))) => return End::Closed(frame),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Err(Error::Capacity(_))) => return End::Fail(because(CloseCode::Size, "message_too_large")),
            Some(Err(Error::Utf8(_))) => return End::Fail(because(CloseCode::Invalid, "not_utf8")),
            Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => return End::Gone,
            Some(Err(Error::Protocol(_))) => return End::Fail(because(CloseCode::Protocol, "malformed")),
            Some(Err(_)) | None => return End::Gone,
        }
    }
}

/// From the handler to the client.
async fn send(
    mut client: SplitSink<&mut Client, Message>,
    handler: &mut ResponseBody,
    message_bytes_max: usize,
) -> End {
    let failed = || End::Close(Some(because(CloseCode::Error, "function_failed")));
    let mut decoder = Decoder::new(message_bytes_max);
    let mut pings = every(PING_EVERY);
    loop {
        let message = match decoder.next() {
            Ok(Some(Message::Close(frame))) => return End::Close(frame),
            Ok(Some(message)) => message,
            Err(Broken::TooLarge) => return End::Close(Some(because(CloseCode::Size, "message_too_large"))),
            Err(Broken::Malformed) => return failed(),
            Ok(None) => tokio::select! {
                _ = pings.tick() => Message::Ping(Bytes::new()),
                next = handler.frame() => match next {
                    Some(Ok(frame)) => {
                        decoder.push(frame.data_ref().map_or(&[][..], |data| &data[..]));
                        continue;
                    }
                    Some(Err(error)) if error.is_retired => {
                        return End::Close(Some(because(CloseCode::Restart, "function_replaced")));
                    }
                    Some(Err(_)) | None => return failed(),
                },
            },
        };
        if !matches!(timeout(SEND_MAX, client.send(message)).await, Ok(Ok(()))) {
            return End::Gone;
        }
    }
}
