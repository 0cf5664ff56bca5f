//! The subscribers to one collection. Those of the collection itself, and those to queries that still read
//! their result, stand in groups of viewers whom rules cannot tell apart: the rule is asked once for each
//! group. Queries that have their result belong to audiences.

use super::audience::{Audiences, Settler};
use super::event::LiveChange;
use super::subscriber::{Subscriber, ViewerKey, key_of, shown};
use bundoc::engine::{
    Actor, ChangeKind, ChangePosition, DatabaseName, Engine, Extent, Listing, Sight, Varies,
};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Everybody who subscribes to a collection or to a query over it.
#[derive(Default)]
pub(super) struct Room {
    pub(super) groups: HashMap<ViewerKey, Group>,
    pub(super) audiences: Audiences,
    /// Queries in the groups.
    reading: usize,
}

/// Subscribers whom rules cannot tell apart.
pub(super) struct Group {
    pub(super) actor: Actor,
    pub(super) members: HashMap<u64, Member>,
    pub(super) listing: Listing,
    /// The commit up to which what the rule looks at beside the documents was looked at.
    pub(super) asked_at: u64,
    /// What was told to be visible, where the rule can change its mind; nothing before it was looked at.
    pub(super) told: Option<Told>,
    /// The last change of a document here.
    pub(super) changed_at: ChangePosition,
}

/// A set of ids, as far as it takes to see that two differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Told {
    count: u64,
    sum: u64,
}

/// One subscriber in a group.
pub(super) struct Member {
    pub(super) subscriber: Arc<Subscriber>,
    /// What it has already.
    pub(super) after: ChangePosition,
}

/// Where a room is.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) engine: &'a dyn Engine,
    pub(super) database: &'a DatabaseName,
}

impl Told {
    pub(super) fn add(&mut self, id: &str) {
        self.count = self.count.wrapping_add(1);
        self.sum = self.sum.wrapping_add(hash(id));
    }

    fn remove(&mut self, id: &str) {
        self.count = self.count.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(hash(id));
    }
}

fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

impl Group {
    fn tell(&mut self, place: Place<'_>, change: &LiveChange) {
        let position = change.change.position;
        let sight = place.engine.sight(place.database, &change.change, &self.actor);
        let behind = self.members.values().filter(|member| position > member.after);
        behind.for_each(|member| member.subscriber.deliver(change, sight));
        if change.change.id.is_some() {
            self.changed_at = position;
            self.note(change, sight);
        }
    }

    fn note(&mut self, change: &LiveChange, sight: Sight) {
        let Some(told) = &mut self.told else { return };
        match shown(&change.change.kind, sight) {
            Some(super::event::Show::Added) => told.add(change.document_id()),
            Some(super::event::Show::Removed) => told.remove(change.document_id()),
            Some(super::event::Show::Modified) | None => {}
        }
    }

    pub(super) fn resync(&self, position: ChangePosition) {
        self.members.values().for_each(|member| member.subscriber.resync(position));
    }
}

impl Room {
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.audiences.is_empty()
    }

    pub(super) fn dispatch(&mut self, place: Place<'_>, change: &LiveChange) {
        for group in self.groups.values_mut() {
            group.tell(place, change);
        }
        match &change.change.kind {
            ChangeKind::Dropped => {
                self.audiences.restart(|_| true);
                self.look_again(place, change.change.position.commit);
            }
            ChangeKind::RulesReplaced => {
                self.audiences.restart(|member| member.key().is_some());
                self.look_again(place, change.change.position.commit);
            }
            ChangeKind::Added(_) | ChangeKind::Modified { .. } | ChangeKind::Removed { .. } => {
                self.audiences.dispatch(place.engine, place.database, change);
            }
        }
    }

    /// What the groups may list from now on.
    fn look_again(&mut self, place: Place<'_>, commit: u64) {
        for group in self.groups.values_mut() {
            let collection = group.members.values().next().map(|one| one.subscriber.collection.clone());
            let Some(collection) = collection else { continue };
            let listing = place.engine.listing(place.database, &collection, &group.actor);
            group.listing = listing.unwrap_or_else(|_| unknown());
            (group.asked_at, group.told) = (commit, None);
        }
    }

    /// Has everybody read everything again.
    pub(super) fn resync(&mut self, position: ChangePosition) {
        self.groups.values().for_each(|group| group.resync(position));
        self.audiences.restart(|_| true);
    }

    /// A subscriber that has gone is not taken in: whoever ends it looks for it here afterwards.
    pub(super) fn insert(&mut self, place: Place<'_>, subscriber: &Arc<Subscriber>, after: ChangePosition) {
        if subscriber.outbox.is_closed() {
            return;
        }
        let new = || {
            let actor = subscriber.actor();
            let listing = place.engine.listing(place.database, &subscriber.collection, &actor);
            Group {
                actor,
                members: HashMap::new(),
                listing: listing.unwrap_or_else(|_| unknown()),
                asked_at: after.commit,
                told: None,
                changed_at: after,
            }
        };
        let group = self.groups.entry(subscriber.key()).or_insert_with(new);
        let member = Member { subscriber: subscriber.clone(), after };
        let is_new = group.members.insert(subscriber.number, member).is_none();
        self.reading += usize::from(is_new && subscriber.query.is_some());
    }

    /// Takes a subscriber out; what it has where it stood in a group.
    pub(super) fn remove(&mut self, subscriber: &Subscriber, key: &ViewerKey) -> Option<Member> {
        self.audiences.remove(subscriber.number);
        let group = self.groups.get_mut(key)?;
        let member = group.members.remove(&subscriber.number);
        if group.members.is_empty() {
            self.groups.remove(key);
        }
        self.reading -= usize::from(member.is_some() && subscriber.query.is_some());
        member
    }

    /// Brings queries whose result is known as of `position` into audiences.
    pub(super) fn settle(&mut self, place: Place<'_>, position: ChangePosition) {
        self.audiences.sweep();
        if self.reading == 0 {
            return;
        }
        let members = self.groups.values().flat_map(|group| group.members.values());
        let ready: Vec<_> = members
            .filter(|member| member.after <= position)
            .map(|member| member.subscriber.clone())
            .filter(|one| one.query.as_ref().is_some_and(|query| query.is_known_at(position)))
            .collect();
        for subscriber in ready {
            let (Some(query), actor) = (&subscriber.query, subscriber.actor()) else { continue };
            let Ok(listing) = place.engine.listing(place.database, &subscriber.collection, &actor) else {
                continue;
            };
            self.remove(&subscriber, &key_of(&actor));
            let settler = Settler {
                subscriber: subscriber.clone(),
                query: query.shared.clone(),
                actor,
                listing,
                // Its pages were read one after the other: the rule is asked again soon.
                asked_at: 0,
                documents_max: query.documents_max,
            };
            let result = query.take_result();
            self.audiences.settle(settler, result.into_keys());
        }
    }
}

/// What is known where nothing can be known: everything is asked again.
fn unknown() -> Listing {
    Listing { extent: Extent::Documents { filter: None }, varies: Varies::WithTime }
}
