//! The catalog on disk: keys and values of the `catalog` keyspace, and how it is read at start.

use super::{BuildState, Catalog, Collection, Database, FeedState, Index, IndexShape};
use crate::engine::{
    ChangePosition, CollectionName, CollectionPattern, DatabaseName, FieldOrder, IndexSpec, Order, Outbox,
    RuleSet,
};
use crate::error::EngineError;
use crate::layout::{Id, Space, pair};
use crate::outbox::{self, Counts, Outboxes};
use crate::rules::CompiledRules;
use crate::store::{KeyRange, Store, View};
use bson::{Bson, Document, doc};
use std::sync::Arc;
use std::time::Duration;

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
const GROUP: u8 = b'x';

/// Stands for a keyspace before the name of a collection in the record of garbage.
const NAME: u8 = 0xFF;

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

/// `x`, database, index → record of a group index.
pub(crate) fn group_key(database: Id, index: Id) -> Vec<u8> {
    join(GROUP, &[&pair(database, index)])
}

/// `g`, number → (keyspace, prefix)*, and the name of the collection.
pub(crate) fn garbage_key(id: Id) -> Vec<u8> {
    join(GARBAGE, &[&id.to_be_bytes()])
}

/// Everything in the catalog that belongs to a database but its name.
pub(crate) fn database_prefixes(database: Id) -> Vec<Vec<u8>> {
    [COLLECTION, COUNT, MULTIKEY, PROGRESS, FEED, BYTES, OUTBOX, GROUP]
        .into_iter()
        .map(|kind| join(kind, &[&database.to_be_bytes()]))
        .collect()
}

/// A range of keys that waits for its removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Garbage {
    pub(crate) id: Id,
    pub(crate) prefixes: Vec<(Space, Vec<u8>)>,
    /// The collection that was dropped: its documents may have entries in group indexes.
    pub(crate) collection: Option<CollectionName>,
}

fn damaged() -> EngineError {
    EngineError::Damaged("the catalog of the document store is damaged: restore the store from a copy".into())
}

impl Garbage {
    /// (keyspace, length, prefix)*, and the name of the collection in the same form.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (space, prefix) in &self.prefixes {
            out.extend_from_slice(&[*space as u8, prefix.len() as u8]);
            out.extend_from_slice(prefix);
        }
        if let Some(name) = &self.collection {
            // A name has 255 bytes at the most.
            out.extend_from_slice(&[NAME, name.as_str().len() as u8]);
            out.extend_from_slice(name.as_str().as_bytes());
        }
        out
    }

    fn decode(id: Id, mut bytes: &[u8]) -> Result<Self, EngineError> {
        let mut garbage = Self { id, prefixes: Vec::new(), collection: None };
        while let [space, length, rest @ ..] = bytes {
            let (text, rest) = rest.split_at_checked(usize::from(*length)).ok_or_else(damaged)?;
            if *space == NAME {
                let name = std::str::from_utf8(text).map_err(|_| damaged())?;
                garbage.collection = Some(CollectionName::parse(name)?);
            } else {
                garbage.prefixes.push((Space::from_number(*space).ok_or_else(damaged)?, text.to_vec()));
            }
            bytes = rest;
        }
        Ok(garbage)
    }
}

pub(crate) fn encode_feed(state: FeedState) -> Vec<u8> {
    let mut out = state.floor.commit.to_be_bytes().to_vec();
    out.extend_from_slice(&state.floor.index.to_be_bytes());
    out.extend_from_slice(&state.entries.to_be_bytes());
    out.extend_from_slice(&state.bytes.to_be_bytes());
    out
}

/// Records of older programs end before the bytes.
pub(crate) fn decode_feed(bytes: &[u8]) -> Result<FeedState, EngineError> {
    let (commit, rest) = bytes.split_first_chunk::<8>().ok_or_else(damaged)?;
    let (index, rest) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
    let (entries, rest) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
    Ok(FeedState {
        floor: ChangePosition { commit: u64::from_be_bytes(*commit), index: u32::from_be_bytes(*index) },
        entries: u64::from_be_bytes(*entries),
        bytes: if rest.is_empty() { 0 } else { number(rest)? },
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
    let shape = &index.shape;
    let expire_after_ms = shape.expire_after.map(|after| after.as_millis() as i64);
    doc! {
        "id": i64::from(shape.id), "name": shape.name.clone(), "fields": fields,
        "unique": shape.unique, "sparse": shape.sparse,
        "partial": shape.partial.as_ref().map(|partial| partial.source.clone()),
        "expire_after_ms": expire_after_ms, "state": state, "reason": reason,
    }
}

/// The record of a group index as BSON.
pub(crate) fn encode_group(index: &Index) -> Result<Vec<u8>, EngineError> {
    let mut record = encode_index(index);
    record.insert("pattern", index.shape.pattern.as_ref().map(ToString::to_string));
    record.to_vec().map_err(|error| EngineError::Storage(Box::new(error)))
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
    // What a record lacks the index is not.
    let expire_after_ms = record.get_i64("expire_after_ms").ok().and_then(|after| u64::try_from(after).ok());
    let spec = IndexSpec {
        name: Some(text(record, "name")?),
        fields: fields.collect::<Option<_>>()?,
        unique: record.get_bool("unique").ok()?,
        sparse: record.get_bool("sparse").unwrap_or_default(),
        partial: record.get_document("partial").ok().cloned(),
        expire_after: expire_after_ms.map(Duration::from_millis),
    };
    let pattern = match text(record, "pattern") {
        Some(pattern) => Some(CollectionPattern::parse(&pattern).ok()?),
        None => None,
    };
    let shape = IndexShape::new(record_id(record)?, spec, pattern).ok()?;
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

/// The database and the collection or index that a key of the catalog with both is about.
pub(crate) fn owned_pair(key: &[u8]) -> Option<&[u8]> {
    match key {
        [COUNT | MULTIKEY | PROGRESS, pair @ ..] => Some(pair),
        _ => None,
    }
}

/// Reads the whole catalog, and what waits for removal.
pub(crate) fn load(view: &View<'_>) -> Result<(Catalog, Vec<Garbage>), EngineError> {
    let catalog = Catalog::default();
    for entry in view.ascending(Space::Catalog, KeyRange::prefix(&[DATABASE])) {
        let (key, value) = entry?;
        let name = std::str::from_utf8(&key[1..]).map_err(|_| damaged())?;
        let database = Database::new(id(&value)?, DatabaseName::parse(name)?);
        load_database(view, &database)?;
        catalog.insert(Arc::new(database));
    }
    let mut garbage = Vec::new();
    for entry in view.ascending(Space::Catalog, KeyRange::prefix(&[GARBAGE])) {
        let (key, value) = entry?;
        garbage.push(Garbage::decode(id(&key[1..])?, &value)?);
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
    database.set_groups(load_groups(view, database.id)?);
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

fn load_groups(view: &View<'_>, database: Id) -> Result<Arc<[Index]>, EngineError> {
    let prefix = join(GROUP, &[&database.to_be_bytes()]);
    let mut groups = Vec::new();
    for entry in view.ascending(Space::Catalog, KeyRange::prefix(&prefix)) {
        let (_, value) = entry?;
        let record = Document::from_reader(&*value).map_err(|_| damaged())?;
        let index = decode_index(&record).ok_or_else(damaged)?;
        load_index_counters(view, database, &index.shape)?;
        groups.push(index);
    }
    Ok(groups.into())
}

fn load_counters(view: &View<'_>, database: Id, collection: &Collection) -> Result<(), EngineError> {
    use std::sync::atomic::Ordering::Relaxed;
    if let Some(count) = view.get(Space::Catalog, &count_key(database, collection.id))? {
        collection.documents.store(number(&count)?, Relaxed);
    }
    collection.indexes.iter().try_for_each(|index| load_index_counters(view, database, &index.shape))
}

fn load_index_counters(view: &View<'_>, database: Id, shape: &IndexShape) -> Result<(), EngineError> {
    use std::sync::atomic::Ordering::Relaxed;
    let multikey = view.get(Space::Catalog, &multikey_key(database, shape.id))?;
    shape.multikey.store(multikey.is_some(), Relaxed);
    if let Some(progress) = view.get(Space::Catalog, &progress_key(database, shape.id))? {
        let done = progress.get(..8).ok_or_else(damaged)?;
        shape.documents_done.store(number(done)?, Relaxed);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    fn shape(pattern: Option<&str>) -> IndexShape {
        let field = |path: &str, order| FieldOrder { path: path.into(), order };
        let spec = IndexSpec {
            name: None,
            fields: vec![field("a", Order::Ascending), field("b.c", Order::Descending)],
            unique: pattern.is_none(),
            sparse: false,
            partial: Some(doc! {"a": {"$gt": 5}}),
            expire_after: Some(Duration::from_secs(90)),
        };
        IndexShape::new(7, spec, pattern.map(|pattern| CollectionPattern::parse(pattern).unwrap())).unwrap()
    }

    #[test]
    fn records_of_indexes_survive_being_stored() {
        for pattern in [None, Some("users/*/posts")] {
            let index = Index { state: BuildState::Failed("x".into()), ..Index::unbuilt(shape(pattern)) };
            let bytes = encode_group(&index).unwrap();
            let read = decode_index(&Document::from_reader(&*bytes).unwrap()).unwrap();
            assert_eq!(read.info(), index.info());
            assert_eq!(read.shape.pattern, index.shape.pattern);
        }
    }

    #[test]
    fn a_record_without_a_kind_is_a_plain_index() {
        let record = doc! {
            "id": 3_i64, "name": "n_1", "fields": [{"path": "n", "order": 1}], "unique": true,
            "state": "ready", "reason": null,
        };
        let index = decode_index(&record).unwrap();
        let info = index.info();
        assert_eq!((info.name.as_str(), info.unique, info.sparse), ("n_1", true, false));
        assert_eq!((info.partial, info.expire_after), (None, None));
        assert!(!index.shape.multikey.load(Ordering::Relaxed) && index.shape.pattern.is_none());
    }

    #[test]
    fn records_of_garbage_survive_being_stored_with_and_without_a_name() {
        for collection in [None, Some(CollectionName::parse("users/a/posts").unwrap())] {
            let prefixes = vec![(Space::Documents, vec![1, 2]), (Space::Indexes, vec![3; 8])];
            let garbage = Garbage { id: 5, prefixes, collection };
            assert_eq!(Garbage::decode(5, &garbage.encode()).unwrap(), garbage);
        }
    }
}
