//! Work of the committer between groups, one bounded chunk at a time: building indexes, removing what was
//! dropped, trimming change feeds, writing idle tables out. Every chunk is a commit; what is left is found
//! again after a restart.

use super::{Committer, Group};
use crate::catalog::record::{Garbage, encode_feed, feed_key, garbage_key, progress_key};
use crate::catalog::{BuildState, Catalog, Collection, Database, FeedState, Index};
use crate::changes;
use crate::engine::{CollectionName, DatabaseName};
use crate::error::EngineError;
use crate::indexing;
use crate::layout::{self, Id, PAIR_BYTES, Space, pair};
use crate::options::EngineOptions;
use crate::store::KeyRange;
use crate::{document, key};
use std::collections::{HashSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Documents of one chunk of an index build.
const BUILD_CHUNK: usize = 256;
/// Keys of one chunk of a removal.
const REMOVE_CHUNK: usize = 2_000;
/// Entries above the retained ones before a feed is trimmed, so that not every commit trims.
const FEED_SLACK: u64 = 1_000;

/// What waits.
pub(super) struct Background {
    builds: VecDeque<Build>,
    garbage: VecDeque<Garbage>,
    trims: VecDeque<Arc<Database>>,
    trimming: HashSet<Id>,
}

/// An index to build; where the build stands is in the store.
struct Build {
    database: DatabaseName,
    collection: CollectionName,
    index: Id,
}

impl Background {
    /// What a restart finds unfinished.
    pub(super) fn new(catalog: &Catalog, garbage: Vec<Garbage>) -> Self {
        let mut background = Self {
            builds: VecDeque::new(),
            garbage: garbage.into(),
            trims: VecDeque::new(),
            trimming: HashSet::new(),
        };
        for database in catalog.all() {
            for collection in database.collections("") {
                let unbuilt = collection.indexes.iter().filter(|index| index.state == BuildState::Building);
                for index in unbuilt {
                    background.add_build(&database, &collection.name, index.shape.id);
                }
            }
        }
        background
    }

    pub(super) fn is_idle(&self) -> bool {
        self.builds.is_empty() && self.garbage.is_empty() && self.trims.is_empty()
    }

    pub(super) fn add_build(&mut self, database: &Database, collection: &CollectionName, index: Id) {
        let (database, collection) = (database.name.clone(), collection.clone());
        self.builds.push_back(Build { database, collection, index });
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
            if database.feed().entries > options.feed_changes_retained + FEED_SLACK {
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
            self.background.garbage.clear();
            self.background.trims.clear();
        }
        self.background_waits = self.stopped || self.background.is_idle();
    }

    fn chunk(&mut self) -> Result<(), EngineError> {
        if let Some(build) = self.background.builds.pop_front() {
            return self.build_chunk(build);
        }
        if let Some(database) = self.background.trims.pop_front() {
            return self.trim_chunk(&database);
        }
        match self.background.garbage.pop_front() {
            Some(garbage) => self.remove_chunk(garbage),
            None => Ok(()),
        }
    }

    /// Once in a while: old changes of all databases, and tables of a store that nobody writes to.
    fn maintain(&mut self) -> Result<(), EngineError> {
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

    fn build_chunk(&mut self, build: Build) -> Result<(), EngineError> {
        let Some((database, collection)) = self.shared.catalog.collection(&build.database, &build.collection)
        else {
            return Ok(());
        };
        let index = collection.indexes.iter().find(|index| index.shape.id == build.index);
        let Some(index) = index.filter(|index| index.state == BuildState::Building).cloned() else {
            return Ok(());
        };
        let shared = Arc::clone(&self.shared);
        let mut group = Group::new(&shared.store);
        let mut bytes = 0;
        let filled = fill(&shared.store, &mut group, (&database, &collection, &index), &mut bytes);
        if filled.is_ok() {
            database.put_bytes(&mut group, bytes);
        }
        match filled {
            Ok(Filled::More(done)) => {
                self.commit(group, self.last_commit)?;
                database.add_bytes(bytes);
                index.shape.documents_done.store(done, Ordering::Relaxed);
                self.background.builds.push_back(build);
                Ok(())
            }
            Ok(Filled::All(done)) => {
                group.remove(Space::Catalog, progress_key(database.id, index.shape.id));
                index.shape.documents_done.store(done, Ordering::Relaxed);
                self.set_state(&database, &collection, &index, (BuildState::Ready, group))?;
                database.add_bytes(bytes);
                Ok(())
            }
            Err(error @ (EngineError::UniqueViolation { .. } | EngineError::InvalidDocument(_))) => {
                self.fail_build(&database, &collection, &index, error.to_string())
            }
            Err(error) => Err(error),
        }
    }

    fn fail_build(
        &mut self,
        database: &Database,
        collection: &Collection,
        index: &Index,
        reason: String,
    ) -> Result<(), EngineError> {
        let shared = Arc::clone(&self.shared);
        let mut group = Group::new(&shared.store);
        group.remove(Space::Catalog, progress_key(database.id, index.shape.id));
        let prefixes = vec![(Space::Indexes, pair(database.id, index.shape.id).to_vec())];
        let garbage = Garbage { id: self.new_id()?, prefixes };
        group.put(
            Space::Catalog,
            garbage_key(garbage.id),
            crate::catalog::record::encode_garbage(&garbage.prefixes),
        );
        self.set_state(database, collection, index, (BuildState::Failed(reason), group))?;
        self.background.add_garbage(garbage);
        Ok(())
    }

    fn set_state(
        &mut self,
        database: &Database,
        collection: &Collection,
        index: &Index,
        (state, group): (BuildState, Group<'_>),
    ) -> Result<(), EngineError> {
        let mut indexes = collection.indexes.clone();
        for other in indexes.iter_mut().filter(|other| other.shape.id == index.shape.id) {
            other.state = state.clone();
        }
        self.replace_collection(database, collection.with_indexes(indexes), group).map(|_| ())
    }

    fn remove_chunk(&mut self, mut garbage: Garbage) -> Result<(), EngineError> {
        let shared = Arc::clone(&self.shared);
        let mut group = Group::new(&shared.store);
        let Some((space, prefix)) = garbage.prefixes.last() else {
            group.remove(Space::Catalog, garbage_key(garbage.id));
            return self.commit(group, self.last_commit);
        };
        let mut removed = 0;
        let mut bytes = 0;
        for entry in shared.store.view().ascending(*space, KeyRange::prefix(prefix)).take(REMOVE_CHUNK) {
            let (key, value) = entry?;
            bytes += (key.len() + value.len()) as i64;
            group.remove(*space, key);
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

    /// Removes the oldest changes of a database: those above the count, then those above the age.
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
        let mut removed = 0;
        for entry in shared.store.view().ascending(Space::Changes, changes::range(database.id, state.floor)) {
            let (key, value) = entry?;
            let old = changes::written_at(&value).is_some_and(|at| at < oldest_kept);
            if removed == REMOVE_CHUNK as u64 || (removed >= excess && !old) {
                break;
            }
            state.floor = layout::change_position(&key).unwrap_or(state.floor);
            group.remove(Space::Changes, key);
            removed += 1;
        }
        if removed == 0 {
            return Ok(());
        }
        state = FeedState { entries: state.entries.saturating_sub(removed), ..state };
        group.put(Space::Catalog, feed_key(database.id), encode_feed(state));
        self.commit(group, self.last_commit)?;
        database.set_feed(state);
        if removed == REMOVE_CHUNK as u64 {
            self.background.add_trim(database);
        }
        Ok(())
    }
}

/// What a chunk of a build reached: the documents done so far.
enum Filled {
    More(u64),
    All(u64),
}

/// Puts the entries of the next documents, and how far the build is, into the group.
fn fill(
    store: &crate::store::Store,
    group: &mut Group<'_>,
    (database, collection, index): (&Database, &Collection, &Index),
    bytes: &mut i64,
) -> Result<Filled, EngineError> {
    let progress = progress_key(database.id, index.shape.id);
    let saved = group.get(Space::Catalog, &progress)?;
    let (mut done, last) = match saved.as_deref().and_then(|saved| saved.split_first_chunk::<8>()) {
        Some((done, last)) => (u64::from_be_bytes(*done), Some(last)),
        None => (0, None),
    };
    let prefix = pair(database.id, collection.id);
    let from = match last {
        Some(last) => Bound::Excluded([prefix.as_slice(), last].concat()),
        None => Bound::Included(prefix.to_vec()),
    };
    let to = key::prefix_end(&prefix).map_or(Bound::Unbounded, Bound::Excluded);
    let mut reached = None;
    let mut seen = 0;
    for entry in store.view().ascending(Space::Documents, KeyRange { from, to }).take(BUILD_CHUNK) {
        let (document_key, value) = entry?;
        let id = std::str::from_utf8(&document_key[PAIR_BYTES..]).map_err(|_| {
            EngineError::Damaged("a stored id is not text: restore the store from a copy".into())
        })?;
        *bytes += add_entries(group, database, index, (id, &value))?;
        seen += 1;
        reached = Some(document_key);
    }
    done += seen as u64;
    match reached {
        Some(last) if seen == BUILD_CHUNK => {
            group.put(Space::Catalog, progress, [&done.to_be_bytes(), &last[PAIR_BYTES..]].concat());
            Ok(Filled::More(done))
        }
        _ => Ok(Filled::All(done)),
    }
}

fn add_entries(
    group: &mut Group<'_>,
    database: &Database,
    index: &Index,
    (id, stored): (&str, &[u8]),
) -> Result<i64, EngineError> {
    let (_, document) = document::split(stored)?;
    let entries = indexing::entries(database.id, &index.shape, document, id)?;
    if entries.multikey {
        super::entries::note_multikey(group, database.id, &index.shape)?;
    }
    for key in &entries.keys {
        super::entries::put_entry(group, &index.shape, key, id)?;
    }
    Ok(entries.bytes(id))
}
