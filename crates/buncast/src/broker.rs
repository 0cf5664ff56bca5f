//! The broker: all realms, publishing and subscribing.

use crate::budget::Total;
use crate::config::BuncastConfig;
use crate::demand::DemandBook;
use crate::inbox::{Consumer, Inbox};
use crate::log::{
    Answer, LogError, LogOptions, Reader, Retention, TopicLog, blocking, realm_directory, remove_directory,
};
use crate::metrics::Metrics;
use crate::queue::{Bounds, End};
use crate::realm::{RealmState, Shared};
use crate::run::Draft;
use crate::subscription::{Ended, Membership, Replay, Subscription};
use crate::sync::{read, write};
use crate::topic::{self, Offered, TopicInfo, TopicState};
use async_trait::async_trait;
use bytes::Bytes;
use ports::events::{BusError, Deliveries, Demand, EventBus, Pattern, Realm, Subscribe, Topic};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use tokio::sync::{Semaphore, watch};

/// How often room is made in memory before a publisher is turned away.
const SHEDS_MAX: usize = 8;

/// The broker.
#[derive(Debug)]
pub struct Broker {
    config: Arc<BuncastConfig>,
    shared: Shared,
    demand: Arc<DemandBook>,
    realms: RwLock<HashMap<Realm, Arc<RealmState>>>,
    logs: LogOptions,
    draining: AtomicBool,
}

/// What became of events.
pub(crate) enum Outcome {
    /// They are out; a subscriber that is hard pressed, if one is.
    Out(Option<Arc<Inbox>>),
    /// They are on their way to the disk; this tells the number of the first.
    Durable(Answer),
}

impl Broker {
    /// A broker whose logs lie in `directory`.
    pub(crate) fn new(config: Arc<BuncastConfig>, directory: PathBuf) -> Arc<Self> {
        let logs = LogOptions {
            directory,
            segment_bytes: config.segment_bytes,
            pending_bytes_max: config.log_pending_bytes_max,
        };
        let shared = Shared {
            config: config.clone(),
            total: Total::new(config.buffered_bytes_max),
            metrics: Arc::new(Metrics::register()),
            subscriptions: Arc::default(),
            log_writers: Arc::new(Semaphore::new(config.log_writers_max)),
        };
        let (demand, realms) = (Arc::new(DemandBook::new()), RwLock::default());
        Arc::new(Self { config, shared, demand, realms, logs, draining: AtomicBool::new(false) })
    }

    pub(crate) fn realm(&self, realm: &Realm) -> Arc<RealmState> {
        if let Some(known) = read(&self.realms).get(realm) {
            return known.clone();
        }
        let mut realms = write(&self.realms);
        let new = || RealmState::new(realm.clone(), self.shared.clone());
        realms.entry(realm.clone()).or_insert_with(new).clone()
    }

    fn realms(&self) -> Vec<Arc<RealmState>> {
        read(&self.realms).values().cloned().collect()
    }

    /// Publishes events of one topic.
    pub(crate) async fn publish_draft(
        &self,
        realm: &Arc<RealmState>,
        topic: &Arc<TopicState>,
        mut draft: Draft,
    ) -> Result<Outcome, BusError> {
        let mut topic = topic.clone();
        for _ in 0..=SHEDS_MAX {
            match topic.offer(realm, draft) {
                Offered::Out(pressed) => return Ok(Outcome::Out(pressed)),
                Offered::ToLog(log, draft) => {
                    return topic::append(realm, &topic, log, draft).await.map(Outcome::Durable);
                }
                Offered::NoRoom(refused) => {
                    draft = refused;
                    self.make_room(realm);
                }
                Offered::Removed(refused) => {
                    draft = refused;
                    topic = realm.topic(&draft.topic)?;
                }
            }
        }
        Err(BusError::Overloaded("too many events wait for slow subscribers: try again in a moment"))
    }

    /// Gives up what waits for one slow subscriber: of the realm that has used up its share, or else of the
    /// one that uses most.
    fn make_room(&self, realm: &Arc<RealmState>) {
        let greediest = self.realms().into_iter().max_by_key(|realm| realm.budget.used());
        let of = greediest.filter(|_| !realm.budget.is_used_up());
        let bytes = of.as_ref().unwrap_or(realm).shed();
        tracing::debug!(bytes, "gave up what waited for the slowest subscriber");
    }

    /// Refuses a payload that is too large.
    pub(crate) fn check_payload(&self, bytes: usize) -> Result<(), BusError> {
        let max = self.config.payload_bytes_max;
        if bytes > max { Err(BusError::TooLarge { max }) } else { Ok(()) }
    }

    /// Begins a subscription.
    ///
    /// # Errors
    /// `Limit`, `NotDurable`, `Unavailable`.
    pub async fn subscribe_as(&self, wish: Subscribe, consumer: Consumer) -> Result<Subscription, BusError> {
        if consumer == Consumer::Client && self.draining.load(Ordering::Relaxed) {
            return Err(BusError::Unavailable(Box::new(Ended::ShuttingDown)));
        }
        let realm = self.realm(&wish.realm);
        let replay = match wish.from {
            None => None,
            Some(from) => Some(replay(&realm, &wish.pattern, from).await?),
        };
        realm.admit()?;
        let bounds = Bounds {
            events_max: self.config.subscription_events_max,
            bytes_max: self.config.subscription_bytes_max,
        };
        let inbox = Arc::new(Inbox::new(wish.pattern, wish.slow, bounds, consumer));
        self.demand.add(&wish.realm, &inbox.pattern);
        if replay.is_none() {
            realm.attach(&inbox);
        }
        let membership = Membership { realm, inbox, demand: self.demand.clone() };
        Ok(Subscription::new(membership, replay))
    }

    /// Declares a topic; with a retention it keeps a log from now on.
    pub(crate) fn declare(&self, realm: &Realm, topic: &Topic, retention: Option<Retention>) {
        let state = self.realm(realm).declared(topic);
        match (state.log(), retention) {
            (Some(log), Some(retention)) => log.keep(retention),
            (None, Some(retention)) => {
                state.declare(Some(TopicLog::new(&self.logs, realm, topic, retention)));
                self.demand.add(realm, &pattern_of(topic));
            }
            (None, None) => state.declare(None),
            (Some(_), None) => {}
        }
    }

    /// Forgets a topic and removes its log; says whether it was known.
    pub(crate) async fn remove(&self, realm: &Realm, topic: &Topic) -> Result<bool, LogError> {
        let Some(state) = self.realm(realm).remove_topic(topic.as_str()) else { return Ok(false) };
        if let Some(log) = state.retire() {
            self.demand.remove(realm, &pattern_of(topic));
            log.remove().await?;
        }
        Ok(true)
    }

    /// Removes what is left of the log of a topic that is not declared.
    pub(crate) async fn sweep(&self, realm: &Realm, topic: &Topic) -> Result<(), LogError> {
        let directory = crate::log::topic_directory(&self.logs.directory, realm, topic);
        blocking(&self.logs.directory, move || remove_directory(&directory)).await
    }

    /// What is known about one topic; its log is opened for that.
    pub(crate) async fn info(&self, realm: &Realm, topic: &Topic) -> Option<TopicInfo> {
        let realm = self.realm(realm);
        let state = realm.known(topic.as_str())?;
        if let Some(log) = state.log() {
            // A log that cannot be opened has no size; why is told where it is used.
            let _ = log.open().await;
        }
        Some(state.info(&realm))
    }

    /// What is known about the topics of a realm behind `after`, in order.
    pub(crate) fn topics(&self, realm: &Realm, after: &str, limit: usize) -> Vec<TopicInfo> {
        let realm = self.realm(realm);
        let mut topics = realm.topics();
        topics.retain(|state| state.topic.as_str() > after);
        topics.sort_unstable_by(|one, other| one.topic.cmp(&other.topic));
        topics.iter().take(limit).map(|state| state.info(&realm)).collect()
    }

    /// Topics and subscriptions of every realm.
    pub(crate) fn overview(&self) -> Vec<(Realm, usize, usize)> {
        let mut realms: Vec<_> = self
            .realms()
            .iter()
            .map(|realm| (realm.realm.clone(), realm.topics().len(), realm.subscriptions()))
            .collect();
        realms.sort();
        realms
    }

    /// Bytes that wait for subscribers.
    pub(crate) fn buffered(&self) -> usize {
        self.shared.total.used()
    }

    /// Looks through all logs for what is too old or too much.
    pub(crate) async fn tend(&self) {
        self.shared.metrics.buffered.set(self.buffered() as f64);
        for realm in self.realms() {
            for log in realm.topics().iter().filter_map(|topic| topic.log()) {
                if let Err(error) = log.tend().await {
                    tracing::warn!(%error, "a log could not be looked through");
                }
            }
        }
    }

    /// Removes a realm with everything in it. Idempotent.
    pub(crate) async fn purge(&self, realm: &Realm) -> Result<(), LogError> {
        let removed = write(&self.realms).remove(realm);
        if let Some(state) = removed {
            state.end_all(End::Removed, None);
            for topic in state.topics() {
                if let Some(log) = topic.retire() {
                    self.demand.remove(realm, &pattern_of(&topic.topic));
                    log.remove().await?;
                }
            }
        }
        let directory = realm_directory(&self.logs.directory, realm);
        blocking(&self.logs.directory, move || remove_directory(&directory)).await
    }

    /// Ends the subscriptions of clients, and takes no new ones.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.realms().iter().for_each(|realm| realm.end_all(End::ShuttingDown, Some(Consumer::Client)));
    }

    /// Ends all subscriptions.
    pub(crate) fn close(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.realms().iter().for_each(|realm| realm.end_all(End::ShuttingDown, None));
    }
}

fn pattern_of(topic: &Topic) -> Pattern {
    topic.into()
}

async fn replay(realm: &Arc<RealmState>, pattern: &Pattern, from: u64) -> Result<Replay, BusError> {
    let topic = pattern.as_topic().ok_or(BusError::NotDurable)?;
    let state = realm.known(topic.as_str()).ok_or(BusError::NotDurable)?;
    let log = state.log().ok_or(BusError::NotDurable)?;
    let reader = Reader::new(log.open().await?, topic, realm.budget.clone(), from);
    Ok(Replay::begin(state, reader))
}

#[async_trait]
impl EventBus for Broker {
    async fn publish(&self, realm: &Realm, topic: &Topic, payload: Bytes) -> Result<Option<u64>, BusError> {
        self.check_payload(payload.len())?;
        let realm = self.realm(realm);
        let state = realm.topic(topic)?;
        match self.publish_draft(&realm, &state, Draft::one(topic, &payload)).await? {
            Outcome::Out(_) => Ok(None),
            Outcome::Durable(answer) => wait(answer).await.map(Some),
        }
    }

    async fn subscribe(&self, wish: Subscribe) -> Result<Deliveries, BusError> {
        Ok(self.subscribe_as(wish, Consumer::Process).await?.into_deliveries())
    }

    fn demand(&self) -> watch::Receiver<Arc<Demand>> {
        self.demand.watch()
    }
}

/// The number that an event got.
pub(crate) async fn wait(answer: Answer) -> Result<u64, BusError> {
    let gone = || Err(BusError::Unavailable(Box::new(Ended::ShuttingDown)));
    answer.await.unwrap_or_else(|_| gone())
}
