//! What a group does beside its documents: commit numbers, document counters, feed lengths.

use super::{ByDatabase, Group};
use crate::catalog::record::{count_key, encode_feed, feed_key};
use crate::catalog::{Collection, Database, FeedState};
use crate::error::EngineError;
use crate::layout::{Id, Space};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Documents more or fewer in a collection.
pub(super) type Delta = (Arc<Collection>, i64);

/// What a group does beside its documents: commit numbers, counters, feed lengths.
pub(super) struct Effects {
    last_commit: u64,
    counts: HashMap<Id, Count>,
    feeds: ByDatabase<u64>,
}

struct Count {
    database: Id,
    collection: Arc<Collection>,
    delta: i64,
}

impl Effects {
    pub(super) fn new(last_commit: u64) -> Self {
        Self { last_commit, counts: HashMap::new(), feeds: HashMap::new() }
    }

    pub(super) fn last_commit(&self) -> u64 {
        self.last_commit
    }

    pub(super) fn databases(&self) -> impl Iterator<Item = &Arc<Database>> {
        self.feeds.values().map(|(database, _)| database)
    }

    /// Takes over what a successful batch did.
    pub(super) fn merge(&mut self, database: &Arc<Database>, number: u64, changes: u64, deltas: Vec<Delta>) {
        self.last_commit = number;
        for (collection, delta) in deltas {
            let count = self.counts.entry(collection.id);
            count.or_insert(Count { database: database.id, collection, delta: 0 }).delta += delta;
        }
        let feed = self.feeds.entry(database.id).or_insert_with(|| (Arc::clone(database), 0));
        feed.1 += changes;
    }

    /// Puts the counters into the group.
    pub(super) fn record(&self, group: &mut Group<'_>) -> Result<(), EngineError> {
        for count in self.counts.values().filter(|count| count.delta != 0) {
            let key = count_key(count.database, count.collection.id);
            group.put(Space::Catalog, key, count.total().to_be_bytes());
        }
        for (database, added) in self.feeds.values() {
            let state = grown(database.feed(), *added);
            group.put(Space::Catalog, feed_key(database.id), encode_feed(state));
        }
        Ok(())
    }

    /// Takes the counters over into memory, after the commit.
    pub(super) fn publish(&self) {
        for count in self.counts.values() {
            count.collection.documents.store(count.total(), Ordering::Relaxed);
        }
        for (database, added) in self.feeds.values() {
            database.set_feed(grown(database.feed(), *added));
        }
    }
}

impl Count {
    fn total(&self) -> u64 {
        self.collection.documents.load(Ordering::Relaxed).saturating_add_signed(self.delta)
    }
}

/// A feed with more entries.
pub(super) fn grown(state: FeedState, added: u64) -> FeedState {
    FeedState { entries: state.entries + added, ..state }
}
