//! Looks whether a store agrees with itself, in one snapshot: documents with their index entries (both ways),
//! counters, the change feed, numbers, and that no key belongs to nothing. Changes nothing. Crash tests run it
//! after every recovery.

mod feed;
mod strays;

use crate::catalog::record::{self, progress_key};
use crate::catalog::{BuildState, Catalog, Collection, Database, Index};
use crate::error::EngineError;
use crate::indexing::Owner;
use crate::indexing::entry::EntryValue;
use crate::layout::{self, NEXT_ID, PAIR_BYTES, Space, pair};
use crate::store::{KeyRange, Store, View};
use crate::{document, indexing};
use bson::RawDocument;
use feed::LastChanges;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Problems that are listed; the rest is counted.
const PROBLEMS_LISTED_MAX: usize = 100;

/// What a check looked at and found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckReport {
    /// Documents.
    pub documents: u64,
    /// Index entries.
    pub index_entries: u64,
    /// Entries of change feeds.
    pub changes: u64,
    /// The number of problems.
    pub problems_found: u64,
    /// The first of them.
    pub problems: Vec<String>,
}

impl CheckReport {
    fn problem(&mut self, text: String) {
        self.problems_found += 1;
        if self.problems.len() < PROBLEMS_LISTED_MAX {
            self.problems.push(text);
        }
    }
}

/// A check while it runs.
struct Check<'a> {
    view: View<'a>,
    last_commit: u64,
    report: CheckReport,
}

/// A document of a collection, with its key.
struct Found<'a> {
    id: &'a str,
    document: &'a RawDocument,
    version: u64,
}

/// Checks everything in `store`.
pub(crate) fn check(store: &Store) -> Result<CheckReport, EngineError> {
    let view = store.view();
    let (catalog, garbage) = record::load(&view)?;
    let last_commit = view.commit()?;
    let mut check = Check { view, last_commit, report: CheckReport::default() };
    for database in catalog.all() {
        check.bytes(&database)?;
        let changes = check.feed(&database)?;
        for collection in database.collections("") {
            check.documents(&database, &collection, &changes)?;
            for index in collection.indexes.iter().filter(|index| index.is_maintained()) {
                check.entries(&database, index, |_| Some(Arc::clone(&collection)))?;
            }
        }
        for index in database.groups().iter().filter(|index| index.is_maintained()) {
            // Entries of a collection that was dropped wait for their removal.
            let named = |value: &EntryValue<'_>| {
                let (number, name) = value.collection?;
                database.collection_named(name).filter(|collection| collection.id == number)
            };
            check.entries(&database, index, named)?;
        }
    }
    check.numbers(&catalog)?;
    check.strays(&catalog, &garbage)?;
    Ok(check.report)
}

impl Check<'_> {
    fn documents(
        &mut self,
        database: &Database,
        collection: &Collection,
        changes: &LastChanges,
    ) -> Result<(), EngineError> {
        let name = format!("{}/{}", database.name, collection.name);
        let groups = database.groups();
        let built = (collection.indexes.iter())
            .chain(groups.iter().filter(|index| index.shape.is_over(&collection.name)))
            .filter(|index| index.is_maintained())
            .map(|index| Ok((index, self.built_up_to(database, index)?)))
            .collect::<Result<Vec<_>, EngineError>>()?;
        let mut counted = 0;
        let range = KeyRange::prefix(&pair(database.id, collection.id));
        for entry in self.view.ascending(Space::Documents, range) {
            let (key, stored) = entry?;
            counted += 1;
            let (version, document) = document::split(&stored)?;
            let id = std::str::from_utf8(&key[PAIR_BYTES..]).unwrap_or_default();
            let found = Found { id, document, version };
            self.document(&name, &found);
            if let Err(problem) = changes.agree(collection.id, &found) {
                self.report.problem(format!("{name}/{id}: {problem}"));
            }
            for (index, built) in &built {
                let owner = Owner { database: database.id, collection, id };
                self.has_entries(&name, index, owner, (&found, built.covers(id)))?;
            }
        }
        for id in changes.missing(&self.view, database.id, collection.id)? {
            self.report.problem(format!("{name}/{id}: the feed has it, the collection does not"));
        }
        self.report.documents += counted;
        let noted = collection.documents.load(Relaxed);
        if noted != counted {
            self.report.problem(format!("{name}: the counter says {noted}, there are {counted} documents"));
        }
        Ok(())
    }

    fn document(&mut self, name: &str, found: &Found<'_>) {
        let Found { id, document, version } = found;
        if document.get_str("_id").ok() != Some(*id) {
            self.report.problem(format!("{name}/{id}: `_id` is another one"));
        }
        if *version == 0 || *version > self.last_commit {
            self.report.problem(format!("{name}/{id}: version {version}, last commit {}", self.last_commit));
        }
    }

    /// How far an index has to be complete.
    fn built_up_to(&self, database: &Database, index: &Index) -> Result<Built, EngineError> {
        if index.state == BuildState::Ready {
            return Ok(Built::All);
        }
        if index.shape.pattern.is_some() {
            return Ok(Built::Nothing);
        }
        let progress = self.view.get(Space::Catalog, &progress_key(database.id, index.shape.id))?;
        let last = progress.and_then(|progress| progress.get(8..).map(<[u8]>::to_vec));
        Ok(last.map_or(Built::Nothing, Built::UpTo))
    }

    fn has_entries(
        &mut self,
        name: &str,
        index: &Index,
        owner: Owner<'_>,
        (found, complete): (&Found<'_>, bool),
    ) -> Result<(), EngineError> {
        if !complete {
            return Ok(());
        }
        let expected = indexing::entries(&index.shape, found.document, owner)?;
        if expected.multikey && !index.shape.is_multikey() {
            self.report.problem(format!("{name}: index {} does not know of arrays", index.shape.name));
        }
        for key in &expected.keys {
            let value = self.view.get(Space::Indexes, key)?;
            if value.as_deref() != Some(expected.value.as_slice()) {
                self.report.problem(format!(
                    "{name}/{}: an entry of index {} is missing",
                    found.id, index.shape.name
                ));
            }
        }
        Ok(())
    }

    /// Every entry belongs to a document that has that key. `collection_of` says where the document is.
    fn entries(
        &mut self,
        database: &Database,
        index: &Index,
        collection_of: impl Fn(&EntryValue<'_>) -> Option<Arc<Collection>>,
    ) -> Result<(), EngineError> {
        let range = KeyRange::prefix(&pair(database.id, index.shape.id));
        for entry in self.view.ascending(Space::Indexes, range) {
            let (key, value) = entry?;
            self.report.index_entries += 1;
            let shape = &index.shape;
            let Some(parsed) = EntryValue::parse(shape, &value) else {
                self.report
                    .problem(format!("{}: an entry of index {} is malformed", database.name, shape.name));
                continue;
            };
            let Some(collection) = collection_of(&parsed) else { continue };
            let id = parsed.id;
            let stored =
                self.view.get(Space::Documents, &layout::document(database.id, collection.id, id))?;
            let belongs = match &stored {
                Some(stored) => {
                    let (_, document) = document::split(stored)?;
                    let owner = Owner { database: database.id, collection: &collection, id };
                    let expected = indexing::entries(shape, document, owner)?;
                    expected.keys.iter().any(|expected| **expected == *key)
                }
                None => false,
            };
            if !belongs {
                self.report.problem(format!(
                    "{}/{}: an entry of index {} is for `{id}`, which does not have that key",
                    database.name, collection.name, shape.name
                ));
            }
        }
        Ok(())
    }

    /// The bytes of a database, those that wait for their removal too.
    fn bytes(&mut self, database: &Database) -> Result<(), EngineError> {
        let mut counted = 0;
        for space in [Space::Documents, Space::Indexes] {
            for entry in self.view.ascending(space, KeyRange::prefix(&database.id.to_be_bytes())) {
                let (key, value) = entry?;
                counted += (key.len() + value.len()) as u64;
            }
        }
        let noted = database.bytes.load(Relaxed);
        if noted != counted {
            self.report
                .problem(format!("{}: the counter says {noted} bytes, there are {counted}", database.name));
        }
        Ok(())
    }

    /// Numbers in use are below the next free one.
    fn numbers(&mut self, catalog: &Catalog) -> Result<(), EngineError> {
        let next = self.view.get(Space::Meta, NEXT_ID)?.map_or(Ok(1), |value| record::id(&value))?;
        for database in catalog.all() {
            let collections = database.collections("");
            let groups = database.groups();
            let indexes = collections.iter().flat_map(|collection| &collection.indexes).chain(groups.iter());
            let inner = collections.iter().map(|collection| collection.id);
            let numbers = inner.chain(indexes.map(|index| index.shape.id)).chain([database.id]);
            if let Some(used) = numbers.max().filter(|used| *used >= next) {
                self.report.problem(format!("{}: number {used} is in use, {next} is next", database.name));
            }
        }
        Ok(())
    }
}

/// The documents of which an index has all entries.
enum Built {
    All,
    /// Ids up to this one.
    UpTo(Vec<u8>),
    Nothing,
}

impl Built {
    fn covers(&self, id: &str) -> bool {
        match self {
            Self::All => true,
            Self::UpTo(last) => id.as_bytes() <= last.as_slice(),
            Self::Nothing => false,
        }
    }
}

#[cfg(test)]
mod tests;
