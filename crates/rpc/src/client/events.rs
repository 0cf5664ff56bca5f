//! `EventBus` of another process. A subscription that breaks ends with `Unavailable`; what is waited for
//! is watched for good, and while the broker is away the last that was known stands.

use crate::MESSAGE_BYTES_MAX;
use crate::proto::event_bus_client::EventBusClient as Wire;
use crate::proto::{self, PublishRequest};
use crate::remote::{Remote, Signed};
use crate::status::from_status;
use crate::wire::events;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use ports::events::{BusError, Deliveries, Delivery, Demand, EventBus, Realm, Subscribe, Topic};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::{Status, Streaming};

/// Waits between attempts to watch again: doubled from the first to the last.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// Publishes to and subscribes with buncast.
pub struct EventBusClient {
    calls: Line,
    /// Long streams have a connection of their own, so that they take no place of calls.
    streams: Line,
    watcher: OnceLock<Watcher>,
}

/// One connection to the broker.
#[derive(Clone)]
struct Line {
    remote: Remote,
    wire: Wire<Signed>,
}

impl Line {
    fn new(remote: Remote) -> Self {
        let wire = Wire::new(remote.channel()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        Self { remote, wire }
    }
}

struct Watcher {
    demand: watch::Receiver<Arc<Demand>>,
    task: JoinHandle<()>,
}

impl EventBusClient {
    pub(crate) fn new(calls: Remote, streams: Remote) -> Self {
        Self { calls: Line::new(calls), streams: Line::new(streams), watcher: OnceLock::new() }
    }
}

impl Drop for EventBusClient {
    fn drop(&mut self) {
        if let Some(watcher) = self.watcher.get() {
            watcher.task.abort();
        }
    }
}

#[async_trait]
impl EventBus for EventBusClient {
    async fn publish(&self, realm: &Realm, topic: &Topic, payload: Bytes) -> Result<Option<u64>, BusError> {
        let topic = topic.as_str().to_owned();
        let message = PublishRequest { realm: events::put_realm(realm), topic, payload };
        let mut wire = self.calls.wire.clone();
        self.calls.remote.call(wire.publish(message)).await.map(|reply| reply.offset).map_err(from_status)
    }

    async fn subscribe(&self, wish: Subscribe) -> Result<Deliveries, BusError> {
        let mut wire = self.streams.wire.clone();
        let message = events::put_subscribe(&wish);
        let opened = self.streams.remote.call(wire.subscribe(message)).await;
        opened.map(deliveries).map_err(from_status)
    }

    fn demand(&self) -> watch::Receiver<Arc<Demand>> {
        self.watcher.get_or_init(|| watch_demand(self.streams.clone())).demand.clone()
    }
}

/// What the broker delivers, until the first error; the end of the stream is one.
fn deliveries(stream: Streaming<proto::Delivery>) -> Deliveries {
    let next = |state: Option<Streaming<proto::Delivery>>| async move {
        let mut stream = state?;
        let delivered = match stream.message().await {
            Ok(Some(message)) => events::get_delivery(message),
            Ok(None) => Err(Status::unavailable("the broker ended the subscription")),
            Err(status) => Err(status),
        };
        let delivered: Result<Delivery, BusError> = delivered.map_err(from_status);
        let rest = delivered.is_ok().then_some(stream);
        Some((delivered, rest))
    };
    stream::unfold(Some(stream), next).boxed()
}

fn watch_demand(line: Line) -> Watcher {
    let (sender, demand) = watch::channel(Arc::default());
    let task = tokio::spawn(async move {
        let mut backoff = BACKOFF_MIN;
        loop {
            if follow(&line, &sender).await {
                backoff = BACKOFF_MIN;
            }
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    });
    Watcher { demand, task }
}

/// Follows one stream to its end; says whether it brought anything.
async fn follow(line: &Line, sender: &watch::Sender<Arc<Demand>>) -> bool {
    let mut wire = line.wire.clone();
    let Ok(mut stream) = line.remote.call(wire.watch_demand(proto::Nothing {})).await else { return false };
    let mut brought = false;
    while let Ok(Some(message)) = stream.message().await {
        match events::get_demand(message) {
            Ok(demand) => _ = sender.send_replace(Arc::new(demand)),
            Err(status) => tracing::warn!(reason = status.message(), "what is waited for cannot be read"),
        }
        brought = true;
    }
    brought
}
