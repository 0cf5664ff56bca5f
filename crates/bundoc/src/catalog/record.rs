//! The catalog on disk: keys and values of the `catalog` keyspace, and how it is read at start.

use super::{BuildState, Catalog, Collection, Database, FeedState, Index, IndexShape};
use crate::engine::{ChangePosition, CollectionName, DatabaseName, FieldOrder, Order, Outbox, RuleSet};
use crate::error::EngineError;
use crate::layout::{Id, Space, pair};
use crate::outbox::{self, Counts, Outboxes};
use crate::rules::CompiledRules;
use crate::store::{KeyRange, Store, View};
use bson::{Bson, Document, doc};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

const DATABASE: u8 = b'd';
const COLLECTION: u8 = b'c';
const COUNT: u8 = b'n';
const MULTIKEY: u8 = b'm';
const PROGRESS: u8 = b'p';
const FEED: u8 = b'f';
const GARBAGE: u8 = b'g';
const BYTES: u8 = b'b';
/// Its keys and values are in `outbox.rs`.
pub(crate) const OUTBOX: u8 = b'o';

pub(crate) fn join(kind: u8, rest: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![kind];
    rest.iter().for_each(|part| key.extend_from_slice(part));
    key
}

/// `d`, name → number.
pub(crate) fn database_key(name: &DatabaseName) -> Vec<u8> {
    join(DATABASE, &[name.as_str().as_bytes()])
}

/// `c`, database, name → record.
pub(crate) fn collection_key(database: Id, name: &CollectionName) -> Vec<u8> {
    join(COLLECTION, &[&database.to_be_bytes(), name.as_str().as_bytes()])
}

/// `n`, database, collection → documents.
pub(crate) fn count_key(database: Id, collection: Id) -> Vec<u8> {
    join(COUNT, &[&pair(database, collection)])
}

/// `m`, database, index → present where a document had an array.
pub(crate) fn multikey_key(database: Id, index: Id) -> Vec<u8> {
    join(MULTIKEY, &[&pair(database, index)])
}

/// `p`, database, index → documents done, last id.
pub(crate) fn progress_key(database: Id, index: Id) -> Vec<u8> {
    join(PROGRESS, &[&pair(database, index)])
}

/// `f`, database → commit, position, entries.
pub(crate) fn feed_key(database: Id) -> Vec<u8> {
    join(FEED, &[&database.to_be_bytes()])
}

/// `b`, database → bytes of documents and index entries.
pub(crate) fn bytes_key(database: Id) -> Vec<u8> {
    join(BYTES, &[&database.to_be_bytes()])
}

/// `g`, number → (keyspace, prefix)*.
pub(crate) fn garbage_key(id: Id) -> Vec<u8> {
    join(GARBAGE, &[&id.to_be_bytes()])
}

/// Everything in the catalog that belongs to a database but its name.
pub(crate) fn database_prefixes(database: Id) -> Vec<Vec<u8>> {
    [COLLECTION, COUNT, MULTIKEY, PROGRESS, FEED, BYTES, OUTBOX]
        .into_iter()
        .map(|kind| join(kind, &[&database.to_be_bytes()]))
        .collect()
}

/// A range of keys that waits for its removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Garbage {
    pub(crate) id: Id,
    pub(crate) prefixes: Vec<(Space, Vec<u8>)>,
}

fn damaged() -> EngineError {
    EngineError::Damaged("the catalog of the document store is damaged: restore the store from a copy".into())
}

/// (keyspace, length, prefix)*.
pub(crate) fn encode_garbage(prefixes: &[(Space, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (space, prefix) in prefixes {
        out.push(*space as u8);
        out.push(prefix.len() as u8);
        out.extend_from_slice(prefix);
    }
    out
}

fn decode_garbage(mut bytes: &[u8]) -> Result<Vec<(Space, Vec<u8>)>, EngineError> {
    let mut prefixes = Vec::new();
    while let [space, length, rest @ ..] = bytes {
        let (prefix, rest) = rest.split_at_checked(usize::from(*length)).ok_or_else(damaged)?;
        prefixes.push((Space::from_number(*space).ok_or_else(damaged)?, prefix.to_vec()));
        bytes = rest;
    }
    Ok(prefixes)
}

pub(crate) fn encode_feed(state: FeedState) -> Vec<u8> {
    let mut out = state.floor.commit.to_be_bytes().to_vec();
    out.extend_from_slice(&state.floor.index.to_be_bytes());
    out.extend_from_slice(&state.entries.to_be_bytes());
    out
}

pub(crate) fn decode_feed(bytes: &[u8]) -> Result<FeedState, EngineError> {
    let bytes: &[u8; 20] = bytes.try_into().map_err(|_| damaged())?;
    let (commit, rest) = bytes.split_first_chunk::<8>().ok_or_else(damaged)?;
    let (index, entries) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
    Ok(FeedState {
        floor: ChangePosition { commit: u64::from_be_bytes(*commit), index: u32::from_be_bytes(*index) },
        entries: number(entries)?,
    })
}

/// A number of eight bytes.
pub(crate) fn number(bytes: &[u8]) -> Result<u64, EngineError> {
    Ok(u64::from_be_bytes(bytes.try_into().map_err(|_| damaged())?))
}

/// A number of four bytes.
pub(crate) fn id(bytes: &[u8]) -> Result<Id, EngineError> {
    Ok(u32::from_be_bytes(bytes.try_into().map_err(|_| damaged())?))
}

/// The record of a collection as BSON.
pub(crate) fn encode_collection(collection: &Collection) -> Result<Vec<u8>, EngineError> {
    let rules = collection.rules.source();
    let indexes: Vec<Bson> =
        collection.indexes.iter().map(|index| Bson::Document(encode_index(index))).collect();
    let record = doc! {
        "id": i64::from(collection.id),
        "rules": {
            "read": rules.read.clone(), "list": rules.list.clone(), "create": rules.create.clone(),
            "update": rules.update.clone(), "delete": rules.delete.clone(), "write": rules.write.clone(),
        },
        "indexes": indexes,
    };
    record.to_vec().map_err(|error| EngineError::Storage(Box::new(error)))
}

fn encode_index(index: &Index) -> Document {
    let fields: Vec<Bson> = index
        .shape
        .fields
        .iter()
        .map(|field| {
            let order = if field.order == Order::Ascending { 1 } else { -1 };
            Bson::Document(doc! {"path": field.path.clone(), "order": order})
        })
        .collect();
    let (state, reason) = match &index.state {
        BuildState::Building => ("building", None),
        BuildState::Ready => ("ready", None),
        BuildState::Failed(reason) => ("failed", Some(reason.clone())),
    };
    doc! {
        "id": i64::from(index.shape.id), "name": index.shape.name.clone(), "fields": fields,
        "unique": index.shape.unique, "state": state, "reason": reason,
    }
}

fn text(record: &Document, name: &str) -> Option<String> {
    record.get_str(name).ok().map(str::to_owned)
}

fn record_id(record: &Document) -> Option<Id> {
    Id::try_from(record.get_i64("id").ok()?).ok()
}

fn decode_rules(record: &Document) -> RuleSet {
    RuleSet {
        read: text(record, "read"),
        list: text(record, "list"),
        create: text(record, "create"),
        update: text(record, "update"),
        delete: text(record, "delete"),
        write: text(record, "write"),
    }
}

fn decode_index(record: &Document) -> Option<Index> {
    let fields = record.get_array("fields").ok()?.iter().map(|field| {
        let field = field.as_document()?;
        let order = if field.get_i32("order").ok()? == 1 { Order::Ascending } else { Order::Descending };
        Some(FieldOrder { path: text(field, "path")?, order })
    });
    let state = match record.get_str("state").ok()? {
        "building" => BuildState::Building,
        "ready" => BuildState::Ready,
        _ => BuildState::Failed(text(record, "reason").unwrap_or_default()),
    };
    let shape = IndexShape {
        id: record_id(record)?,
        name: text(record, "name")?,
        fields: fields.collect::<Option<_>>()?,
        unique: record.get_bool("unique").ok()?,
        multikey: AtomicBool::new(false),
        documents_done: AtomicU64::new(0),
    };
    Some(Index { shape: Arc::new(shape), state })
}

fn decode_collection(name: &str, bytes: &[u8]) -> Result<Collection, EngineError> {
    let decode = || {
        let record = Document::from_reader(bytes).ok()?;
        let indexes =
            record.get_array("indexes").ok()?.iter().map(|index| decode_index(index.as_document()?));
        Some(Collection {
            id: record_id(&record)?,
            name: CollectionName::parse(name).ok()?,
            rules: Arc::new(CompiledRules::new(decode_rules(record.get_document("rules").ok()?))),
            indexes: indexes.collect::<Option<_>>()?,
            documents: Arc::default(),
        })
    };
    decode().ok_or_else(damaged)
}

/// Reads the whole catalog, and what waits for removal.
pub(crate) fn load(store: &Store) -> Result<(Catalog, Vec<Garbage>), EngineError> {
    let view = store.view();
    let catalog = Catalog::default();
    for entry in view.ascending(Space::Catalog, KeyRange::prefix(&[DATABASE])) {
        let (key, value) = entry?;
        let name = std::str::from_utf8(&key[1..]).map_err(|_| damaged())?;
        let database = Database::new(id(&value)?, DatabaseName::parse(name)?);
        load_database(&view, &database)?;
        catalog.insert(Arc::new(database));
    }
    let mut garbage = Vec::new();
    for entry in view.ascending(Space::Catalog, KeyRange::prefix(&[GARBAGE])) {
        let (key, value) = entry?;
        garbage.push(Garbage { id: id(&key[1..])?, prefixes: decode_garbage(&value)? });
    }
    Ok((catalog, garbage))
}

fn load_database(view: &View<'_>, database: &Database) -> Result<(), EngineError> {
    if let Some(feed) = view.get(Space::Catalog, &feed_key(database.id))? {
        database.set_feed(decode_feed(&feed)?);
    }
    let bytes = match view.get(Space::Catalog, &bytes_key(database.id))? {
        Some(bytes) => number(&bytes)?,
        None => count_bytes(view, database.id)?,
    };
    database.add_bytes(bytes as i64);
    let prefix = join(COLLECTION, &[&database.id.to_be_bytes()]);
    for entry in view.ascending(Space::Catalog, KeyRange::prefix(&prefix)) {
        let (key, value) = entry?;
        let name = std::str::from_utf8(&key[prefix.len()..]).map_err(|_| damaged())?;
        let collection = decode_collection(name, &value)?;
        load_counters(view, database.id, &collection)?;
        database.put(Arc::new(collection));
    }
    Ok(())
}

/// Counts what a database has that an older version wrote; the next write to it keeps the number.
fn count_bytes(view: &View<'_>, database: Id) -> Result<u64, EngineError> {
    let prefix = KeyRange::prefix(&database.to_be_bytes());
    let mut bytes = 0;
    for space in [Space::Documents, Space::Indexes] {
        for entry in view.ascending(space, prefix.clone()) {
            let (key, value) = entry?;
            bytes += (key.len() + value.len()) as u64;
        }
    }
    Ok(bytes)
}

/// Counts what waits in the outboxes.
pub(crate) fn load_outboxes(store: &Store, catalog: &Catalog) -> Result<Outboxes, EngineError> {
    let view = store.view();
    let outboxes = Outboxes::default();
    for database in catalog.all() {
        for outbox in [Outbox::Events, Outbox::Jobs] {
            let range = KeyRange::prefix(&outbox::prefix(database.id, outbox));
            let mut counts = Counts::default();
            for entry in view.ascending(Space::Catalog, range) {
                entry?;
                *counts.of_mut(outbox) += 1;
            }
            outboxes.add(&database.name, counts, 0);
        }
    }
    Ok(outboxes)
}

fn load_counters(view: &View<'_>, database: Id, collection: &Collection) -> Result<(), EngineError> {
    use std::sync::atomic::Ordering::Relaxed;
    if let Some(count) = view.get(Space::Catalog, &count_key(database, collection.id))? {
        collection.documents.store(number(&count)?, Relaxed);
    }
    for index in &collection.indexes {
        let multikey = view.get(Space::Catalog, &multikey_key(database, index.shape.id))?;
        index.shape.multikey.store(multikey.is_some(), Relaxed);
        if let Some(progress) = view.get(Space::Catalog, &progress_key(database, index.shape.id))? {
            let done = progress.get(..8).ok_or_else(damaged)?;
            index.shape.documents_done.store(number(done)?, Relaxed);
        }
    }
    Ok(())
}
