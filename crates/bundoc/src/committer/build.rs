//! Building indexes in the background: chunks of documents in the order of their keys, each a commit with how
//! far it came, so that a restart goes on from there. Writes keep an index up to date from its declaration on,
//! so the build only has to reach what was there before.

use super::background::Target;
use super::entries::{entry_bytes, note_multikey, put_entry};
use super::{Committer, Group};
use crate::catalog::record::{Garbage, garbage_key, progress_key};
use crate::catalog::{BuildState, Collection, Database, Index};
use crate::error::EngineError;
use crate::indexing::{self, Owner};
use crate::layout::{Id, PAIR_BYTES, Space, pair};
use crate::store::{KeyRange, View};
use crate::{document, key};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Documents of one chunk; and where writers wait, after which it ends early: about 2 ms.
const CHUNK: u64 = 4_096;
const CHUNK_WHILE_OTHERS_WAIT: u64 = 256;
/// Documents between two looks at the queue.
const LOOK_EVERY: u64 = 64;

impl Committer {
    pub(super) fn build_chunk(&mut self, target: Target) -> Result<(), EngineError> {
        let shared = Arc::clone(&self.shared);
        let Some((database, index)) = target.find(&shared.catalog) else { return Ok(()) };
        if index.state != BuildState::Building {
            return Ok(());
        }
        let collections = match &target.collection {
            Some(name) => database.collection(name).into_iter().collect(),
            None => {
                index.shape.pattern.as_ref().map(|pattern| database.matching(pattern)).unwrap_or_default()
            }
        };
        let mut group = Group::new(&shared.store);
        let view = shared.store.view();
        let mut chunk = Chunk::begin(&mut group, &view, &shared.queued, (&database, &index))?;
        match chunk.fill(&collections) {
            Ok(()) => {
                let reached = chunk.reached();
                database.put_bytes(&mut group, reached.bytes);
                self.finish_chunk(reached, (target, group), (&database, &index))
            }
            Err(error @ (EngineError::UniqueViolation { .. } | EngineError::InvalidDocument(_))) => {
                self.fail_build(&target, (&database, &index), error.to_string())
            }
            Err(error) => Err(error),
        }
    }

    fn finish_chunk(
        &mut self,
        reached: Reached,
        (target, mut group): (Target, Group<'_>),
        (database, index): (&Database, &Index),
    ) -> Result<(), EngineError> {
        let progress = progress_key(database.id, index.shape.id);
        match reached.at {
            Some(at) => {
                group.put(Space::Catalog, progress, at.encode(reached.done, index.shape.pattern.is_some()));
                self.commit(group, self.last_commit)?;
                self.background.builds.push_back(target);
            }
            None => {
                group.remove(Space::Catalog, progress);
                let ready = Index { shape: Arc::clone(&index.shape), state: BuildState::Ready };
                self.replace_index(database, target.collection.as_ref(), (ready, group))?;
            }
        }
        database.add_bytes(reached.bytes);
        index.shape.documents_done.store(reached.done, Ordering::Relaxed);
        Ok(())
    }

    fn fail_build(
        &mut self,
        target: &Target,
        (database, index): (&Database, &Index),
        reason: String,
    ) -> Result<(), EngineError> {
        let shared = Arc::clone(&self.shared);
        let mut group = Group::new(&shared.store);
        group.remove(Space::Catalog, progress_key(database.id, index.shape.id));
        let prefixes = vec![(Space::Indexes, pair(database.id, index.shape.id).to_vec())];
        let garbage = Garbage { id: self.new_id()?, prefixes, collection: None };
        group.put(Space::Catalog, garbage_key(garbage.id), garbage.encode());
        let failed = Index { shape: Arc::clone(&index.shape), state: BuildState::Failed(reason) };
        self.replace_index(database, target.collection.as_ref(), (failed, group))?;
        self.background.add_garbage(garbage);
        Ok(())
    }
}

/// What a chunk reached: documents done so far, bytes of its entries, and the place, `None` where all is done.
struct Reached {
    done: u64,
    bytes: i64,
    at: Option<At>,
}

/// The last document that was indexed.
struct At {
    collection: String,
    id: String,
}

impl At {
    /// Documents done (8 bytes), for a group index the name of the collection and `00`, the last id.
    fn encode(&self, done: u64, is_group: bool) -> Vec<u8> {
        let mut out = done.to_be_bytes().to_vec();
        if is_group {
            out.extend_from_slice(self.collection.as_bytes());
            out.push(0);
        }
        out.extend_from_slice(self.id.as_bytes());
        out
    }

    /// The number of documents done, the collection and the last id.
    fn decode(bytes: &[u8], is_group: bool) -> Option<(u64, Option<&str>, &str)> {
        let (done, rest) = bytes.split_first_chunk::<8>()?;
        let rest = std::str::from_utf8(rest).ok()?;
        let (collection, id) = match is_group {
            true => rest.split_once('\0').map(|(collection, id)| (Some(collection), id))?,
            false => (None, rest),
        };
        Some((u64::from_be_bytes(*done), collection, id))
    }
}

struct Chunk<'a, 'g> {
    group: &'a mut Group<'g>,
    view: &'a View<'a>,
    queued: &'a AtomicU64,
    database: Id,
    index: &'a Index,
    /// Where the build stood before; taken once the collection is found again.
    from: Option<(Option<String>, String)>,
    done: u64,
    bytes: i64,
    /// Documents and collections of this chunk.
    seen: u64,
    at: Option<At>,
}

impl<'a, 'g> Chunk<'a, 'g> {
    fn begin(
        group: &'a mut Group<'g>,
        view: &'a View<'a>,
        queued: &'a AtomicU64,
        (database, index): (&Database, &'a Index),
    ) -> Result<Self, EngineError> {
        let saved = view.get(Space::Catalog, &progress_key(database.id, index.shape.id))?;
        let saved = saved.as_deref().and_then(|saved| At::decode(saved, index.shape.pattern.is_some()));
        let done = saved.map_or(0, |(done, ..)| done);
        let from = saved.map(|(_, collection, id)| (collection.map(str::to_owned), id.to_owned()));
        Ok(Self {
            group,
            view,
            queued,
            database: database.id,
            index,
            from,
            done,
            bytes: 0,
            seen: 0,
            at: None,
        })
    }

    fn is_full(&self) -> bool {
        self.seen >= CHUNK
            || (self.seen >= CHUNK_WHILE_OTHERS_WAIT
                && self.seen.is_multiple_of(LOOK_EVERY)
                && self.queued.load(Ordering::Relaxed) > 0)
    }

    /// Puts the entries of the next documents of these collections, which stand in the order of their names.
    fn fill(&mut self, collections: &[Arc<Collection>]) -> Result<(), EngineError> {
        for collection in collections {
            let name = collection.name.as_str();
            let after = match &self.from {
                Some((Some(from), _)) if name < from.as_str() => continue,
                Some((from, id)) if from.as_ref().is_none_or(|from| from == name) => Some(id.clone()),
                _ => None,
            };
            if self.is_full() {
                self.at = Some(At { collection: name.to_owned(), id: after.unwrap_or_default() });
                return Ok(());
            }
            self.seen += 1;
            self.fill_from(collection, after.as_deref())?;
            if self.at.is_some() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn fill_from(&mut self, collection: &Collection, after: Option<&str>) -> Result<(), EngineError> {
        let prefix = pair(self.database, collection.id);
        let from = match after {
            Some(after) => Bound::Excluded([prefix.as_slice(), after.as_bytes()].concat()),
            None => Bound::Included(prefix.to_vec()),
        };
        let to = key::prefix_end(&prefix).map_or(Bound::Unbounded, Bound::Excluded);
        for entry in self.view.ascending(Space::Documents, KeyRange { from, to }) {
            let (key, stored) = entry?;
            let id = document::id_text(&key[PAIR_BYTES..])?;
            self.add(collection, id, &stored)?;
            if self.is_full() {
                self.at = Some(At { collection: collection.name.to_string(), id: id.to_owned() });
                return Ok(());
            }
        }
        Ok(())
    }

    fn add(&mut self, collection: &Collection, id: &str, stored: &[u8]) -> Result<(), EngineError> {
        let (_, document) = document::split(stored)?;
        let shape = &self.index.shape;
        let owner = Owner { database: self.database, collection, id };
        let entries = indexing::entries(shape, document, owner)?;
        if entries.multikey {
            note_multikey(self.group, self.database, shape)?;
        }
        for key in &entries.keys {
            // A write may have put it there before.
            self.bytes += entries.bytes_of(key) - entry_bytes(self.group, key)?;
            put_entry(self.group, shape, (key, &entries.value), owner)?;
        }
        self.done += 1;
        self.seen += 1;
        Ok(())
    }

    fn reached(self) -> Reached {
        Reached { done: self.done, bytes: self.bytes, at: self.at }
    }
}
