//! The change feed of one project's database, read once for all its subscribers. Subscribers whom rules
//! cannot tell apart stand in one group, and the rules are asked once for each group.

use super::event::LiveChange;
use super::position::event_id;
use super::subscriber::{Subscriber, ViewerKey, key_of};
use super::{Live, now};
use bundoc::engine::{Actor, Change, ChangePosition, CollectionName, DatabaseName, Engine};
use bundoc::error::EngineError;
use service_kit::ids::ProjectId;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Changes that are read at once.
pub(super) const PAGE: usize = 256;
/// Changes that are kept in memory for those who come back.
const RECENT_MAX: usize = 256;
/// Bytes of the documents in them.
const RECENT_BYTES_MAX: usize = 1024 * 1024;

/// One feed and its subscribers.
pub(super) struct Feed {
    engine: Arc<dyn Engine>,
    database: DatabaseName,
    state: Mutex<State>,
}

struct State {
    /// Everything up to here was handed out.
    position: ChangePosition,
    collections: HashMap<CollectionName, HashMap<ViewerKey, Group>>,
    /// The changes after `recent_after` up to `position`.
    recent: VecDeque<LiveChange>,
    recent_after: ChangePosition,
    recent_bytes: usize,
}

struct Group {
    actor: Actor,
    members: HashMap<u64, Member>,
}

struct Member {
    subscriber: Arc<Subscriber>,
    /// What it has already.
    after: ChangePosition,
}

/// While this lives, the feed is read.
pub(super) struct Reading(AbortHandle);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Feed {
    /// Begins to read, from now.
    pub(super) fn start(live: &Arc<Live>, database: DatabaseName) -> (Arc<Self>, Reading) {
        let engine = live.engine.clone();
        // In this order: what is committed in between is read.
        let wake_up = engine.watch(&database);
        let position = now(&*engine);
        let state = State {
            position,
            collections: HashMap::new(),
            recent: VecDeque::new(),
            recent_after: position,
            recent_bytes: 0,
        };
        let feed = Arc::new(Self { engine, database, state: Mutex::new(state) });
        let task = tokio::spawn(read(Arc::downgrade(live), feed.clone(), wake_up));
        (feed, Reading(task.abort_handle()))
    }

    pub(super) fn database(&self) -> &DatabaseName {
        &self.database
    }

    pub(super) fn epoch(&self) -> String {
        self.engine.epoch(&self.database)
    }

    pub(super) fn event_id(&self, position: ChangePosition) -> String {
        event_id(&self.epoch(), position)
    }

    pub(super) fn now(&self) -> ChangePosition {
        now(&*self.engine)
    }

    /// A page of changes after a place, and the place that the page reaches. Blocking.
    pub(super) fn page(&self, after: ChangePosition) -> Result<(Vec<Change>, ChangePosition), EngineError> {
        let end = self.now();
        let changes = self.engine.changes(&self.database, after, PAGE)?;
        let reached = changes.last().map_or(end.max(after), |last| last.position);
        Ok((changes, reached))
    }

    /// Hands out the next page; whether there may be more. Blocking.
    fn hand_out(&self) -> Result<bool, EngineError> {
        let after = self.lock().position;
        match self.page(after) {
            Ok((changes, _)) => {
                let (epoch, more) = (self.epoch(), !changes.is_empty());
                changes.into_iter().for_each(|change| self.dispatch(LiveChange::new(change, &epoch)));
                Ok(more)
            }
            Err(EngineError::FeedTrimmed) => {
                self.skip_to(self.now());
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    fn dispatch(&self, change: LiveChange) {
        let mut state = self.lock();
        let groups = state.collections.get(&change.change.collection);
        for group in groups.into_iter().flat_map(HashMap::values) {
            let sight = self.engine.sight(&self.database, &change.change, &group.actor);
            let behind = group.members.values().filter(|member| change.change.position > member.after);
            behind.for_each(|member| member.subscriber.deliver(&change, sight));
        }
        state.remember(change);
    }

    /// Goes on from a place where the log does not reach back to the last one.
    fn skip_to(&self, position: ChangePosition) {
        let mut state = self.lock();
        let members = state.collections.values().flat_map(HashMap::values);
        for member in members.flat_map(|group| group.members.values()) {
            member.subscriber.resync(position);
        }
        state.recent.clear();
        state.recent_bytes = 0;
        (state.position, state.recent_after) = (position, position);
    }

    /// Hands out to a new subscriber what comes from now on.
    pub(super) fn join_now(&self, subscriber: &Arc<Subscriber>, project: &ProjectId) {
        let mut state = self.lock();
        let position = state.position;
        subscriber.connected(project, position);
        state.insert(subscriber, position);
    }

    /// Hands out to a subscriber what comes after `position`, if this is still in memory.
    pub(super) fn join(&self, subscriber: &Arc<Subscriber>, position: ChangePosition) -> bool {
        let mut state = self.lock();
        if position < state.recent_after {
            return false;
        }
        let actor = subscriber.actor();
        for change in state.recent.iter().filter(|one| one.change.position > position) {
            if change.change.collection == subscriber.collection {
                subscriber.deliver(change, self.engine.sight(&self.database, &change.change, &actor));
            }
        }
        let after = position.max(state.position);
        state.insert(subscriber, after);
        true
    }

    /// Hands out nothing more to a subscriber.
    pub(super) fn leave(&self, subscriber: &Subscriber) {
        let key = subscriber.key();
        self.lock().remove(subscriber, &key);
    }

    /// Goes on for a subscriber on behalf of somebody else; it has to read again.
    pub(super) fn change_actor(&self, subscriber: &Arc<Subscriber>, actor: Actor) {
        let mut state = self.lock();
        let before = subscriber.key();
        let member = state.remove(subscriber, &before);
        let mut viewer = subscriber.viewer.lock().unwrap_or_else(PoisonError::into_inner);
        (viewer.key, viewer.actor) = (key_of(&actor), actor);
        drop(viewer);
        subscriber.resync(state.position);
        if let Some(member) = member {
            state.insert(subscriber, member.after);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A subscriber that has gone is not taken in: whoever ends it looks for it here afterwards.
    fn insert(&mut self, subscriber: &Arc<Subscriber>, after: ChangePosition) {
        if subscriber.outbox.is_closed() {
            return;
        }
        let groups = self.collections.entry(subscriber.collection.clone()).or_default();
        let new = || Group { actor: subscriber.actor(), members: HashMap::new() };
        let group = groups.entry(subscriber.key()).or_insert_with(new);
        group.members.insert(subscriber.number, Member { subscriber: subscriber.clone(), after });
    }

    fn remove(&mut self, subscriber: &Subscriber, key: &ViewerKey) -> Option<Member> {
        let groups = self.collections.get_mut(&subscriber.collection)?;
        let group = groups.get_mut(key)?;
        let member = group.members.remove(&subscriber.number);
        if group.members.is_empty() {
            groups.remove(key);
        }
        if groups.is_empty() {
            self.collections.remove(&subscriber.collection);
        }
        member
    }

    fn remember(&mut self, change: LiveChange) {
        self.position = change.change.position;
        self.recent_bytes += change.bytes();
        self.recent.push_back(change);
        while self.recent.len() > RECENT_MAX || self.recent_bytes > RECENT_BYTES_MAX {
            let Some(oldest) = self.recent.pop_front() else { return };
            self.recent_bytes -= oldest.bytes();
            self.recent_after = oldest.change.position;
        }
    }
}

/// Reads until it is aborted, or the feed cannot be read.
async fn read(live: Weak<Live>, feed: Arc<Feed>, mut wake_up: watch::Receiver<u64>) {
    while wake_up.changed().await.is_ok() {
        loop {
            let reading = feed.clone();
            let failed = match tokio::task::spawn_blocking(move || reading.hand_out()).await {
                Ok(Ok(true)) => continue,
                Ok(Ok(false)) => break,
                Ok(Err(EngineError::Closed)) => "shutting_down",
                Ok(Err(error)) => {
                    tracing::error!(%error, "a change feed cannot be read, its subscriptions end");
                    "unavailable"
                }
                Err(error) => {
                    tracing::error!(%error, "reading a change feed broke off, its subscriptions end");
                    "unavailable"
                }
            };
            if let Some(live) = live.upgrade() {
                live.failed(&feed, failed);
            }
            return;
        }
    }
}
