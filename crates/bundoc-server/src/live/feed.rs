//! The change feed of one project's database, read once for all its subscribers, who stand in a room for each
//! collection.

use super::event::LiveChange;
use super::position::event_id;
use super::room::{Member, Place, Room};
use super::shared::{NewQuery, SharedQueries, SharedQuery, TooManyPatterns};
use super::subscriber::{Subscriber, ViewerKey, key_of};
use super::{Live, now};
use bundoc::engine::{Actor, Change, ChangePosition, CollectionName, DatabaseName, Engine};
use bundoc::error::EngineError;
use service_kit::ids::ProjectId;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::{Notify, watch};
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
    queries: Mutex<SharedQueries>,
    /// Has the reader look without a change.
    nudged: Notify,
    /// The last commit that changed the database.
    changed: watch::Receiver<u64>,
    /// Whether somebody asks rules again that look at more than the documents.
    pub(super) asking: AtomicBool,
    state: Mutex<State>,
}

/// Who is told what, and how far.
pub(super) struct State {
    /// Everything up to here was handed out.
    pub(super) position: ChangePosition,
    pub(super) rooms: HashMap<CollectionName, Room>,
    /// The changes after `recent_after` up to `position`.
    recent: VecDeque<LiveChange>,
    recent_after: ChangePosition,
    recent_bytes: usize,
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
            rooms: HashMap::new(),
            recent: VecDeque::new(),
            recent_after: position,
            recent_bytes: 0,
        };
        let feed = Arc::new(Self {
            engine,
            database,
            queries: Mutex::default(),
            nudged: Notify::new(),
            changed: wake_up.clone(),
            asking: AtomicBool::new(false),
            state: Mutex::new(state),
        });
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

    /// The last commit that changed the database, or one after it.
    pub(super) fn last_change(&self) -> u64 {
        *self.changed.borrow()
    }

    /// Has the reader look whether queries have become part of an audience.
    pub(super) fn nudge(&self) {
        self.nudged.notify_one();
    }

    /// The query that is there already where an equal one is.
    pub(super) fn share(
        &self,
        collection: &CollectionName,
        query: NewQuery,
        patterns_max: usize,
    ) -> Result<Arc<SharedQuery>, TooManyPatterns> {
        let mut queries = self.queries.lock().unwrap_or_else(PoisonError::into_inner);
        queries.share(collection, query, patterns_max)
    }

    pub(super) fn place(&self) -> Place<'_> {
        Place { engine: &*self.engine, database: &self.database }
    }

    /// Begins to ask rules again, unless somebody does.
    pub(super) fn begin_asking(&self) -> bool {
        !self.asking.swap(true, Ordering::AcqRel)
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
            Ok((changes, reached)) => {
                let (epoch, more) = (self.epoch(), !changes.is_empty());
                changes.into_iter().for_each(|change| self.dispatch(LiveChange::new(change, &epoch)));
                if !more {
                    self.settle(reached);
                }
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
        if let Some(room) = state.rooms.get_mut(&change.change.collection) {
            room.dispatch(self.place(), &change);
            state.leave_empty(&change.change.collection);
        }
        change.forget_answers();
        state.remember(change);
    }

    /// Nothing is to be handed out up to `reached`.
    fn settle(&self, reached: ChangePosition) {
        let mut state = self.lock();
        state.position = state.position.max(reached);
        let position = state.position;
        state.rooms.values_mut().for_each(|room| room.settle(self.place(), position));
    }

    /// Goes on from a place where the log does not reach back to the last one.
    fn skip_to(&self, position: ChangePosition) {
        let mut state = self.lock();
        state.rooms.values_mut().for_each(|room| room.resync(position));
        state.recent.clear();
        state.recent_bytes = 0;
        (state.position, state.recent_after) = (position, position);
    }

    /// Hands out to a new subscriber what comes from now on.
    pub(super) fn join_now(&self, subscriber: &Arc<Subscriber>, project: &ProjectId) {
        let mut state = self.lock();
        let position = state.position;
        subscriber.connected(project, position);
        state.insert(self.place(), subscriber, position);
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
                change.forget_answers();
            }
        }
        let after = position.max(state.position);
        state.insert(self.place(), subscriber, after);
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
            state.insert(self.place(), subscriber, member.after);
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn insert(&mut self, place: Place<'_>, subscriber: &Arc<Subscriber>, after: ChangePosition) {
        let room = self.rooms.entry(subscriber.collection.clone()).or_default();
        room.insert(place, subscriber, after);
        self.leave_empty(&subscriber.collection);
    }

    fn remove(&mut self, subscriber: &Subscriber, key: &ViewerKey) -> Option<Member> {
        let room = self.rooms.get_mut(&subscriber.collection)?;
        let member = room.remove(subscriber, key);
        self.leave_empty(&subscriber.collection);
        member
    }

    fn leave_empty(&mut self, collection: &CollectionName) {
        if self.rooms.get(collection).is_some_and(Room::is_empty) {
            self.rooms.remove(collection);
        }
    }

    /// The documents of a collection that changed after `position`; `None` where that is not known any more.
    pub(super) fn changed_after(
        &self,
        collection: &CollectionName,
        position: ChangePosition,
    ) -> Option<HashSet<&str>> {
        let changed = self.recent.iter().filter(|one| one.change.position > position);
        let here = changed.filter(|one| one.change.collection == *collection);
        (position >= self.recent_after).then(|| here.map(LiveChange::document_id).collect())
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
    loop {
        tokio::select! {
            changed = wake_up.changed() => if changed.is_err() { return },
            () = feed.nudged.notified() => {}
        }
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
