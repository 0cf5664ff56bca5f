//! What a transaction sees of the catalog: collections as its snapshot has them, and those that it creates.

use super::reads::ReadSet;
use crate::catalog::record::collection_key;
use crate::catalog::{Collection, Database};
use crate::engine::{CollectionName, DocumentId};
use crate::error::EngineError;
use crate::layout::Space;
use crate::scope::{Created, Scope};
use crate::store::{Store, View};
use bson::Document;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The snapshot of a transaction.
pub(super) struct SnapshotScope<'a> {
    pub(super) store: &'a Store,
    pub(super) view: View<'a>,
    pub(super) known: Option<&'a Database>,
    pub(super) created: &'a Created,
    pub(super) reads: &'a Mutex<ReadSet>,
}

impl SnapshotScope<'_> {
    fn reads(&self) -> MutexGuard<'_, ReadSet> {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The collection as the snapshot has it. Memory has only the newest one: where its record is another
    /// by now, the transaction could not commit, and must not go on with indexes that its snapshot lacks.
    fn in_snapshot(&self, name: &CollectionName) -> Result<Option<Arc<Collection>>, EngineError> {
        let Some(database) = self.known else { return Ok(None) };
        // Looked up first: memory follows the store, so it is this record's or an older one.
        let found = database.collection(name);
        let key = collection_key(database.id, name);
        if self.view.get(Space::Catalog, &key)? == self.store.get(Space::Catalog, &key)? {
            Ok(found)
        } else {
            Err(EngineError::TransactionConflict)
        }
    }
}

impl Scope for SnapshotScope<'_> {
    fn collection(&self, name: &CollectionName) -> Result<Option<Arc<Collection>>, EngineError> {
        let mut reads = self.reads();
        let seen = match reads.seen(name) {
            Some(seen) => seen,
            None => {
                let seen = self.in_snapshot(name)?;
                reads.see(name, seen.clone())?;
                seen
            }
        };
        Ok(seen.or_else(|| self.created.get(name).cloned()))
    }

    fn read(&self, collection: &CollectionName, id: &DocumentId) {
        self.reads().read(collection, id);
    }

    fn searched(&self, collection: &CollectionName, filter: &Document) -> Result<(), EngineError> {
        self.reads().searched(collection, filter)
    }

    fn read_all(&self, collection: &CollectionName) {
        self.reads().read_all(collection);
    }
}
