//! What is done with each input, by the fuzzers and by the test that runs the kept inputs. A target panics where
//! the engine breaks a promise; that it refuses an input is fine.
//!
//! Inputs are lines of JSON; `document` takes BSON too.

use bson::{Document, RawDocument, RawDocumentBuf, doc};
use bundoc::engine::{
    Actor, CollectionName, DatabaseName, DocumentId, Engine, FieldOrder, FindRequest, IndexSpec, IndexState,
    Order, Precondition, WriteOp,
};
use bundoc::{EngineError, EngineOptions, FjallEngine, Matcher, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use tokio::runtime::Runtime;

/// Steps of one update: inputs are short, so more only takes time.
const UPDATES_MAX: usize = 4;

/// An engine with some documents of every type, and indexes over them.
struct Bed {
    engine: Arc<FjallEngine>,
    runtime: Runtime,
    documents: Vec<RawDocumentBuf>,
    _directory: tempfile::TempDir,
}

fn database() -> DatabaseName {
    DatabaseName::parse("db").expect("a name")
}

fn collection(name: &str) -> CollectionName {
    CollectionName::parse(name).expect("a name")
}

fn order(path: &str, order: Order) -> FieldOrder {
    FieldOrder { path: path.into(), order }
}

/// Values of fields `a`, `b` and `c.d`; each document takes three of them.
const VALUES: &str = r#"{"values": [null, true, false, 0, 1, -1, 2.5, 7, "", "a", "b", "ab", [], [1], [1, 2],
    ["a", 1, null], [[1]], [{"d": 1}, {"d": 2}], {"d": 1}, {"d": [1, 2]}, {"d": {"e": 3}}, {}, 5000000000,
    {"$date": "2020-01-01T00:00:00Z"}, {"$oid": "0123456789abcdef01234567"}, {"$numberDecimal": "1"},
    {"$binary": {"base64": "AAE=", "subType": "00"}}, {"$timestamp": {"t": 1, "i": 2}}, {"$minKey": 1},
    {"$maxKey": 1}, {"$regularExpression": {"pattern": "a", "options": "i"}}]}"#;

impl Bed {
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let directory = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let directory = directory.expect("a directory");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let (engine, _) = FjallEngine::open(directory.path(), EngineOptions::default()).expect("a store");
        let values = json::query_from_json(VALUES.as_bytes()).expect("values");
        let values = values.get_array("values").expect("a list");
        let mut documents = Vec::new();
        for number in 0..values.len() {
            let value = |step: usize| values[(number * step + step) % values.len()].clone();
            let mut document = doc! {"_id": format!("d{number:02}"), "n": number as i32};
            for (name, step) in [("a", 1), ("b", 3), ("c", 7)] {
                // Some fields are missing here and there.
                if (number + step) % 5 != 0 {
                    document.insert(name, value(step));
                }
            }
            documents.push(RawDocumentBuf::try_from(&document).expect("BSON"));
        }
        let bed = Self { engine, runtime, documents, _directory: directory };
        bed.fill();
        bed
    }

    fn fill(&self) {
        for document in &self.documents {
            let insert = WriteOp::Insert { collection: collection("c"), document: document.clone() };
            self.write(vec![insert]).expect("a valid document");
        }
        for fields in [
            vec![order("a", Order::Ascending)],
            vec![order("b", Order::Descending), order("n", Order::Ascending)],
            vec![order("c.d", Order::Ascending)],
        ] {
            for name in ["c", "written"] {
                let spec = IndexSpec { fields: fields.clone(), ..IndexSpec::default() };
                if name == "written" {
                    let (database, collection) = (database(), collection(name));
                    let create = self.engine.create_collection(&database, &collection, Default::default());
                    let _ = self.runtime.block_on(create);
                }
                self.runtime
                    .block_on(self.engine.create_index(&database(), &collection(name), spec))
                    .expect("an index");
            }
        }
        let built = |name: &str| {
            let info = self.engine.collection(&database(), &collection(name)).expect("a store");
            info.is_some_and(|info| info.indexes.iter().all(|index| index.state == IndexState::Ready))
        };
        while !built("c") || !built("written") {
            std::thread::yield_now();
        }
    }

    fn write(&self, operations: Vec<WriteOp>) -> Result<(), EngineError> {
        let result = self.runtime.block_on(self.engine.write(&database(), operations, &Actor::Trusted));
        // A committer that panicked is gone.
        assert!(!matches!(result, Err(EngineError::Closed)), "the committer panicked");
        result.map(drop)
    }

    /// What is stored under `x`, and that it goes out as JSON and comes back the same.
    fn written(&self) -> Option<RawDocumentBuf> {
        let id = DocumentId::parse("x").expect("an id");
        let stored = self.engine.get(&database(), &collection("written"), &id, &Actor::Trusted);
        let stored = stored.expect("what was stored can be read")?.document;
        shown_as_json(&stored);
        Some(stored)
    }
}

fn bed() -> &'static Bed {
    static BED: OnceLock<Bed> = OnceLock::new();
    BED.get_or_init(Bed::new)
}

fn lines(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    input.split(|byte| *byte == b'\n')
}

/// A stored document can be shown.
fn shown_as_json(document: &RawDocument) {
    let mut out = Vec::new();
    json::to_json(document, &mut out).expect("a stored document can be shown");
    assert!(std::str::from_utf8(&out).is_ok(), "JSON is UTF-8");
}

/// A filter, and perhaps a sort and a projection: what the engine finds, by whatever index, is what the filter
/// matches, each document once.
pub fn query(input: &[u8]) {
    let mut lines = lines(input);
    let mut next = || json::query_from_json(lines.next().unwrap_or_default()).ok();
    let Some(filter) = next() else { return };
    let sort = next().unwrap_or_default();
    let fields = next().unwrap_or_default();
    let sort: Vec<FieldOrder> = sort
        .iter()
        .map(|(path, direction)| {
            order(path, if direction.as_i32() == Some(-1) { Order::Descending } else { Order::Ascending })
        })
        .collect();
    let bed = bed();
    let request = FindRequest {
        filter: filter.clone(),
        sort,
        limit: 1_000,
        fields: fields.clone(),
        ..FindRequest::default()
    };
    let page = bed.engine.find(&database(), &collection("c"), &request, &Actor::Trusted);
    let matcher = Matcher::new(filter, fields);
    let (Ok(page), Ok(matcher)) = (page, matcher) else { return };
    assert_eq!(page.next_cursor, None, "all fits into one page");
    let expected = bed.documents.iter().filter(|document| matcher.matches(document));
    assert_eq!(page.documents.len(), expected.count(), "the engine finds what the filter matches");
    let ids = |document: &RawDocument| document.get_str("_id").map(str::to_owned).unwrap_or_default();
    if request.fields.is_empty() {
        let found: BTreeSet<_> = page.documents.iter().map(|stored| ids(&stored.document)).collect();
        let matched = bed.documents.iter().filter(|document| matcher.matches(document));
        assert_eq!(found, matched.map(|document| ids(document)).collect(), "{:?}", page.index);
    }
    page.documents.iter().for_each(|stored| shown_as_json(&stored.document));
}

/// A document, and then updates to it.
pub fn update(input: &[u8]) {
    let mut lines = lines(input);
    let Ok(document) = json::from_json(lines.next().unwrap_or_default()) else { return };
    if !put(document) {
        return;
    }
    for line in lines.take(UPDATES_MAX) {
        let Ok(changes) = json::query_from_json(line) else { return };
        let before = bed().written();
        let update = WriteOp::Update {
            collection: collection("written"),
            id: DocumentId::parse("x").expect("an id"),
            update: changes.into(),
            precondition: Precondition::Any,
        };
        let result = bed().write(vec![update]);
        let after = bed().written();
        let id = after.as_ref().and_then(|document| document.get_str("_id").ok());
        assert_eq!(id, Some("x"), "an update keeps the id");
        assert!(result.is_ok() || before == after, "a refused update changes nothing");
    }
}

/// Puts a document under `x`; whether it was taken.
fn put(document: RawDocumentBuf) -> bool {
    let replace = WriteOp::Replace {
        collection: collection("written"),
        id: DocumentId::parse("x").expect("an id"),
        document,
        precondition: Precondition::Any,
    };
    bed().write(vec![replace]).is_ok()
}

/// A document, as JSON or as bytes that claim to be BSON: refused, or stored, indexed, shown and matched.
pub fn document(input: &[u8]) {
    let from_json = json::from_json(input).ok();
    let Some(document) = from_json.or_else(|| RawDocumentBuf::from_bytes(input.to_vec()).ok()) else {
        return;
    };
    if !put(document) {
        return;
    }
    let stored = bed().written().expect("what was stored is there");
    Document::try_from(&stored).expect("a stored document is valid BSON in whole");
    let filter = doc! {"a.b": {"$gt": 1}, "c": {"$ne": null}};
    let matcher = Matcher::new(filter, doc! {"a": 1}).expect("a valid filter");
    matcher.matches(&stored);
    matcher.shown(&stored).expect("a stored document can be cut to fields");
}

/// Extended JSON: what can be read is written in a form that reads as the same document.
pub fn json(input: &[u8]) {
    let Ok(first) = json::from_json(input) else { return };
    let mut text = Vec::new();
    json::to_json(&first, &mut text).expect("what was read can be written");
    let second = json::from_json(&text).expect("what was written can be read");
    let mut again = Vec::new();
    json::to_json(&second, &mut again).expect("what was read can be written");
    assert_eq!(text, again, "{}", String::from_utf8_lossy(&text));
}

/// A sort and a token: refused, or a place to go on from.
pub fn cursor(input: &[u8]) {
    let mut lines = lines(input);
    let sort = json::query_from_json(lines.next().unwrap_or_default()).unwrap_or_default();
    let Ok(token) = std::str::from_utf8(lines.next().unwrap_or_default()) else { return };
    let direction = |value: &bson::Bson| {
        if value.as_i32() == Some(-1) { Order::Descending } else { Order::Ascending }
    };
    let request = FindRequest {
        sort: sort.iter().map(|(path, value)| order(path, direction(value))).collect(),
        limit: 5,
        cursor: Some(token.to_owned()),
        ..FindRequest::default()
    };
    // Each page has to bring on: a cursor that stands still would be followed for ever.
    let mut request = request;
    let mut seen = BTreeSet::new();
    while let Ok(page) = bed().engine.find(&database(), &collection("c"), &request, &Actor::Trusted) {
        for stored in &page.documents {
            let id = stored.document.get_str("_id").map(str::to_owned).unwrap_or_default();
            assert!(seen.insert(id), "a document comes twice");
        }
        let Some(next) = page.next_cursor else { return };
        request.cursor = Some(next);
    }
}
