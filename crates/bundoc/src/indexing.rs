//! The entries that a document has in an index. A field with an array gives one entry for each element; a
//! missing field counts as null. A sparse index has none of a document without any of its fields, a partial
//! one none of what its filter does not match.

pub(crate) mod entry;

use crate::catalog::{Collection, IndexShape};
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
    /// What all of them hold (`entry.rs`).
    pub(crate) value: Vec<u8>,
    /// Whether any field held an array.
    pub(crate) multikey: bool,
}

impl Entries {
    /// Bytes that they take in the store.
    pub(crate) fn bytes(&self) -> i64 {
        self.keys.iter().map(|key| self.bytes_of(key)).sum()
    }

    /// Bytes that the entry under `key` takes.
    pub(crate) fn bytes_of(&self, key: &[u8]) -> i64 {
        (key.len() + self.value.len()) as i64
    }
}

/// Which document.
#[derive(Clone, Copy)]
pub(crate) struct Owner<'a> {
    pub(crate) database: Id,
    pub(crate) collection: &'a Collection,
    pub(crate) id: &'a str,
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
    shape: &IndexShape,
    document: &RawDocument,
    owner: Owner<'_>,
) -> Result<Entries, EngineError> {
    let mut found = Entries::default();
    if !shape.lets_in(document) {
        return Ok(found);
    }
    let singles: Option<Vec<_>> = shape.fields.iter().map(|field| single(document, &field.path)).collect();
    match &singles {
        Some(values) => {
            if shape.sparse && values.iter().all(Option::is_none) {
                return Ok(found);
            }
            found.keys.push(single_key(shape, values, owner));
        }
        None => {
            if shape.sparse && !shape.fields.iter().any(|field| is_there(document, &field.path)) {
                return Ok(found);
            }
            found.multikey = true;
            found.keys = keys(shape, document, owner)?;
        }
    }
    if found.keys.iter().any(|key| key.len() > KEY_BYTES_MAX) {
        return Err(EngineError::InvalidDocument(format!(
            "a value is too long for the index `{}`: a key has {KEY_BYTES_MAX} bytes at the most",
            shape.name
        )));
    }
    found.value = entry::encode(shape, document, singles.as_deref(), owner);
    Ok(found)
}

fn append_owner(key: &mut Vec<u8>, shape: &IndexShape, owner: Owner<'_>) {
    if shape.unique {
        return;
    }
    let order = id_order(&shape.fields);
    if shape.pattern.is_some() {
        append_id(key, owner.collection.name.as_str(), order);
    }
    append_id(key, owner.id, order);
}

/// The key of a document in which no path of the index meets an array.
fn single_key(shape: &IndexShape, values: &[Option<RawBsonRef<'_>>], owner: Owner<'_>) -> Vec<u8> {
    let mut key = Vec::with_capacity(48 + owner.id.len());
    key.extend_from_slice(&pair(owner.database, shape.id));
    for (field, value) in shape.fields.iter().zip(values) {
        encode(value.unwrap_or(RawBsonRef::Null), field.order, &mut key);
    }
    append_owner(&mut key, shape, owner);
    key
}

/// The keys of a document with arrays: every combination of the values of the fields.
fn keys(shape: &IndexShape, document: &RawDocument, owner: Owner<'_>) -> Result<Vec<Vec<u8>>, EngineError> {
    let mut keys = vec![pair(owner.database, shape.id).to_vec()];
    for field in &shape.fields {
        let values = field_values(document, field);
        if keys.len() * values.len() > ENTRIES_MAX {
            return Err(EngineError::InvalidDocument(format!(
                "the document has more than {ENTRIES_MAX} entries in the index `{}`",
                shape.name
            )));
        }
        keys = keys
            .iter()
            .flat_map(|key| values.iter().map(move |value| [key.as_slice(), value].concat()))
            .collect();
    }
    keys.iter_mut().for_each(|key| append_owner(key, shape, owner));
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}

/// What stands at a path that meets no array; `None` where it does meet one.
fn single<'a>(document: &'a RawDocument, path: &str) -> Option<Option<RawBsonRef<'a>>> {
    let (name, rest) = match path.split_once('.') {
        Some((name, rest)) => (name, Some(rest)),
        None => (path, None),
    };
    match (document.get(name).ok().flatten(), rest) {
        (Some(RawBsonRef::Array(_)), _) => None,
        (Some(RawBsonRef::Document(inner)), Some(rest)) => single(inner, rest),
        (value, None) => Some(value),
        (_, Some(_)) => Some(None),
    }
}

fn is_there(document: &RawDocument, path: &str) -> bool {
    any_branch(document, path, &mut |branch| branch.is_some())
}

/// The encoded values of one field, each once.
fn field_values(document: &RawDocument, field: &FieldOrder) -> Vec<Vec<u8>> {
    let mut values = Vec::with_capacity(1);
    let mut add = |value: RawBsonRef<'_>| {
        let mut bytes = Vec::with_capacity(16);
        encode(value, field.order, &mut bytes);
        values.push(bytes);
    };
    any_branch(document, &field.path, &mut |branch| {
        match branch {
            Some(RawBsonRef::Array(array)) => {
                if array.is_empty() {
                    add(RawBsonRef::Undefined);
                }
                array.into_iter().flatten().for_each(&mut add);
            }
            value => add(value.unwrap_or(RawBsonRef::Null)),
        }
        false
    });
    values.sort_unstable();
    values.dedup();
    values
}
