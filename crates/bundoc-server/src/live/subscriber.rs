//! One subscriber: where its events go, and what a change is to it.

use super::event::{self, LiveChange, Show};
use super::feed::Feed;
use super::query::LiveQuery;
use bundoc::engine::{Actor, ChangeKind, ChangePosition, CollectionName, Sight};
use bytes::Bytes;
use routes::Standing;
use service_kit::ids::ProjectId;
use service_kit::sse::{Outbox, Refused};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// One open subscription.
pub(super) struct Subscriber {
    pub(super) number: u64,
    pub(super) collection: CollectionName,
    pub(super) feed: Arc<Feed>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) standing: Standing,
    pub(super) viewer: Mutex<Viewer>,
    pub(super) query: Option<LiveQuery>,
}

/// On whose behalf a subscription is open.
pub(super) struct Viewer {
    pub(super) actor: Actor,
    pub(super) key: ViewerKey,
    /// Since when nobody could say whether it may still be open.
    pub(super) unsure_since: Option<Instant>,
}

/// What rules can tell apart: none for whom they do not apply to, else id and claims.
pub(super) type ViewerKey = Option<Arc<[u8]>>;

impl Viewer {
    pub(super) fn new(actor: Actor) -> Mutex<Self> {
        Mutex::new(Self { key: key_of(&actor), actor, unsure_since: None })
    }
}

pub(super) fn key_of(actor: &Actor) -> ViewerKey {
    let Actor::Ruled(auth) = actor else { return None };
    let mut key = auth.uid.as_deref().unwrap_or_default().as_bytes().to_vec();
    key.push(0);
    key.extend(auth.claims.to_vec().unwrap_or_default());
    Some(key.into())
}

/// What a change means to a subscriber.
pub(super) enum Outcome {
    Nothing,
    Send(Bytes),
    /// What the subscriber has may be wrong.
    Resync,
    Close(&'static str),
}

impl Subscriber {
    pub(super) fn actor(&self) -> Actor {
        self.viewer.lock().unwrap_or_else(PoisonError::into_inner).actor.clone()
    }

    pub(super) fn key(&self) -> ViewerKey {
        self.viewer.lock().unwrap_or_else(PoisonError::into_inner).key.clone()
    }

    /// Begins the stream.
    pub(super) fn connected(&self, project: &ProjectId, position: ChangePosition) {
        let id = self.feed.event_id(position);
        // The first event finds room.
        let _first = self.outbox.offer(event::connected(project, self.collection.as_str(), Some(&id)));
    }

    /// Says that everything is to be read again; a live query sends its result again.
    pub(super) fn resync(&self, position: ChangePosition) {
        match &self.query {
            Some(query) => query.restart(),
            None => {
                let resync = event::resync(&self.feed.epoch(), position);
                if self.outbox.offer(resync.clone()) == Err(Refused::Full) {
                    self.outbox.replace(resync);
                }
            }
        }
    }

    /// Has the result of a live query sent again.
    pub(super) fn restart(&self) {
        if let Some(query) = &self.query {
            query.restart();
        }
    }

    /// What a change is to this subscriber.
    pub(super) fn outcome(&self, change: &LiveChange, sight: Sight) -> Outcome {
        match (&change.change.kind, &self.query) {
            (ChangeKind::Dropped, _) => Outcome::Resync,
            (ChangeKind::RulesReplaced, _) if self.key().is_some() => Outcome::Resync,
            (ChangeKind::RulesReplaced, _) => Outcome::Nothing,
            (_, Some(query)) => query.outcome(change, sight),
            (kind, None) => {
                shown(kind, sight).map_or(Outcome::Nothing, |show| Outcome::Send(change.event(show)))
            }
        }
    }

    /// Hands a change over without waiting.
    pub(super) fn deliver(&self, change: &LiveChange, sight: Sight) {
        match self.outcome(change, sight) {
            Outcome::Nothing => {}
            Outcome::Send(event) => {
                if self.outbox.offer(event) == Err(Refused::Full) {
                    self.resync(change.change.position);
                }
            }
            Outcome::Resync => self.resync(change.change.position),
            Outcome::Close(reason) => self.outbox.end(event::close(reason)),
        }
    }
}

/// A document that the subscriber may not see any more was removed to it, one that it sees now was added.
pub(super) fn shown(kind: &ChangeKind, sight: Sight) -> Option<Show> {
    match (kind, sight.before, sight.after) {
        (ChangeKind::Added(_), _, true) | (ChangeKind::Modified { .. }, false, true) => Some(Show::Added),
        (ChangeKind::Modified { .. }, true, true) => Some(Show::Modified),
        (ChangeKind::Modified { .. }, true, false) | (ChangeKind::Removed { .. }, true, _) => {
            Some(Show::Removed)
        }
        _ => None,
    }
}
