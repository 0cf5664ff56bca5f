//! The steps of a writer. Every batch also counts in a document of the writer's own, so that half a batch shows.

use super::{Size, collection, database, mix};
use bson::{Bson, Document, RawDocumentBuf, doc};
use bundoc::EngineError;
use bundoc::engine::{Actor, DocumentId, Engine, Precondition, WriteOp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of the text in an index.
const TEXT_BYTES_MAX: u64 = 2_000;

/// The documents of one writer, by id.
pub(crate) type Documents = BTreeMap<String, Arc<Document>>;

fn raw(document: &Document) -> RawDocumentBuf {
    RawDocumentBuf::try_from(document).unwrap()
}

/// Text that does not compress.
fn text(seed: u64, bytes: u64) -> String {
    (0..bytes.div_ceil(16)).map(|part| format!("{:016x}", mix(seed ^ (part << 20)))).collect()
}

fn tags(random: u64) -> Vec<String> {
    (0..random % 4).map(|tag| format!("t{}", (random >> (8 * tag + 2)) % 50)).collect()
}

/// A value that only some documents have.
fn mark(random: u64) -> i64 {
    (random >> 16) as i64 % 100
}

/// What the writer does in a step; `documents` becomes what is there afterwards.
pub(crate) fn operations(writer: usize, step: u64, size: Size, documents: &mut Documents) -> Vec<WriteOp> {
    let random = mix((writer as u64) << 40 | step);
    let mut operations = Vec::new();
    let victim = documents.keys().nth((random >> 8) as usize % documents.len().max(1)).cloned();
    match (random % 8, victim.filter(|id| !id.starts_with('k'))) {
        (4 | 5, Some(id)) => operations.push(update(&id, random, documents)),
        (6, Some(id)) => operations.push(delete(&id, documents)),
        (7, _) => {
            operations.push(insert((writer, step, 0), random, size, documents));
            operations.push(update(&format!("w{writer}-{step}-0"), random, documents));
        }
        _ => {
            for number in 0..1 + (random >> 4) % 3 {
                operations.push(insert((writer, step, number), mix(random + number), size, documents));
            }
        }
    }
    if emits(step) {
        let (topic, payload) = (format!("writer{writer}"), Bson::Int64(step as i64));
        operations.push(WriteOp::Emit { topic, payload });
    }
    operations.push(count(writer, step, documents));
    operations
}

/// Whether a step publishes an event, whose payload is its number.
pub(crate) fn emits(step: u64) -> bool {
    step.is_multiple_of(5)
}

/// Commits the operations of a step: as a batch, or every third time as an interactive transaction.
pub(crate) async fn commit(
    engine: &dyn Engine,
    step: u64,
    operations: Vec<WriteOp>,
) -> Result<(), EngineError> {
    if !step.is_multiple_of(3) {
        return engine.write(&database(), operations, &Actor::Trusted).await.map(drop);
    }
    loop {
        match commit_transaction(engine, operations.clone()).await {
            Err(EngineError::TransactionConflict) => {}
            result => return result,
        }
    }
}

async fn commit_transaction(engine: &dyn Engine, operations: Vec<WriteOp>) -> Result<(), EngineError> {
    let mut transaction = engine.begin(&database(), &Actor::Trusted)?;
    transaction.write(operations)?;
    transaction.commit().await.map(drop)
}

fn insert(
    (writer, step, number): (usize, u64, u64),
    random: u64,
    size: Size,
    documents: &mut Documents,
) -> WriteOp {
    let id = format!("w{writer}-{step}-{number}");
    let mut document = doc! {
        "_id": &id, "writer": writer as i64, "step": step as i64, "tags": tags(random), "count": 0_i64,
        "n": writer as i64 * 1_000_000_000 + step as i64 * 10 + number as i64,
        "text": text(random, random % TEXT_BYTES_MAX),
    };
    if random.is_multiple_of(3) {
        document.insert("mark", mark(random));
    }
    if size.data_bytes_max > 0 {
        document.insert("data", text(random, random % size.data_bytes_max));
    }
    let operation = WriteOp::Insert { collection: collection(), document: raw(&document) };
    documents.insert(id, Arc::new(document));
    operation
}

fn update(id: &str, random: u64, documents: &mut Documents) -> WriteOp {
    let text = text(!random, random % TEXT_BYTES_MAX / 2);
    let tags = tags(!random);
    let document = documents.get_mut(id).unwrap();
    let mut changed = Document::clone(document);
    changed.insert("text", &text);
    changed.insert("tags", &tags);
    changed.insert("count", changed.get_i64("count").unwrap() + 1);
    let mut set = doc! {"text": text, "tags": tags};
    let mut update = doc! {"$inc": {"count": 1_i64}};
    if random.is_multiple_of(2) {
        changed.insert("mark", mark(random));
        set.insert("mark", mark(random));
    } else {
        changed.remove("mark");
        update.insert("$unset", doc! {"mark": ""});
    }
    update.insert("$set", set);
    *document = Arc::new(changed);
    WriteOp::Update {
        collection: collection(),
        id: DocumentId::parse(id).unwrap(),
        update: update.into(),
        precondition: Precondition::Any,
    }
}

fn delete(id: &str, documents: &mut Documents) -> WriteOp {
    documents.remove(id);
    let id = DocumentId::parse(id).unwrap();
    WriteOp::Delete { collection: collection(), id, precondition: Precondition::Any }
}

fn count(writer: usize, step: u64, documents: &mut Documents) -> WriteOp {
    let id = format!("k{writer}");
    let document = doc! {"_id": &id, "writer": writer as i64, "step": step as i64, "n": -1 - writer as i64};
    let operation = WriteOp::Replace {
        collection: collection(),
        id: DocumentId::parse(&id).unwrap(),
        document: raw(&document),
        precondition: Precondition::Any,
    };
    documents.insert(id, Arc::new(document));
    operation
}
