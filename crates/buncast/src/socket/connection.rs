//! One connection: requests in, answers out, and after a subscription nothing but messages. Everything
//! that one read brought is worked off before the answers go out together.

use crate::error::BuncastError;
use crate::inbox::Consumer;
use crate::log::Retention;
use crate::service::BuncastService;
use crate::socket::deliver;
use crate::socket::frame::{self, Command, Request, Split};
use crate::socket::publish::Publisher;
use crate::subscription::Subscription;
use bytes::{Buf as _, BytesMut};
use ports::events::{Pattern, Realm, SlowPolicy, Subscribe, Topic};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// How much is read at once.
const READ_BYTES: usize = 256 << 10;

/// Serves a connection until it is closed.
pub(crate) async fn serve(service: Arc<BuncastService>, stream: UnixStream) {
    let realm = service.broker.realm(&Realm::System);
    let publisher = Publisher::new(service.broker.clone(), realm);
    let mut connection = Connection { service, stream, publisher, out: Vec::new() };
    if let Err(error) = connection.run().await {
        tracing::debug!(%error, "a connection to the event socket broke off");
    }
}

struct Connection {
    service: Arc<BuncastService>,
    stream: UnixStream,
    publisher: Publisher,
    /// Answers that wait to be written.
    out: Vec<u8>,
}

/// What a subscription came to.
struct Accepted {
    subscription: Subscription,
    /// Whether the subscriber understands notices.
    notices: bool,
}

impl Connection {
    async fn run(&mut self) -> io::Result<()> {
        let stall = Duration::from_millis(self.service.config.publisher_stall_ms_max);
        let mut input = BytesMut::new();
        loop {
            input.reserve(READ_BYTES);
            if self.stream.read_buf(&mut input).await? == 0 {
                return Ok(());
            }
            let worked = self.work(&mut input).await;
            self.publisher.flush(&mut self.out).await;
            self.publisher.settle(&mut self.out).await;
            self.stream.write_all(&self.out).await?;
            self.out.clear();
            match worked {
                Worked::All => {}
                Worked::Malformed => return Ok(()),
                Worked::Subscribed(accepted) => {
                    return deliver::run(accepted.subscription, &mut self.stream, accepted.notices).await;
                }
            }
            if let Some(pressed) = self.publisher.pressed() {
                pressed.relief(stall).await;
            }
            if input.is_empty() && input.capacity() > 4 * READ_BYTES {
                input = BytesMut::new();
            }
        }
    }

    /// Works off the requests that were read whole.
    async fn work(&mut self, input: &mut BytesMut) -> Worked {
        let mut at = 0;
        loop {
            match frame::split(&input[at..]) {
                Split::Malformed => return Worked::Malformed,
                Split::Part(bytes) => {
                    input.advance(at);
                    input.reserve(bytes.saturating_sub(input.len()));
                    return Worked::All;
                }
                Split::Request(request, used) => {
                    at += used;
                    match request.command {
                        Command::Publish | Command::PublishQuietly => {
                            self.publisher.add(request, &mut self.out).await;
                        }
                        _ => {
                            self.publisher.flush(&mut self.out).await;
                            if let Some(accepted) = self.other(request).await {
                                return Worked::Subscribed(accepted);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Everything but publications.
    async fn other(&mut self, request: Request<'_>) -> Option<Accepted> {
        self.publisher.forget();
        let done = match request.command {
            Command::Create => self.create(request.payload()).await,
            Command::Delete => self.delete(request.payload()).await,
            Command::List => Ok(self.list()),
            Command::Subscribe => match self.subscribe(request.payload()).await {
                Ok(accepted) => {
                    frame::answer(&mut self.out, request.id, &[]);
                    return Some(accepted);
                }
                Err(error) => Err(error),
            },
            _ => Err(BuncastError::Invalid("there is no such command: 1 to 6 are known")),
        };
        match done {
            Ok(payload) => frame::answer(&mut self.out, request.id, &payload),
            Err(error) => frame::refusal(&mut self.out, request.id, &error),
        }
        None
    }

    async fn create(&self, payload: &[u8]) -> Result<Vec<u8>, BuncastError> {
        let (topic, rest) = frame::topic(payload).ok_or(MALFORMED)?;
        let retention = match rest {
            [] => None,
            rest => {
                let (age_seconds, bytes_max) = frame::retention(rest).ok_or(MALFORMED)?;
                Some(Retention { age_seconds, bytes_max })
            }
        };
        self.service.declare(&Realm::System, &Topic::parse(topic)?, retention).await?;
        Ok(Vec::new())
    }

    async fn delete(&self, payload: &[u8]) -> Result<Vec<u8>, BuncastError> {
        let (topic, _) = frame::topic(payload).ok_or(MALFORMED)?;
        self.service.remove(&Realm::System, &Topic::parse(topic)?).await?;
        Ok(Vec::new())
    }

    fn list(&self) -> Vec<u8> {
        let topics = self.service.broker.topics(&Realm::System, "", usize::MAX);
        let names: Vec<_> = topics.iter().map(|info| info.topic.as_str()).collect();
        serde_json::json!(names).to_string().into_bytes()
    }

    async fn subscribe(&self, payload: &[u8]) -> Result<Accepted, BuncastError> {
        let (pattern, rest) = frame::topic(payload).ok_or(MALFORMED)?;
        let options = match rest {
            [] => None,
            rest => Some(frame::options(rest).ok_or(MALFORMED)?),
        };
        let wish = Subscribe {
            realm: Realm::System,
            pattern: Pattern::parse(pattern)?,
            from: options.and_then(|options| options.from),
            slow: options.map_or(SlowPolicy::DropOldest, |options| options.slow),
        };
        let subscription = self.service.broker.subscribe_as(wish, Consumer::Client).await?;
        Ok(Accepted { subscription, notices: options.is_some() })
    }
}

/// What one read came to.
enum Worked {
    All,
    Malformed,
    Subscribed(Accepted),
}

const MALFORMED: BuncastError =
    BuncastError::Invalid("the payload does not have the form of this command: see the protocol");
