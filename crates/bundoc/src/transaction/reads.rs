//! What a transaction read: documents by id, there or missing, and filters, which stand for every document
//! that matched and for every one that would have. Beyond a number of either, for the whole collection.

use crate::catalog::{Collection, Database};
use crate::document;
use crate::engine::{CollectionName, DocumentId};
use crate::error::{EngineError, Limit};
use crate::filter::{self, Filter};
use crate::history::Changed;
use bson::Document;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Filters that are remembered for one collection: each is asked about every later change.
const FILTERS_MAX: usize = 64;

/// What was read, by collection.
pub(crate) struct ReadSet {
    collections: HashMap<CollectionName, Reads>,
    /// Documents of one collection, and collections.
    most: usize,
}

/// What was read in one collection.
struct Reads {
    /// The collection as the snapshot has it.
    seen: Option<Arc<Collection>>,
    everything: bool,
    ids: HashSet<DocumentId>,
    filters: Vec<(Document, Filter)>,
}

impl Reads {
    fn coarsen(&mut self) {
        self.everything = true;
        self.ids = HashSet::new();
        self.filters = Vec::new();
    }

    fn met(&self, changed: &Changed) -> bool {
        if self.everything || self.ids.contains(&changed.id) {
            return true;
        }
        let states = [changed.before.as_ref(), changed.after.as_ref()];
        states.into_iter().flatten().any(|stored| match document::split(stored) {
            Ok((_, document)) => self.filters.iter().any(|(_, filter)| filter.matches(document)),
            Err(_) => true,
        })
    }
}

impl ReadSet {
    pub(crate) fn new(most: usize) -> Self {
        Self { collections: HashMap::new(), most }
    }

    /// The collection as it was first seen; the outer `None` where it was not looked for yet.
    pub(crate) fn seen(&self, name: &CollectionName) -> Option<Option<Arc<Collection>>> {
        self.collections.get(name).map(|reads| reads.seen.clone())
    }

    /// Remembers a collection, or that it was missing.
    pub(crate) fn see(
        &mut self,
        name: &CollectionName,
        seen: Option<Arc<Collection>>,
    ) -> Result<(), EngineError> {
        if self.collections.len() >= self.most {
            return Err(EngineError::limit(
                Limit::TransactionReads,
                format!("a transaction looks at {} collections at the most", self.most),
            ));
        }
        let reads = Reads { seen, everything: false, ids: HashSet::new(), filters: Vec::new() };
        self.collections.insert(name.clone(), reads);
        Ok(())
    }

    /// A document was read. The collection was seen before.
    pub(crate) fn read(&mut self, collection: &CollectionName, id: &DocumentId) {
        let Some(reads) = self.collections.get_mut(collection) else { return };
        if reads.everything || reads.ids.contains(id) {
            return;
        }
        if reads.ids.len() >= self.most {
            return reads.coarsen();
        }
        reads.ids.insert(id.clone());
    }

    /// A filter was asked. The collection was seen before.
    pub(crate) fn searched(
        &mut self,
        collection: &CollectionName,
        filter: &Document,
    ) -> Result<(), EngineError> {
        let Some(reads) = self.collections.get_mut(collection) else { return Ok(()) };
        if reads.everything || reads.filters.iter().any(|(known, _)| known == filter) {
            return Ok(());
        }
        if filter.is_empty() || reads.filters.len() >= FILTERS_MAX {
            reads.coarsen();
        } else {
            reads.filters.push((filter.clone(), filter::parse(filter)?));
        }
        Ok(())
    }

    /// Whatever is in the collection mattered.
    pub(crate) fn read_all(&mut self, collection: &CollectionName) {
        if let Some(reads) = self.collections.get_mut(collection) {
            reads.coarsen();
        }
    }

    /// Whether a change meets what was read.
    pub(crate) fn is_met_by(&self, changed: &Changed) -> bool {
        self.collections.get(&changed.collection.name).is_some_and(|reads| reads.met(changed))
    }

    /// Whether all collections are still as they were seen: neither dropped, nor with other rules or indexes.
    pub(crate) fn is_current(&self, database: &Database) -> bool {
        self.collections.iter().all(|(name, reads)| match (&reads.seen, database.collection(name)) {
            (Some(seen), Some(now)) => Arc::ptr_eq(seen, &now),
            (None, None) => true,
            _ => false,
        })
    }

    /// Whether the collection was missing.
    pub(crate) fn was_missing(&self, name: &CollectionName) -> bool {
        self.collections.get(name).is_some_and(|reads| reads.seen.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{doc, rawdoc};
    use fjall::Slice;

    fn name() -> CollectionName {
        CollectionName::parse("c").unwrap()
    }

    fn id(text: &str) -> DocumentId {
        DocumentId::parse(text).unwrap()
    }

    fn seen(most: usize) -> (ReadSet, Arc<Collection>) {
        let collection = Arc::new(Collection::new(1, name(), Default::default()));
        let mut reads = ReadSet::new(most);
        reads.see(&name(), Some(Arc::clone(&collection))).unwrap();
        (reads, collection)
    }

    fn changed(collection: &Arc<Collection>, text: &str, (before, after): (i32, i32)) -> Changed {
        let stored = |n: i32| Some(Slice::from([&[0; 8], rawdoc! {"_id": text, "n": n}.as_bytes()].concat()));
        let collection = Arc::clone(collection);
        Changed { commit: 1, collection, id: id(text), before: stored(before), after: stored(after) }
    }

    #[test]
    fn a_change_meets_a_read_of_the_document_and_a_filter_that_matched_or_would_have() {
        let (mut reads, collection) = seen(10);
        reads.read(&name(), &id("a"));
        reads.searched(&name(), &doc! {"n": {"$gt": 5}}).unwrap();
        for (text, states, met) in
            [("a", (1, 2), true), ("b", (1, 2), false), ("b", (1, 6), true), ("b", (6, 1), true)]
        {
            assert_eq!(reads.is_met_by(&changed(&collection, text, states)), met, "{text} {states:?}");
        }
    }

    #[test]
    fn too_many_reads_count_as_the_whole_collection() {
        let (mut reads, collection) = seen(2);
        for text in ["a", "b"] {
            reads.read(&name(), &id(text));
        }
        assert!(!reads.is_met_by(&changed(&collection, "z", (1, 2))));
        reads.read(&name(), &id("c"));
        assert!(reads.is_met_by(&changed(&collection, "z", (1, 2))));

        let (mut reads, collection) = seen(2);
        for n in 0..=FILTERS_MAX as i32 {
            assert!(!reads.is_met_by(&changed(&collection, "z", (-1, -1))));
            reads.searched(&name(), &doc! {"n": n}).unwrap();
        }
        assert!(reads.is_met_by(&changed(&collection, "z", (-1, -1))));
        let other = CollectionName::parse("d").unwrap();
        reads.see(&other, None).unwrap();
        assert!(matches!(
            reads.see(&CollectionName::parse("e").unwrap(), None),
            Err(EngineError::LimitExceeded { .. })
        ));
    }
}
