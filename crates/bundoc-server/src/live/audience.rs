//! Audiences: subscribers to the same query who may see the same of it. They have one result together, which
//! is kept for all audiences of a collection as one table: from the id of a document to the audiences that
//! have it. A change looks there for those who had the document, asks those who may get it, and tells
//! each audience what it is to them, in an event that is written once.

use super::equalities::Equalities;
use super::event::{LiveChange, Show};
use super::shared::SharedQuery;
use super::subscriber::{Subscriber, ViewerKey};
use bundoc::Equality;
use bundoc::engine::{Actor, DatabaseName, Engine, Extent, Listing, Varies};
use bytes::Bytes;
use service_kit::sse::Refused;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Why a live query ends whose result became too large.
pub(super) const TOO_EXPENSIVE: &str = "query_too_expensive";

/// Who may see the same: everybody to whom the whole collection is open, else those whom rules cannot tell
/// apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Sees {
    Everything,
    As(ViewerKey),
}

/// Subscribers with one result.
pub(super) struct Audience {
    pub(super) query: Arc<SharedQuery>,
    pub(super) sees: Sees,
    pub(super) actor: Actor,
    pub(super) listing: Listing,
    /// The commit up to which what the rule looks at beside the documents was looked at.
    pub(super) asked_at: u64,
    required: Option<Equality>,
    members: HashMap<u64, Arc<Subscriber>>,
    documents: usize,
    documents_max: usize,
}

/// A subscriber that brings its result along.
pub(super) struct Settler {
    pub(super) subscriber: Arc<Subscriber>,
    pub(super) query: Arc<SharedQuery>,
    pub(super) actor: Actor,
    pub(super) listing: Listing,
    pub(super) asked_at: u64,
    pub(super) documents_max: usize,
}

/// The audiences of one collection.
#[derive(Default)]
pub(super) struct Audiences {
    last_number: u32,
    by_number: HashMap<u32, Audience>,
    by_key: HashMap<(u64, Sees), u32>,
    by_subscriber: HashMap<u64, u32>,
    equalities: Equalities,
    /// The documents of all results, and who has each, in ascending order.
    holders: HashMap<Box<str>, Vec<u32>>,
    /// Audiences that ended and stand in `holders` still.
    ended: HashSet<u32>,
}

impl Audience {
    fn sees_now(&self, engine: &dyn Engine, database: &DatabaseName, change: &LiveChange) -> bool {
        self.sees == Sees::Everything || engine.sight(database, &change.change, &self.actor).after
    }

    /// Hands an event to all without waiting; who has no room gets the result again.
    pub(super) fn tell(&self, event: &Bytes) {
        for member in self.members.values() {
            if member.outbox.offer(event.clone()) == Err(Refused::Full) {
                member.restart();
            }
        }
    }
}

impl Audiences {
    pub(super) fn is_empty(&self) -> bool {
        self.by_number.is_empty()
    }

    /// Takes a subscriber in, and its result where it is the first of its audience.
    pub(super) fn settle(&mut self, settler: Settler, ids: impl Iterator<Item = Box<str>>) {
        let Settler { subscriber, query, actor, listing, asked_at, documents_max } = settler;
        let open = listing.extent == Extent::Everything && listing.varies == Varies::No;
        let sees = if open { Sees::Everything } else { Sees::As(subscriber.key()) };
        let key = (query.number, sees.clone());
        let number = match self.by_key.get(&key) {
            Some(number) => *number,
            None => {
                self.last_number += 1;
                let required = query.equality.clone().or_else(|| required_by_rule(&listing));
                self.equalities.add(self.last_number, required.as_ref());
                let mut audience = Audience {
                    query,
                    sees,
                    actor,
                    listing,
                    asked_at,
                    required,
                    members: HashMap::new(),
                    documents: 0,
                    documents_max,
                };
                for id in ids {
                    audience.documents += 1;
                    // Numbers grow, so the order holds.
                    self.holders.entry(id).or_default().push(self.last_number);
                }
                self.by_key.insert(key, self.last_number);
                self.by_number.insert(self.last_number, audience);
                self.last_number
            }
        };
        self.by_subscriber.insert(subscriber.number, number);
        if let Some(audience) = self.by_number.get_mut(&number) {
            audience.members.insert(subscriber.number, subscriber);
        }
    }

    /// Whether the subscriber was here.
    pub(super) fn remove(&mut self, subscriber: u64) -> bool {
        let Some(number) = self.by_subscriber.remove(&subscriber) else { return false };
        if let Some(audience) = self.by_number.get_mut(&number) {
            audience.members.remove(&subscriber);
            if audience.members.is_empty() {
                self.end(number);
            }
        }
        true
    }

    fn end(&mut self, number: u32) -> Vec<Arc<Subscriber>> {
        let Some(audience) = self.by_number.remove(&number) else { return Vec::new() };
        self.by_key.remove(&(audience.query.number, audience.sees.clone()));
        self.equalities.remove(number, audience.required.as_ref());
        if audience.documents > 0 {
            self.ended.insert(number);
        }
        for subscriber in audience.members.keys() {
            self.by_subscriber.remove(subscriber);
        }
        audience.members.into_values().collect()
    }

    /// Forgets the results of audiences that ended.
    pub(super) fn sweep(&mut self) {
        if self.ended.is_empty() {
            return;
        }
        let ended = std::mem::take(&mut self.ended);
        self.holders.retain(|_, holders| {
            holders.retain(|number| !ended.contains(number));
            !holders.is_empty()
        });
        self.holders.shrink_to_fit();
    }

    /// What a change of a document is to each audience.
    pub(super) fn dispatch(&mut self, engine: &dyn Engine, database: &DatabaseName, change: &LiveChange) {
        if self.is_empty() {
            return;
        }
        let id = change.document_id();
        let held = self.holders.remove(id).unwrap_or_default();
        let mut asked: BTreeSet<u32> = held.iter().copied().collect();
        if let Some(document) = change.document() {
            self.equalities.candidates(document, &mut asked);
        }
        let mut holding = Vec::new();
        for number in asked {
            let Some(audience) = self.by_number.get_mut(&number) else { continue };
            let had = held.binary_search(&number).is_ok();
            let has = change.matches(&audience.query) && audience.sees_now(engine, database, change);
            let show = match (had, has) {
                (false, false) => continue,
                (false, true) => Show::Added,
                (true, true) => Show::Modified,
                (true, false) => Show::Removed,
            };
            if show == Show::Added && audience.documents >= audience.documents_max {
                self.end(number).iter().for_each(|one| one.outbox.end(super::event::close(TOO_EXPENSIVE)));
                continue;
            }
            audience.documents = audience.documents + usize::from(has) - usize::from(had);
            if has {
                holding.push(number);
            }
            audience.tell(&change.event_for(&audience.query, show));
        }
        if !holding.is_empty() {
            self.holders.insert(id.into(), holding);
        }
    }

    /// Has the results of these audiences sent again, each to its readers by itself.
    pub(super) fn restart(&mut self, is: impl Fn(&Subscriber) -> bool) {
        let members = self.by_number.values().flat_map(|audience| audience.members.values());
        let restarted: Vec<_> = members.filter(|member| is(member)).cloned().collect();
        for member in restarted {
            self.remove(member.number);
            member.restart();
        }
    }

    /// The audiences for whom the rule looks at more than the documents.
    pub(super) fn varying(&self) -> impl Iterator<Item = (u32, &Audience)> {
        let varies = |audience: &Audience| audience.listing.varies != Varies::No;
        self.by_number
            .iter()
            .filter(move |(_, audience)| varies(audience))
            .map(|(number, one)| (*number, one))
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Audience> {
        self.by_number.get_mut(&number)
    }

    /// Has the result of one audience sent again.
    pub(super) fn restart_one(&mut self, number: u32) {
        self.end(number).iter().for_each(|member| member.restart());
    }

    /// The documents in the result of an audience.
    pub(super) fn held_by(&self, number: u32) -> Vec<Box<str>> {
        let held = self.holders.iter().filter(|(_, holders)| holders.binary_search(&number).is_ok());
        held.map(|(id, _)| id.clone()).collect()
    }

    /// Tells an audience that it does not see a document any more.
    pub(super) fn take_away(&mut self, number: u32, id: &str) {
        let Some(holders) = self.holders.get_mut(id) else { return };
        let Ok(place) = holders.binary_search(&number) else { return };
        holders.remove(place);
        if holders.is_empty() {
            self.holders.remove(id);
        }
        if let Some(audience) = self.by_number.get_mut(&number) {
            audience.documents -= 1;
            audience.tell(&super::event::change(None, Show::Removed, (id, None)));
        }
    }

    /// Shows a document to an audience that does not have it.
    pub(super) fn show(&mut self, number: u32, id: &str, event: &Bytes) {
        let Some(audience) = self.by_number.get_mut(&number) else { return };
        let holders = self.holders.entry(id.into()).or_default();
        if let Err(place) = holders.binary_search(&number) {
            holders.insert(place, number);
            audience.documents += 1;
            audience.tell(event);
        }
    }
}

/// What the rule requires to be equal in every document that the reader may see; not where that can change
/// by itself.
fn required_by_rule(listing: &Listing) -> Option<Equality> {
    match listing {
        Listing { extent: Extent::Documents { filter: Some(filter) }, varies: Varies::No } => {
            Equality::required_by(filter)
        }
        _ => None,
    }
}
