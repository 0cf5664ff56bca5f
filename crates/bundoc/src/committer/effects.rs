//! What a group does beside its documents: commit numbers, counters of documents and bytes, feed lengths;
//! and what it changed, for later requests of the group and for the history.

use super::writer::{Done, Effect};
use super::{Group, Shared};
use crate::catalog::record::{bytes_key, count_key, encode_feed, feed_key};
use crate::catalog::{Collection, Database, FeedState};
use crate::error::EngineError;
use crate::history::Changed;
use crate::layout::{Id, Space};
use crate::outbox::{Counts, Outboxes};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What a group does.
pub(super) struct Effects {
    last_commit: u64,
    counts: HashMap<Id, Count>,
    databases: HashMap<Id, InDatabase>,
}

struct Count {
    database: Id,
    collection: Arc<Collection>,
    delta: i64,
}

/// What it does in one database.
struct InDatabase {
    database: Arc<Database>,
    changed: Vec<Changed>,
    outgoing: Counts,
    bytes: i64,
    /// Bytes of the changes in the feed.
    feed_bytes: u64,
}

impl Effects {
    pub(super) fn new(last_commit: u64) -> Self {
        Self { last_commit, counts: HashMap::new(), databases: HashMap::new() }
    }

    pub(super) fn last_commit(&self) -> u64 {
        self.last_commit
    }

    pub(super) fn databases(&self) -> impl Iterator<Item = &Arc<Database>> {
        self.databases.values().map(|inside| &inside.database)
    }

    /// What the group has changed so far in a database.
    pub(super) fn changed(&self, database: Id) -> &[Changed] {
        self.databases.get(&database).map_or(&[], |inside| &inside.changed)
    }

    /// What waits in the outboxes of a database after the group so far.
    pub(super) fn outgoing(&self, database: &Database, outboxes: &Outboxes) -> Counts {
        let waiting = outboxes.counts(&database.name);
        self.databases.get(&database.id).map_or(waiting, |inside| waiting.plus(inside.outgoing))
    }

    /// The bytes of a database after the group so far.
    pub(super) fn bytes(&self, database: &Database) -> u64 {
        let more = self.databases.get(&database.id).map_or(0, |inside| inside.bytes);
        database.bytes.load(Ordering::Relaxed).saturating_add_signed(more)
    }

    /// Takes over what a successful request did.
    pub(super) fn merge(&mut self, database: &Arc<Database>, number: u64, done: Done) {
        self.last_commit = number;
        let inside = self.databases.entry(database.id).or_insert_with(|| InDatabase {
            database: Arc::clone(database),
            changed: Vec::new(),
            outgoing: Counts::default(),
            bytes: 0,
            feed_bytes: 0,
        });
        inside.bytes += done.bytes;
        inside.feed_bytes += done.feed_bytes;
        for effect in done.effects {
            match effect {
                Effect::Outgoing(noted) => *inside.outgoing.of_mut(noted.outbox) += 1,
                Effect::Document(changed) => {
                    let collection = &changed.collection;
                    let count = self.counts.entry(collection.id).or_insert_with(|| Count {
                        database: database.id,
                        collection: Arc::clone(collection),
                        delta: 0,
                    });
                    count.delta += i64::from(changed.after.is_some()) - i64::from(changed.before.is_some());
                    inside.changed.push(changed);
                }
            }
        }
    }

    /// Puts the counters into the group.
    pub(super) fn record(&self, group: &mut Group<'_>) -> Result<(), EngineError> {
        for count in self.counts.values().filter(|count| count.delta != 0) {
            let key = count_key(count.database, count.collection.id);
            group.put(Space::Catalog, key, count.total().to_be_bytes());
        }
        for inside in self.databases.values() {
            let InDatabase { database, changed, bytes, .. } = inside;
            if !changed.is_empty() {
                let state = grown(database.feed(), inside.growth());
                group.put(Space::Catalog, feed_key(database.id), encode_feed(state));
            }
            if *bytes != 0 {
                let total = self.bytes(database);
                group.put(Space::Catalog, bytes_key(database.id), total.to_be_bytes());
            }
        }
        Ok(())
    }

    /// Takes everything over into memory, after the commit.
    pub(super) fn publish(&mut self, shared: &Shared) {
        for count in self.counts.values() {
            count.collection.documents.store(count.total(), Ordering::Relaxed);
        }
        for inside in self.databases.values_mut() {
            let growth = inside.growth();
            let InDatabase { database, changed, outgoing, bytes, .. } = inside;
            database.set_feed(grown(database.feed(), growth));
            database.add_bytes(*bytes);
            shared.outboxes.add(&database.name, *outgoing, self.last_commit);
            shared.history.add(&database.name, std::mem::take(changed));
        }
    }
}

impl InDatabase {
    fn growth(&self) -> Growth {
        Growth { entries: self.changed.len() as u64, bytes: self.feed_bytes }
    }
}

impl Count {
    fn total(&self) -> u64 {
        self.collection.documents.load(Ordering::Relaxed).saturating_add_signed(self.delta)
    }
}

/// What a feed gets.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Growth {
    pub(super) entries: u64,
    pub(super) bytes: u64,
}

/// A feed with more entries.
pub(super) fn grown(state: FeedState, growth: Growth) -> FeedState {
    let Growth { entries, bytes } = growth;
    FeedState { entries: state.entries + entries, bytes: state.bytes + bytes, ..state }
}
