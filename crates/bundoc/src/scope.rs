//! Where a write finds its collections: in the catalog, or in the snapshot of a transaction, which also
//! remembers what was read.

use crate::catalog::{Collection, Database};
use crate::engine::{CollectionName, DocumentId};
use crate::error::EngineError;
use bson::Document;
use std::collections::HashMap;
use std::sync::Arc;

/// New collections that nobody else sees yet.
pub(crate) type Created = HashMap<CollectionName, Arc<Collection>>;

/// The collections that a write may see, and who wants to know what it looks at.
pub(crate) trait Scope: Sync {
    /// A collection.
    fn collection(&self, name: &CollectionName) -> Result<Option<Arc<Collection>>, EngineError>;

    /// A document was looked at, or found missing.
    fn read(&self, collection: &CollectionName, id: &DocumentId);

    /// All documents were asked whether they match.
    fn searched(&self, collection: &CollectionName, filter: &Document) -> Result<(), EngineError>;

    /// Whatever is in the collection mattered.
    fn read_all(&self, collection: &CollectionName);
}

/// The newest state, in which the committer writes: what it reads cannot change meanwhile.
pub(crate) struct Latest<'a> {
    pub(crate) database: &'a Database,
    pub(crate) created: &'a Created,
}

impl Scope for Latest<'_> {
    fn collection(&self, name: &CollectionName) -> Result<Option<Arc<Collection>>, EngineError> {
        Ok(self.created.get(name).cloned().or_else(|| self.database.collection(name)))
    }

    fn read(&self, _collection: &CollectionName, _id: &DocumentId) {}

    fn searched(&self, _collection: &CollectionName, _filter: &Document) -> Result<(), EngineError> {
        Ok(())
    }

    fn read_all(&self, _collection: &CollectionName) {}
}
