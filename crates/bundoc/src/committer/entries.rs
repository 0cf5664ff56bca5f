//! Index entries of the documents that a batch writes.

use super::Group;
use super::writer::Writer;
use crate::catalog::record::multikey_key;
use crate::catalog::{BuildState, Collection, Index, IndexShape};
use crate::engine::DocumentId;
use crate::error::EngineError;
use crate::indexing;
use crate::layout::{Id, Space};
use bson::RawDocument;
use std::sync::atomic::Ordering;

impl Writer<'_, '_> {
    /// Brings all indexes from the present to the new document.
    pub(super) fn index(
        &mut self,
        collection: &Collection,
        id: &DocumentId,
        present: Option<&RawDocument>,
        new: Option<&RawDocument>,
    ) -> Result<(), EngineError> {
        for index in collection.indexes.iter().filter(|index| index.is_maintained()) {
            let shape = &index.shape;
            let entries = |document: Option<&RawDocument>| match document {
                Some(document) => indexing::entries(self.database.id, shape, document, id.as_str()),
                None => Ok(indexing::Entries::default()),
            };
            let (old, new) = (entries(present)?, entries(new)?);
            if new.multikey {
                note_multikey(self.group, self.database.id, shape)?;
            }
            for key in old.keys.iter().filter(|key| new.keys.binary_search(key).is_err()) {
                self.remove_entry(shape.unique, key, id)?;
            }
            for key in new.keys.iter().filter(|key| old.keys.binary_search(key).is_err()) {
                put_entry(self.group, shape, key, id.as_str())?;
            }
            self.put_unbuilt(index, &old, &new, id)?;
            if index.state == BuildState::Ready {
                // While an index is built, the build counts.
                self.done.bytes += new.bytes(id.as_str()) - old.bytes(id.as_str());
            }
        }
        Ok(())
    }

    /// While an index is built, the entries that stay may not be there yet: they are written too.
    fn put_unbuilt(
        &mut self,
        index: &Index,
        old: &indexing::Entries,
        new: &indexing::Entries,
        id: &DocumentId,
    ) -> Result<(), EngineError> {
        if index.state == BuildState::Ready {
            return Ok(());
        }
        for key in new.keys.iter().filter(|key| old.keys.binary_search(key).is_ok()) {
            put_entry(self.group, &index.shape, key, id.as_str())?;
        }
        Ok(())
    }

    /// An entry of a unique index that is being built may belong to another document.
    fn remove_entry(&mut self, unique: bool, key: &[u8], id: &DocumentId) -> Result<(), EngineError> {
        let own = !unique
            || self.group.get(Space::Indexes, key)?.is_some_and(|owner| *owner == *id.as_str().as_bytes());
        if own {
            self.group.remove(Space::Indexes, key);
        }
        Ok(())
    }
}

/// Marks an index as one with arrays, in memory at once and on disk with the commit.
pub(super) fn note_multikey(
    group: &mut Group<'_>,
    database: Id,
    shape: &IndexShape,
) -> Result<(), EngineError> {
    shape.multikey.store(true, Ordering::Release);
    let key = multikey_key(database, shape.id);
    if group.get(Space::Catalog, &key)?.is_none() {
        group.put(Space::Catalog, key, [1]);
    }
    Ok(())
}

/// Puts one index entry; in a unique index only where no other document has the key.
pub(super) fn put_entry(
    group: &mut Group<'_>,
    shape: &IndexShape,
    key: &[u8],
    id: &str,
) -> Result<(), EngineError> {
    if shape.unique {
        let owner = group.get(Space::Indexes, key)?;
        if owner.is_some_and(|owner| *owner != *id.as_bytes()) {
            return Err(EngineError::UniqueViolation { index: shape.name.clone() });
        }
    }
    group.put(Space::Indexes, key, id.as_bytes());
    Ok(())
}
