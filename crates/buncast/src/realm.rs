//! One realm: its topics and its subscriptions. Nothing here knows of another realm.

use crate::budget::{Budget, Total};
use crate::config::BuncastConfig;
use crate::inbox::{Consumer, Inbox};
use crate::index::Index;
use crate::metrics::Metrics;
use crate::queue::End;
use crate::sync::{read, write};
use crate::topic::TopicState;
use ports::events::{BusError, Realm, Topic};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use tokio::sync::Semaphore;

/// What all realms share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) config: Arc<BuncastConfig>,
    pub(crate) total: Arc<Total>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) subscriptions: Arc<AtomicUsize>,
    pub(crate) log_writers: Arc<Semaphore>,
}

/// One realm.
#[derive(Debug)]
pub(crate) struct RealmState {
    pub(crate) realm: Realm,
    pub(crate) budget: Arc<Budget>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) log_writers: Arc<Semaphore>,
    shared: Shared,
    topics: RwLock<HashMap<Arc<str>, Arc<TopicState>>>,
    index: RwLock<Index>,
    /// Changes with every subscription; never 0.
    version: AtomicU64,
    subscriptions: AtomicUsize,
}

impl RealmState {
    pub(crate) fn new(realm: Realm, shared: Shared) -> Arc<Self> {
        Arc::new(Self {
            realm,
            budget: Budget::new(shared.total.clone(), shared.config.realm_bytes_max),
            metrics: shared.metrics.clone(),
            log_writers: shared.log_writers.clone(),
            shared,
            topics: RwLock::default(),
            index: RwLock::default(),
            version: AtomicU64::new(1),
            subscriptions: AtomicUsize::new(0),
        })
    }

    /// A topic, remembered from now on.
    pub(crate) fn topic(&self, topic: &Topic) -> Result<Arc<TopicState>, BusError> {
        if let Some(known) = self.known(topic.as_str()) {
            return Ok(known);
        }
        let mut topics = write(&self.topics);
        let topics_max = self.shared.config.topics_per_realm_max;
        if topics.len() >= topics_max {
            forget_half(&mut topics);
        }
        if topics.len() >= topics_max {
            return Err(BusError::Limit("the project has as many topics as it may have: remove one"));
        }
        let state = topics.entry(topic.as_str().into()).or_insert_with(|| TopicState::new(topic.clone()));
        Ok(state.clone())
    }

    /// A topic that is in the store of declarations, whatever the limit is now.
    pub(crate) fn declared(&self, topic: &Topic) -> Arc<TopicState> {
        let new = || TopicState::new(topic.clone());
        write(&self.topics).entry(topic.as_str().into()).or_insert_with(new).clone()
    }

    /// A topic that is remembered.
    pub(crate) fn known(&self, topic: &str) -> Option<Arc<TopicState>> {
        read(&self.topics).get(topic).cloned()
    }

    /// All topics that are remembered.
    pub(crate) fn topics(&self) -> Vec<Arc<TopicState>> {
        read(&self.topics).values().cloned().collect()
    }

    pub(crate) fn remove_topic(&self, topic: &str) -> Option<Arc<TopicState>> {
        write(&self.topics).remove(topic)
    }

    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Who gets the events of `topic`.
    pub(crate) fn targets(&self, topic: &Topic) -> Vec<Arc<Inbox>> {
        read(&self.index).of(topic)
    }

    /// Counts one more subscription.
    pub(crate) fn admit(&self) -> Result<(), BusError> {
        let config = &self.shared.config;
        let counts = [
            (&self.subscriptions, config.subscriptions_per_realm_max),
            (&*self.shared.subscriptions, config.subscriptions_max),
        ];
        for (at, (count, max)) in counts.iter().enumerate() {
            if count.fetch_add(1, Ordering::Relaxed) >= *max {
                counts[..=at].iter().for_each(|(count, _)| _ = count.fetch_sub(1, Ordering::Relaxed));
                return Err(BusError::Limit("there are as many subscriptions as there may be: end one"));
            }
        }
        self.metrics.subscriptions.increment(1.0);
        Ok(())
    }

    /// Counts one less.
    pub(crate) fn dismiss(&self) {
        self.subscriptions.fetch_sub(1, Ordering::Relaxed);
        self.shared.subscriptions.fetch_sub(1, Ordering::Relaxed);
        self.metrics.subscriptions.decrement(1.0);
    }

    pub(crate) fn subscriptions(&self) -> usize {
        self.subscriptions.load(Ordering::Relaxed)
    }

    /// From now on `inbox` gets what its pattern matches.
    pub(crate) fn attach(&self, inbox: &Arc<Inbox>) {
        let mut index = write(&self.index);
        index.insert(inbox);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// From now on it does not.
    pub(crate) fn detach(&self, inbox: &Arc<Inbox>) {
        let mut index = write(&self.index);
        index.remove(inbox);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Ends subscriptions: all, or those of clients.
    pub(crate) fn end_all(&self, end: End, of: Option<Consumer>) {
        let inboxes = read(&self.index).all();
        let ended = inboxes.iter().filter(|inbox| of.is_none_or(|consumer| inbox.consumer == consumer));
        ended.for_each(|inbox| inbox.end(end));
    }

    /// Gives up what waits for the subscriber for whom most waits; says how many bytes that was.
    pub(crate) fn shed(&self) -> usize {
        let inboxes = read(&self.index).all();
        let greediest = inboxes.iter().max_by_key(|inbox| inbox.bytes());
        greediest.map_or(0, |inbox| inbox.shed())
    }
}

/// Forgets the half of the topics that was published to the longest ago; declared ones and those that are
/// in use stay.
fn forget_half(topics: &mut HashMap<Arc<str>, Arc<TopicState>>) {
    let mut idle: Vec<_> = topics
        .iter()
        .filter(|(_, state)| Arc::strong_count(state) == 1 && !state.is_declared())
        .map(|(name, state)| (state.last_ms(), name.clone()))
        .collect();
    idle.sort_unstable();
    idle.truncate(idle.len().div_ceil(2));
    idle.iter().for_each(|(_, name)| _ = topics.remove(name));
}
