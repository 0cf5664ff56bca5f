//! The keys of the five keyspaces. Every key but those of `meta` holds the number of its database, so that
//! a database is a range in each of them. Numbers are big endian and never used twice: what is dropped is
//! removed in the background while a new thing of the same name has a new number.
//!
//! | keyspace | key | value |
//! |---|---|---|
//! | documents | database, collection, id | version, BSON |
//! | indexes | database, index, encoded fields, id (`unique`: without id; over several collections: name of the collection, id) | see `indexing/entry.rs` |
//! | changes | database, commit, position in the commit | see `changes.rs` |
//! | catalog | kind, … | see `catalog/record.rs` |
//! | meta | `commit`, `ids` | a number |

use crate::engine::ChangePosition;

/// The keyspaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Space {
    Documents = 0,
    Indexes = 1,
    Changes = 2,
    Catalog = 3,
    Meta = 4,
}

impl Space {
    /// All of them; the place of each is its number.
    pub(crate) const ALL: [(Space, &'static str); 5] = [
        (Space::Documents, "documents"),
        (Space::Indexes, "indexes"),
        (Space::Changes, "changes"),
        (Space::Catalog, "catalog"),
        (Space::Meta, "meta"),
    ];

    /// The keyspace with this number.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).map(|(space, _)| *space)
    }
}

/// Key of the last commit number in `meta`.
pub(crate) const LAST_COMMIT: &[u8] = b"commit";
/// Key of the next free number in `meta`.
pub(crate) const NEXT_ID: &[u8] = b"ids";

/// The number of a database, collection or index.
pub(crate) type Id = u32;

/// Prefix of all documents of a collection, or of all entries of an index.
pub(crate) fn pair(database: Id, inner: Id) -> [u8; 8] {
    let mut key = [0; 8];
    key[..4].copy_from_slice(&database.to_be_bytes());
    key[4..].copy_from_slice(&inner.to_be_bytes());
    key
}

/// The two numbers of a `pair`.
pub(crate) fn split_pair(key: &[u8]) -> Option<(Id, Id)> {
    let (database, rest) = key.split_first_chunk::<4>()?;
    let (inner, _) = rest.split_first_chunk::<4>()?;
    Some((Id::from_be_bytes(*database), Id::from_be_bytes(*inner)))
}

/// Key of a document.
pub(crate) fn document(database: Id, collection: Id, id: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(8 + id.len());
    key.extend_from_slice(&pair(database, collection));
    key.extend_from_slice(id.as_bytes());
    key
}

/// Bytes of `pair` before the id in a document key and before the fields in an index key.
pub(crate) const PAIR_BYTES: usize = 8;

/// Key of a change.
pub(crate) fn change(database: Id, position: ChangePosition) -> [u8; 16] {
    let mut key = [0; 16];
    key[..4].copy_from_slice(&database.to_be_bytes());
    key[4..12].copy_from_slice(&position.commit.to_be_bytes());
    key[12..].copy_from_slice(&position.index.to_be_bytes());
    key
}

/// The position in the key of a change.
pub(crate) fn change_position(key: &[u8]) -> Option<ChangePosition> {
    let commit = key.get(4..12)?.try_into().ok()?;
    let index = key.get(12..16)?.try_into().ok()?;
    Some(ChangePosition { commit: u64::from_be_bytes(commit), index: u32::from_be_bytes(index) })
}
