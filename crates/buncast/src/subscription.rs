//! The receiving end of a subscription: what the log holds first, where that was asked for, then what is
//! published. Dropping it ends the subscription.

use crate::demand::DemandBook;
use crate::inbox::Inbox;
use crate::log::{LogError, Read, Reader};
use crate::queue::{End, Taken};
use crate::realm::RealmState;
use crate::run::Part;
use crate::topic::TopicState;
use futures_util::stream::{self, StreamExt as _};
use ports::events::{BusError, Deliveries, Delivery};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::task::{JoinError, JoinHandle};

/// How many bytes are taken out of the queue at once.
const TAKE_BYTES: usize = 256 << 10;

/// What a subscriber is told.
#[derive(Debug)]
pub enum Item {
    /// Consecutive events of one topic.
    Events(Part),
    /// This many events were dropped or merged.
    Missed(u64),
    /// The log no longer reaches back to the wanted offset; it goes on from the oldest event.
    Resync,
}

/// How a subscription ended.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The project or the topic was removed.
    #[error("the topic was removed")]
    Removed,
    /// The server shuts down.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// The subscriber was too slow, or the log cannot be read.
    #[error(transparent)]
    Failed(BusError),
}

/// One subscription.
#[derive(Debug)]
pub struct Subscription {
    membership: Membership,
    replay: Option<Replay>,
    ready: VecDeque<Item>,
    ended: Option<End>,
}

/// The reading of a log, before what is published live.
#[derive(Debug)]
pub(crate) struct Replay {
    topic: Arc<TopicState>,
    /// The next part is read while the one before is told; a handle outlives the future that waits for it.
    reading: JoinHandle<(Result<Read, LogError>, Reader)>,
}

impl Replay {
    pub(crate) fn begin(topic: Arc<TopicState>, reader: Reader) -> Self {
        Self { topic, reading: read(reader) }
    }
}

fn read(mut reader: Reader) -> JoinHandle<(Result<Read, LogError>, Reader)> {
    tokio::task::spawn_blocking(move || (reader.read(), reader))
}

/// A subscriber's place in its realm, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Membership {
    pub(crate) realm: Arc<RealmState>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) demand: Arc<DemandBook>,
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.realm.detach(&self.inbox);
        self.inbox.end(End::Removed);
        self.demand.remove(&self.realm.realm, &self.inbox.pattern);
        self.realm.dismiss();
    }
}

impl Subscription {
    pub(crate) fn new(membership: Membership, replay: Option<Replay>) -> Self {
        Self { membership, replay, ready: VecDeque::new(), ended: None }
    }

    /// The next thing to tell. Nothing is lost where the future is dropped before it is ready.
    ///
    /// # Errors
    /// The subscription has ended.
    pub async fn next(&mut self) -> Result<Item, Ended> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The same, for bodies that are polled.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Item, Ended>> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Poll::Ready(Ok(item));
            }
            if let Some(end) = self.ended {
                return Poll::Ready(Err(ended(end)));
            }
            if self.replay.is_some() {
                ready!(self.poll_log(context))?;
            } else {
                let taken = ready!(self.membership.inbox.poll_take(context, TAKE_BYTES));
                self.keep(taken);
            }
        }
    }

    /// What can be told without waiting.
    pub(crate) fn try_next(&mut self) -> Option<Item> {
        if self.ready.is_empty() && self.replay.is_none() && self.ended.is_none() {
            let taken = self.membership.inbox.try_take(TAKE_BYTES)?;
            self.keep(taken);
        }
        self.ready.pop_front()
    }

    fn keep(&mut self, taken: Taken) {
        if taken.missed > 0 {
            self.ready.push_back(Item::Missed(taken.missed));
        }
        self.ready.extend(taken.parts.into_iter().map(Item::Events));
        self.ended = taken.end;
    }

    fn poll_log(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        let Some(replay) = &mut self.replay else { return Poll::Ready(Ok(())) };
        let (read_now, reader) = ready!(Pin::new(&mut replay.reading).poll(context)).map_err(stopped)?;
        match read_now.map_err(failed)? {
            Read::Resync => self.ready.push_back(Item::Resync),
            Read::Parts(parts) => self.ready.extend(parts.into_iter().map(Item::Events)),
            Read::End => {
                if replay.topic.join(&self.membership.realm, &reader, &self.membership.inbox) {
                    self.replay = None;
                    return Poll::Ready(Ok(()));
                }
            }
        }
        replay.reading = read(reader);
        Poll::Ready(Ok(()))
    }

    /// The same as a stream of single events.
    pub fn into_deliveries(self) -> Deliveries {
        let items = stream::unfold(Some(self), |subscription| async move {
            let mut subscription = subscription?;
            match subscription.next().await {
                Ok(item) => Some((deliveries(item), Some(subscription))),
                Err(Ended::Failed(error)) => Some((vec![Err(error)], None)),
                Err(Ended::Removed | Ended::ShuttingDown) => None,
            }
        });
        items.flat_map(stream::iter).boxed()
    }
}

fn deliveries(item: Item) -> Vec<Result<Delivery, BusError>> {
    match item {
        Item::Missed(count) => vec![Ok(Delivery::Missed(count))],
        Item::Resync => vec![Ok(Delivery::Resync)],
        Item::Events(part) => part.events().map(|event| Ok(Delivery::Event(Arc::new(event)))).collect(),
    }
}

fn ended(end: End) -> Ended {
    match end {
        End::TooSlow => Ended::Failed(BusError::TooSlow),
        End::Removed => Ended::Removed,
        End::ShuttingDown => Ended::ShuttingDown,
    }
}

fn failed(error: LogError) -> Ended {
    match error {
        LogError::Removed => Ended::Removed,
        error => Ended::Failed(error.into()),
    }
}

fn stopped(error: JoinError) -> Ended {
    Ended::Failed(BusError::Unavailable(Box::new(error)))
}
