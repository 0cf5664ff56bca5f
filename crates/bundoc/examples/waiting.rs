//! How long one writer waits for its own writes while another changes, or removes, very many documents by a
//! filter: `cargo run --release -p bundoc --example waiting [documents]
//! [bytes] [bytes of drafts]`; without drafts the committer works everything out itself.

use bson::{Document, RawDocumentBuf, doc};
use bundoc::engine::{
    Actor, CollectionName, DatabaseName, Engine, FieldOrder, IndexSpec, IndexState, Modification, Order,
    WriteOp,
};
use bundoc::{EngineError, EngineOptions, FjallEngine};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH: usize = 500;
const ROUNDS: i64 = 5;

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> EngineError {
    EngineError::Storage(Box::new(error))
}

fn database() -> Result<DatabaseName, EngineError> {
    DatabaseName::parse("bench")
}

fn collection(name: &str) -> Result<CollectionName, EngineError> {
    CollectionName::parse(name)
}

fn insert(collection: &CollectionName, document: &Document) -> Result<WriteOp, EngineError> {
    let document = RawDocumentBuf::try_from(document).map_err(failed)?;
    Ok(WriteOp::Insert { collection: collection.clone(), document })
}

async fn fill(engine: &FjallEngine, documents: usize, bytes: usize) -> Result<(), EngineError> {
    let many = collection("many")?;
    for first in (0..documents).step_by(BATCH) {
        let document = |number: usize| {
            doc! {"_id": format!("d{number:06}"), "number": number as i64, "round": 0_i64, "text": "x".repeat(bytes)}
        };
        let some = (first..documents.min(first + BATCH)).map(|number| insert(&many, &document(number)));
        engine.write(&database()?, some.collect::<Result<_, _>>()?, &Actor::Trusted).await?;
    }
    for path in ["number", "round"] {
        let fields = vec![FieldOrder { path: path.into(), order: Order::Ascending }];
        let spec = IndexSpec { fields, ..IndexSpec::default() };
        engine.create_index(&database()?, &many, spec).await?;
    }
    let ready = || {
        let info = engine.collection(&database()?, &many)?;
        Ok::<_, EngineError>(
            info.is_some_and(|info| info.indexes.iter().all(|index| index.state == IndexState::Ready)),
        )
    };
    while !ready()? {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Runs `work` while somebody else inserts one document after the other, and says how long each waited.
async fn beside(engine: &Arc<FjallEngine>, what: &str, work: WriteOp) -> Result<(), EngineError> {
    let ended = Arc::new(AtomicBool::new(false));
    let writer = {
        let (engine, ended) = (Arc::clone(engine), Arc::clone(&ended));
        tokio::spawn(async move {
            let mut waited = Vec::new();
            while !ended.load(Ordering::Acquire) {
                let begun = Instant::now();
                let one = insert(&collection("few")?, &doc! {"text": "x"})?;
                engine.write(&database()?, vec![one], &Actor::Trusted).await?;
                waited.push(begun.elapsed());
            }
            waited.sort_unstable();
            Ok::<_, EngineError>(waited)
        })
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = Instant::now();
    engine.write(&database()?, vec![work], &Actor::Trusted).await?;
    let took = begun.elapsed();
    ended.store(true, Ordering::Release);
    let waited = writer.await.map_err(failed)??;
    let at = |part: usize| waited.get((waited.len() - 1) * part / 100).copied().unwrap_or_default();
    println!(
        "{what}: {took:.0?}; the other waited {:.1?} at p50, {:.1?} at most ({} writes)",
        at(50),
        at(100),
        waited.len()
    );
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), EngineError> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |otherwise| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (documents, bytes): (usize, usize) = (number(10_000), number(330));
    let path = std::env::temp_dir().join(format!("bundoc-waiting-{}", std::process::id()));
    let mut options = EngineOptions::default();
    options.matching_drafts_bytes_max = number(options.matching_drafts_bytes_max);
    let (engine, _) = FjallEngine::open(&path, options)?;
    fill(&engine, documents, bytes).await?;
    let many = collection("many")?;
    let update = |update: Document| WriteOp::UpdateMatching {
        collection: many.clone(),
        filter: doc! {},
        change: Modification::Update(update.into()),
        many: true,
        upsert: false,
    };
    for round in 0..ROUNDS {
        beside(&engine, "an update of a field", update(doc! {"$set": {"note": round}})).await?;
        beside(&engine, "an update of a field in an index", update(doc! {"$inc": {"round": 1_i64}})).await?;
    }
    let delete = WriteOp::DeleteMatching { collection: many.clone(), filter: doc! {}, many: true };
    beside(&engine, "a removal", delete).await?;
    engine.shutdown().await;
    drop(engine);
    std::fs::remove_dir_all(&path).map_err(failed)
}
