//! The entries that a document has in an index. A field with an array gives one entry for each element; a
//! missing field counts as null.

use crate::catalog::IndexShape;
use crate::engine::{FieldOrder, Order};
use crate::error::EngineError;
use crate::key::{encode, invert};
use crate::layout::{Id, pair};
use crate::path::any_branch;
use bson::{RawBsonRef, RawDocument};

/// Entries of one document in one index.
const ENTRIES_MAX: usize = 1_000;
/// Bytes of one encoded key.
const KEY_BYTES_MAX: usize = 8 * 1024;

/// The entries of one document.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    /// Keys, sorted, each once.
    pub(crate) keys: Vec<Vec<u8>>,
    /// Whether any field held an array.
    pub(crate) multikey: bool,
}

impl Entries {
    /// Bytes that they take in the store: keys, and the id in each.
    pub(crate) fn bytes(&self, id: &str) -> i64 {
        self.keys.iter().map(|key| (key.len() + id.len()) as i64).sum()
    }
}

/// Appends the id as the last part of a key, delimited, in the direction of the last field.
pub(crate) fn append_id(key: &mut Vec<u8>, id: &str, order: Order) {
    let start = key.len();
    key.extend_from_slice(id.as_bytes());
    key.push(0);
    if order == Order::Descending {
        invert(&mut key[start..]);
    }
}

/// The direction of the id in the keys of an index or a sort.
pub(crate) fn id_order(fields: &[FieldOrder]) -> Order {
    fields.last().map_or(Order::Ascending, |field| field.order)
}

/// The entries of `document` in an index.
pub(crate) fn entries(
    database: Id,
    shape: &IndexShape,
    document: &RawDocument,
    id: &str,
) -> Result<Entries, EngineError> {
    let mut found = Entries { keys: vec![pair(database, shape.id).to_vec()], multikey: false };
    for field in &shape.fields {
        let values = field_values(document, field, &mut found.multikey);
        if found.keys.len() * values.len() > ENTRIES_MAX {
            return Err(EngineError::InvalidDocument(format!(
                "the document has more than {ENTRIES_MAX} entries in the index `{}`",
                shape.name
            )));
        }
        found.keys = found
            .keys
            .iter()
            .flat_map(|key| values.iter().map(move |value| [key.as_slice(), value].concat()))
            .collect();
    }
    if found.keys.iter().any(|key| key.len() > KEY_BYTES_MAX) {
        return Err(EngineError::InvalidDocument(format!(
            "a value is too long for the index `{}`: a key has {KEY_BYTES_MAX} bytes at the most",
            shape.name
        )));
    }
    if !shape.unique {
        let order = id_order(&shape.fields);
        found.keys.iter_mut().for_each(|key| append_id(key, id, order));
    }
    found.keys.sort_unstable();
    found.keys.dedup();
    Ok(found)
}

/// The encoded values of one field, each once.
fn field_values(document: &RawDocument, field: &FieldOrder, multikey: &mut bool) -> Vec<Vec<u8>> {
    let mut values = Vec::with_capacity(1);
    let mut add = |value: RawBsonRef<'_>| {
        let mut bytes = Vec::with_capacity(16);
        encode(value, field.order, &mut bytes);
        values.push(bytes);
    };
    let mut branches = 0;
    any_branch(document, &field.path, &mut |branch| {
        branches += 1;
        match branch {
            Some(RawBsonRef::Array(array)) => {
                *multikey = true;
                if array.is_empty() {
                    add(RawBsonRef::Undefined);
                }
                array.into_iter().flatten().for_each(&mut add);
            }
            value => add(value.unwrap_or(RawBsonRef::Null)),
        }
        false
    });
    *multikey |= branches > 1 || passes_array(document, &field.path);
    values.sort_unstable();
    values.dedup();
    values
}

/// Whether the path goes through an array, even one with a single element.
fn passes_array(document: &RawDocument, path: &str) -> bool {
    let Some((name, rest)) = path.split_once('.') else { return false };
    match document.get(name) {
        Ok(Some(RawBsonRef::Array(_))) => true,
        Ok(Some(RawBsonRef::Document(inner))) => passes_array(inner, rest),
        _ => false,
    }
}
