//! A subscription over a WebSocket (RFC 6455): messages as JSON text, and publications of the client, who
//! needs the right for each. One thing at a time: a client that does not read is not read either.

use super::Service;
use super::close::{Reason, Watch};
use super::message::{self, Publication};
use super::sse::PING_EVERY;
use crate::error::BuncastError;
use crate::rights;
use crate::run::Part;
use crate::subscription::{Item, Subscription};
use ::routes::Standing;
use ::rules::Access;
use axum::extract::WebSocketUpgrade;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use axum::response::Response;
use bytes::Bytes;
use ports::access::{Action, Grant};
use ports::events::{EventBus as _, Pattern, Realm};
use serde_json::json;
use service_kit::error::{ApiError, ErrorCode};
use std::time::Duration;
use tokio::time::{Instant, interval_at, timeout};

/// How long a client may take to read what it is sent.
const SEND_MAX: Duration = Duration::from_secs(30);
/// How long nothing may come from a client that is pinged.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// Bytes of a message besides the payload, which base64 makes a third longer.
const MESSAGE_EXTRA_BYTES: usize = 4 << 10;
/// The close code that says "policy" (RFC 6455 §7.4.1), for all that the server ends.
const CLOSE_POLICY: u16 = 1008;

/// One client, before its upgrade.
pub(super) struct Client {
    pub(super) service: Service,
    pub(super) grant: Grant,
    pub(super) subscription: Subscription,
    pub(super) watch: Watch,
    pub(super) pattern: Pattern,
}

/// The answer.
pub(super) fn open(upgrade: WebSocketUpgrade, client: Client) -> Response {
    let message_bytes_max = client.service.config.payload_bytes_max / 3 * 4 + MESSAGE_EXTRA_BYTES;
    upgrade.max_message_size(message_bytes_max).max_frame_size(message_bytes_max).on_upgrade(
        move |socket| async move {
            let mut connection = Connection { socket, client, may_publish: None, heard: Instant::now() };
            if let Err(End::Reason(reason)) = connection.run().await {
                connection.close(reason).await;
            }
        },
    )
}

struct Connection {
    socket: WebSocket,
    client: Client,
    /// The grant for publishing, and when it was asked for.
    may_publish: Option<(Instant, Grant)>,
    heard: Instant,
}

/// How a connection ended.
enum End {
    /// The client is gone.
    Gone,
    /// The client is told why.
    Reason(Reason),
}

impl From<Reason> for End {
    fn from(reason: Reason) -> Self {
        Self::Reason(reason)
    }
}

impl Connection {
    async fn run(&mut self) -> Result<(), End> {
        let mut pings = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        self.send(json!({ "event": "connected", "topic": self.client.pattern.as_str() }).to_string()).await?;
        loop {
            tokio::select! {
                biased;
                () = self.client.watch.due() => self.client.watch.check().await?,
                received = self.socket.recv() => self.received(received.and_then(Result::ok)).await?,
                item = self.client.subscription.next() => match item {
                    Ok(item) => self.deliver(item).await?,
                    Err(ended) => return Err(End::Reason((&ended).into())),
                },
                _ = pings.tick() => {
                    if self.heard.elapsed() > SILENCE_MAX {
                        return Err(End::Gone);
                    }
                    self.send_message(Message::Ping(Bytes::new())).await?;
                }
            }
        }
    }

    async fn deliver(&mut self, item: Item) -> Result<(), End> {
        match item {
            Item::Missed(count) => self.send(json!({ "event": "missed", "count": count }).to_string()).await,
            Item::Resync => self.send(json!({ "event": "resync" }).to_string()).await,
            Item::Events(part) if !self.client.watch.shows(&part) => Ok(()),
            Item::Events(part) => self.deliver_events(&part).await,
        }
    }

    async fn deliver_events(&mut self, part: &Part) -> Result<(), End> {
        for text in part.json() {
            let Ok(text) = Utf8Bytes::try_from(text) else { continue };
            self.send_message(Message::Text(text)).await?;
        }
        Ok(())
    }

    async fn received(&mut self, message: Option<Message>) -> Result<(), End> {
        self.heard = Instant::now();
        match message {
            None | Some(Message::Close(_)) => Err(End::Gone),
            Some(Message::Ping(_) | Message::Pong(_)) => Ok(()),
            Some(Message::Binary(_)) => Err(Reason("text_only").into()),
            Some(Message::Text(text)) => {
                let (id, publication) = message::read(&text);
                let answer = match self.publish(publication).await {
                    Ok(offset) => json!({ "event": "published", "offset": offset }),
                    Err(error) => {
                        json!({ "event": "error", "code": error.code.as_str(), "message": error.message })
                    }
                };
                let answer = answer.to_string();
                self.send(format!("{},\"id\":{id}}}", &answer[..answer.len() - 1])).await
            }
        }
    }

    async fn publish(
        &mut self,
        publication: Result<Publication, BuncastError>,
    ) -> Result<Option<u64>, ApiError> {
        let Publication { topic, payload } = publication?;
        let grant = self.publishing().await?;
        let service = &self.client.service;
        rights::check(service.rights(&grant).await?.as_ref(), Access::Write, &topic)?;
        let project =
            self.client.grant.project.clone().filter(|project| grant.project.as_ref() == Some(project));
        let project = project
            .ok_or_else(|| ApiError::new(ErrorCode::Forbidden, "this project is not yours any more"))?;
        Ok(service.broker.publish(&Realm::Project(project), &topic, payload).await?)
    }

    /// The grant to publish, asked for again after `Standing::EVERY`.
    async fn publishing(&mut self) -> Result<Grant, ApiError> {
        let known = self.may_publish.take().filter(|(asked, _)| asked.elapsed() < Standing::EVERY);
        let (asked, grant) = match known {
            Some(known) => known,
            None => (Instant::now(), self.client.watch.standing.may(Action::EventPublish).await?),
        };
        self.may_publish = Some((asked, grant.clone()));
        Ok(grant)
    }

    async fn send(&mut self, text: String) -> Result<(), End> {
        self.send_message(Message::Text(text.into())).await
    }

    async fn send_message(&mut self, message: Message) -> Result<(), End> {
        match timeout(SEND_MAX, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Gone),
        }
    }

    /// Says why, and closes; a client that is gone does not hear it.
    async fn close(&mut self, reason: Reason) {
        let _ = self.send(json!({ "event": "close", "reason": reason.0 }).to_string()).await;
        let frame = CloseFrame { code: CLOSE_POLICY, reason: reason.0.into() };
        let _ = self.send_message(Message::Close(Some(frame))).await;
    }
}
