//! Index entries of the documents that a batch writes.

use super::Group;
use super::writer::Writer;
use crate::catalog::record::multikey_key;
use crate::catalog::{BuildState, Collection, Index, IndexShape};
use crate::engine::DocumentId;
use crate::error::EngineError;
use crate::indexing::entry::EntryValue;
use crate::indexing::{self, Entries, Owner};
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
        let owner = Owner { database: self.database.id, collection, id: id.as_str() };
        let groups = self.database.groups();
        for index in maintained(collection, &groups) {
            let Moves { old, new } = Moves::of(index, (present, new), owner)?;
            self.done.bytes += move_entries(self.group, index, (&old, &new), owner)?;
        }
        Ok(())
    }

    /// The same, where it is known which entries there are.
    pub(super) fn index_as_drafted(
        &mut self,
        collection: &Collection,
        id: &DocumentId,
        moves: &[Moves],
    ) -> Result<(), EngineError> {
        let owner = Owner { database: self.database.id, collection, id: id.as_str() };
        let groups = self.database.groups();
        for (index, Moves { old, new }) in maintained(collection, &groups).zip(moves) {
            self.done.bytes += move_entries(self.group, index, (old, new), owner)?;
        }
        Ok(())
    }
}

/// The indexes that documents of a collection have entries in.
pub(crate) fn maintained<'a>(
    collection: &'a Collection,
    groups: &'a [Index],
) -> impl Iterator<Item = &'a Index> {
    let groups = groups.iter().filter(|index| index.shape.is_over(&collection.name));
    collection.indexes.iter().chain(groups).filter(|index| index.is_maintained())
}

/// The entries of a document in one index, before and after a change.
pub(crate) struct Moves {
    old: Entries,
    new: Entries,
}

impl Moves {
    pub(crate) fn of(
        index: &Index,
        (present, new): (Option<&RawDocument>, Option<&RawDocument>),
        owner: Owner<'_>,
    ) -> Result<Self, EngineError> {
        let entries = |document: Option<&RawDocument>| match document {
            Some(document) => indexing::entries(&index.shape, document, owner),
            None => Ok(Entries::default()),
        };
        Ok(Self { old: entries(present)?, new: entries(new)? })
    }

    /// Bytes that they take in memory.
    pub(crate) fn bytes(&self) -> usize {
        (self.old.bytes() + self.new.bytes()).unsigned_abs() as usize
    }
}

/// Brings one index from the old entries to the new; the bytes that it has more or fewer.
fn move_entries(
    group: &mut Group<'_>,
    index: &Index,
    (old, new): (&Entries, &Entries),
    owner: Owner<'_>,
) -> Result<i64, EngineError> {
    let shape = &index.shape;
    if new.multikey {
        note_multikey(group, owner.database, shape)?;
    }
    // While an index is built, entries of before may not be there yet, and those that stay neither.
    let is_built = index.state == BuildState::Ready;
    let mut bytes = if is_built { new.bytes() - old.bytes() } else { 0 };
    for key in old.keys.iter().filter(|key| new.keys.binary_search(key).is_err()) {
        let before = if is_built { 0 } else { entry_bytes(group, key)? };
        if remove_entry(group, shape, key, owner)? {
            bytes -= before;
        }
    }
    let rewrite = old.value != new.value || !is_built;
    for key in &new.keys {
        if !is_built {
            bytes += new.bytes_of(key) - entry_bytes(group, key)?;
        }
        if rewrite || old.keys.binary_search(key).is_err() {
            put_entry(group, shape, (key, &new.value), owner)?;
        }
    }
    Ok(bytes)
}

/// Bytes of the entry that is there under a key.
pub(super) fn entry_bytes(group: &Group<'_>, key: &[u8]) -> Result<i64, EngineError> {
    Ok(group.get(Space::Indexes, key)?.map_or(0, |value| (key.len() + value.len()) as i64))
}

/// Removes an entry where it is the document's own: one of a unique index that is being built may belong to
/// another document, one of a group index to a later collection of the same name. Whether it was.
pub(super) fn remove_entry(
    group: &mut Group<'_>,
    shape: &IndexShape,
    key: &[u8],
    owner: Owner<'_>,
) -> Result<bool, EngineError> {
    let shared = shape.unique || shape.pattern.is_some();
    if shared && !group.get(Space::Indexes, key)?.is_some_and(|value| is_own(shape, &value, owner)) {
        return Ok(false);
    }
    shape.writes.fetch_add(1, Ordering::Relaxed);
    group.remove(Space::Indexes, key);
    Ok(true)
}

fn is_own(shape: &IndexShape, value: &[u8], owner: Owner<'_>) -> bool {
    EntryValue::parse(shape, value).is_some_and(|entry| {
        entry.id == owner.id && entry.collection.is_none_or(|(number, _)| number == owner.collection.id)
    })
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
    (key, value): (&[u8], &[u8]),
    owner: Owner<'_>,
) -> Result<(), EngineError> {
    if shape.unique {
        let present = group.get(Space::Indexes, key)?;
        if present.is_some_and(|present| !is_own(shape, &present, owner)) {
            return Err(EngineError::UniqueViolation { index: shape.name.clone() });
        }
    }
    shape.writes.fetch_add(1, Ordering::Relaxed);
    group.put(Space::Indexes, key, value);
    Ok(())
}
