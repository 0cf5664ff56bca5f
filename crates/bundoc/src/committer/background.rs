//! Work of the committer between groups, one bounded chunk at a time: building indexes, removing what was
//! dropped and what expired, trimming change feeds, writing idle tables out. Every chunk is a commit; what is left is found
//! again after a restart.

use super::entries::remove_entry;
use super::expire::Sweep;
use super::{Committer, Group};
use crate::catalog::record::{Garbage, encode_feed, feed_key, garbage_key};
use crate::catalog::{BuildState, Catalog, Collection, Database, FeedState, Index, IndexShape};
use crate::changes;
use crate::document;
use crate::engine::{CollectionName, DatabaseName, RuleSet};
use crate::error::EngineError;
use crate::indexing::{self, Owner};
use crate::layout::{self, Id, PAIR_BYTES, Space};
use crate::options::EngineOptions;
use crate::store::KeyRange;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Keys of one chunk of a removal.
const REMOVE_CHUNK: usize = 2_000;
/// Entries above the retained ones before a feed is trimmed, so that not every commit trims.
const FEED_SLACK: u64 = 1_000;
/// The same for bytes: this part of what a feed may have.
const FEED_BYTES_SLACK: u64 = 64;

/// What waits.
pub(super) struct Background {
    pub(super) builds: VecDeque<Target>,
    /// Indexes by which documents expire.
    pub(super) expiring: Vec<Target>,
    pub(super) sweeps: VecDeque<Sweep>,
    swept_at: Instant,
    garbage: VecDeque<Garbage>,
    trims: VecDeque<Arc<Database>>,
    trimming: HashSet<Id>,
}

/// An index that the background does something with.
#[derive(Debug, Clone)]
pub(super) struct Target {
    database: DatabaseName,
    /// `None` for a group index.
    pub(super) collection: Option<CollectionName>,
    index: Id,
}

impl Target {
    pub(super) fn new(database: &Database, collection: Option<&CollectionName>, shape: &IndexShape) -> Self {
        Self { database: database.name.clone(), collection: collection.cloned(), index: shape.id }
    }

    /// The index, if it is still there.
    pub(super) fn find(&self, catalog: &Catalog) -> Option<(Arc<Database>, Index)> {
        let database = catalog.database(&self.database)?;
        let is_it = |index: &&Index| index.shape.id == self.index;
        let index = match &self.collection {
            Some(name) => database.collection(name)?.indexes.iter().find(is_it).cloned(),
            None => database.groups().iter().find(is_it).cloned(),
        };
        Some((database, index?))
    }
}

impl Background {
    /// What a restart finds unfinished.
    pub(super) fn new(catalog: &Catalog, garbage: Vec<Garbage>) -> Self {
        let mut background = Self {
            builds: VecDeque::new(),
            expiring: Vec::new(),
            sweeps: VecDeque::new(),
            swept_at: Instant::now(),
            garbage: garbage.into(),
            trims: VecDeque::new(),
            trimming: HashSet::new(),
        };
        for database in catalog.all() {
            for collection in database.collections("") {
                for index in collection.indexes.iter() {
                    background.add_found(&database, Some(&collection.name), index);
                }
            }
            for index in database.groups().iter() {
                background.add_found(&database, None, index);
            }
        }
        background
    }

    pub(super) fn is_idle(&self) -> bool {
        self.builds.is_empty() && self.sweeps.is_empty() && self.garbage.is_empty() && self.trims.is_empty()
    }

    fn add_found(&mut self, database: &Database, collection: Option<&CollectionName>, index: &Index) {
        let target = Target::new(database, collection, &index.shape);
        match index.state {
            BuildState::Building => self.add_index(target, &index.shape),
            BuildState::Ready if index.shape.expire_after.is_some() => self.expiring.push(target),
            BuildState::Ready | BuildState::Failed(_) => {}
        }
    }

    /// Notes a new index.
    pub(super) fn add_index(&mut self, target: Target, shape: &IndexShape) {
        if shape.expire_after.is_some() {
            self.expiring.push(target.clone());
        }
        self.builds.push_back(target);
    }

    /// How long the committer may wait where nothing is to be done.
    pub(super) fn rest(&self, options: &EngineOptions) -> Duration {
        if self.expiring.is_empty() {
            super::MAINTENANCE_EVERY
        } else {
            options.expire_every.min(super::MAINTENANCE_EVERY)
        }
    }

    pub(super) fn add_garbage(&mut self, garbage: Garbage) {
        self.garbage.push_back(garbage);
    }

    fn add_trim(&mut self, database: &Arc<Database>) {
        if self.trimming.insert(database.id) {
            self.trims.push_back(Arc::clone(database));
        }
    }

    /// Notes the databases whose feed has grown too long.
    pub(super) fn trim_where_due<'a>(
        &mut self,
        options: &EngineOptions,
        databases: impl Iterator<Item = &'a Arc<Database>>,
    ) {
        for database in databases {
            let FeedState { entries, bytes, .. } = database.feed();
            let too_large =
                bytes > options.feed_bytes_max.saturating_add(options.feed_bytes_max / FEED_BYTES_SLACK);
            if too_large || entries > options.feed_changes_retained + FEED_SLACK {
                self.add_trim(database);
            }
        }
    }
}

impl Committer {
    /// One chunk of what waits. A failure to read or write stops the background until the next start.
    pub(super) fn work_in_background(&mut self) {
        self.background_waits = self.check_writable().is_err();
        if self.background_waits {
            return;
        }
        let result = self.maintain().and_then(|()| self.chunk());
        if let Err(error) = result {
            tracing::error!(%error, "background work of the document store failed, it is taken up again at the next start");
            self.background.builds.clear();
            self.background.expiring.clear();
            self.background.sweeps.clear();
            self.background.garbage.clear();
            self.background.trims.clear();
        }
        self.background_waits = self.stopped || self.background.is_idle();
    }

    fn chunk(&mut self) -> Result<(), EngineError> {
        if let Some(build) = self.background.builds.pop_front() {
            return self.build_chunk(build);
        }
        if let Some(sweep) = self.background.sweeps.pop_front() {
            return self.expire_chunk(sweep);
        }
        if let Some(database) = self.background.trims.pop_front() {
            return self.trim_chunk(&database);
        }
        match self.background.garbage.pop_front() {
            Some(garbage) => self.remove_chunk(garbage),
            None => Ok(()),
        }
    }

    /// Once in a while: expired documents, old changes of all databases, and tables of a store that nobody writes to.
    fn maintain(&mut self) -> Result<(), EngineError> {
        if self.background.sweeps.is_empty()
            && self.background.swept_at.elapsed() >= self.shared.options.expire_every
        {
            self.background.swept_at = Instant::now();
            self.background.sweeps.extend(self.background.expiring.iter().cloned().map(Sweep::new));
        }
        if self.maintained_at.elapsed() < super::MAINTENANCE_EVERY {
            return Ok(());
        }
        self.maintained_at = Instant::now();
        for database in self.shared.catalog.all() {
            if database.feed().entries > 0 {
                self.background.add_trim(&database);
            }
        }
        let wrote = self.last_commit != self.maintained_commit;
        self.maintained_commit = self.last_commit;
        if wrote { Ok(()) } else { self.shared.store.write_out_memtables() }
    }

    fn remove_chunk(&mut self, mut garbage: Garbage) -> Result<(), EngineError> {
        let shared = Arc::clone(&self.shared);
        let mut group = Group::new(&shared.store);
        let Some((space, prefix)) = garbage.prefixes.last().cloned() else {
            group.remove(Space::Catalog, garbage_key(garbage.id));
            return self.commit(group, self.last_commit);
        };
        let mut removed = 0;
        let mut bytes = 0;
        let orphans = Orphans::of(&shared.catalog, &garbage, (space, &prefix));
        for entry in shared.store.view().ascending(space, KeyRange::prefix(&prefix)).take(REMOVE_CHUNK) {
            let (key, value) = entry?;
            bytes += (key.len() + value.len()) as i64;
            if let Some(orphans) = &orphans {
                bytes += orphans.remove(&mut group, &key, &value)?;
            }
            group.remove(space, key);
            removed += 1;
        }
        let counted = matches!(space, Space::Documents | Space::Indexes);
        let database = prefix.first_chunk().filter(|_| counted).map(|id| Id::from_be_bytes(*id));
        let database = database.and_then(|id| shared.catalog.database_of(id));
        if removed < REMOVE_CHUNK {
            garbage.prefixes.pop();
        }
        if let Some(database) = &database {
            database.put_bytes(&mut group, -bytes);
        }
        self.commit(group, self.last_commit)?;
        if let Some(database) = &database {
            database.add_bytes(-bytes);
        }
        self.background.garbage.push_back(garbage);
        Ok(())
    }

    /// Removes the oldest changes of a database: those above the count or the bytes, then those above the age.
    fn trim_chunk(&mut self, database: &Arc<Database>) -> Result<(), EngineError> {
        self.background.trimming.remove(&database.id);
        let shared = Arc::clone(&self.shared);
        if shared.catalog.database(&database.name).is_none_or(|known| known.id != database.id) {
            return Ok(());
        }
        let options = &shared.options;
        let mut state = database.feed();
        let excess = state.entries.saturating_sub(options.feed_changes_retained);
        let oldest_kept = changes::now_millis().saturating_sub(options.feed_age_max.as_millis() as u64);
        let mut group = Group::new(&shared.store);
        let (mut removed, mut removed_bytes) = (0, 0);
        for entry in shared.store.view().ascending(Space::Changes, changes::range(database.id, state.floor)) {
            let (key, value) = entry?;
            let old = changes::written_at(&value).is_some_and(|at| at < oldest_kept);
            let too_large = state.bytes.saturating_sub(removed_bytes) > options.feed_bytes_max;
            if removed == REMOVE_CHUNK as u64 || (removed >= excess && !old && !too_large) {
                break;
            }
            removed_bytes += (key.len() + value.len()) as u64;
            state.floor = layout::change_position(&key).unwrap_or(state.floor);
            group.remove(Space::Changes, key);
            removed += 1;
        }
        if removed == 0 {
            return Ok(());
        }
        state.entries = state.entries.saturating_sub(removed);
        state.bytes = state.bytes.saturating_sub(removed_bytes);
        group.put(Space::Catalog, feed_key(database.id), encode_feed(state));
        self.commit(group, self.last_commit)?;
        database.set_feed(state);
        if removed == REMOVE_CHUNK as u64 {
            self.background.add_trim(database);
        }
        Ok(())
    }
}

/// The entries in group indexes of the documents of a collection that was dropped.
struct Orphans {
    database: Arc<Database>,
    collection: Collection,
    indexes: Vec<Index>,
}

impl Orphans {
    /// `None` where what is removed has no such entries.
    fn of(catalog: &Catalog, garbage: &Garbage, (space, prefix): (Space, &[u8])) -> Option<Self> {
        let name = garbage.collection.as_ref().filter(|_| space == Space::Documents)?;
        let (database, collection) = layout::split_pair(prefix)?;
        let database = catalog.database_of(database)?;
        let groups = database.groups();
        let indexes: Vec<Index> = groups
            .iter()
            .filter(|index| index.is_maintained() && index.shape.is_over(name))
            .cloned()
            .collect();
        let collection = Collection::new(collection, name.clone(), RuleSet::default());
        (!indexes.is_empty()).then_some(Self { database, collection, indexes })
    }

    /// Removes the entries of one document; the bytes that go with them.
    fn remove(&self, group: &mut Group<'_>, key: &[u8], stored: &[u8]) -> Result<i64, EngineError> {
        let (_, document) = document::split(stored)?;
        let id = document::id_text(&key[PAIR_BYTES..])?;
        let owner = Owner { database: self.database.id, collection: &self.collection, id };
        let mut bytes = 0;
        for index in &self.indexes {
            let entries = indexing::entries(&index.shape, document, owner)?;
            for key in &entries.keys {
                if remove_entry(group, &index.shape, key, owner)? {
                    bytes += (key.len() + entries.value.len()) as i64;
                }
            }
        }
        Ok(bytes)
    }
}
