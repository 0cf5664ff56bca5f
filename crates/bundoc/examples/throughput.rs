//! Durable single inserts from several tasks, reads by id, and pages of an indexed query, in process:
//! `cargo run --release -p bundoc --example throughput [documents]`.

use bson::{RawDocumentBuf, doc};
use bundoc::engine::{
    Actor, CollectionName, DatabaseName, DocumentId, Engine, FieldOrder, FindRequest, IndexSpec, IndexState,
    Order, WriteOp,
};
use bundoc::{EngineError, EngineOptions, FjallEngine};
use std::sync::Arc;
use std::time::Instant;

const TASKS: usize = 32;

struct Names {
    database: DatabaseName,
    collection: CollectionName,
}

fn report(what: &str, count: usize, begun: Instant) {
    println!("{what}: {:.0}/s", count as f64 / begun.elapsed().as_secs_f64());
}

async fn insert(engine: &FjallEngine, names: &Names, number: usize) -> Result<(), EngineError> {
    let document =
        doc! {"_id": format!("d{number}"), "group": (number % 5_000) as i64, "text": "x".repeat(350)};
    let document =
        RawDocumentBuf::try_from(&document).map_err(|error| EngineError::Storage(Box::new(error)))?;
    let operation = WriteOp::Insert { collection: names.collection.clone(), document };
    engine.write(&names.database, vec![operation], &Actor::Trusted).await.map(|_| ())
}

async fn inserts(engine: &Arc<FjallEngine>, names: &Arc<Names>, count: usize) -> Result<(), EngineError> {
    let begun = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (engine, names) = (Arc::clone(engine), Arc::clone(names));
            tokio::spawn(async move {
                for number in (task..count).step_by(TASKS) {
                    insert(&engine, &names, number).await?;
                }
                Ok::<(), EngineError>(())
            })
        })
        .collect();
    for task in tasks {
        task.await.map_err(|error| EngineError::Storage(Box::new(error)))??;
    }
    report("durable single inserts, 32 in flight", count, begun);
    Ok(())
}

fn reads(engine: &FjallEngine, names: &Names, count: usize) -> Result<(), EngineError> {
    let begun = Instant::now();
    for number in 0..count {
        let id = DocumentId::parse(&format!("d{}", number * 7_919 % count))?;
        engine.get(&names.database, &names.collection, &id, &Actor::Trusted)?;
    }
    report("reads by id, one thread", count, begun);
    Ok(())
}

async fn queries(engine: &FjallEngine, names: &Names, count: usize) -> Result<(), EngineError> {
    let fields = vec![FieldOrder { path: "group".into(), order: Order::Ascending }];
    let begun = Instant::now();
    let spec = IndexSpec { name: None, fields, unique: false };
    engine.create_index(&names.database, &names.collection, spec).await?;
    while engine.collection(&names.database, &names.collection)?.is_some_and(|collection| {
        collection.indexes.iter().any(|index| matches!(index.state, IndexState::Building { .. }))
    }) {
        tokio::task::yield_now().await;
    }
    report("documents indexed in the background", count, begun);
    let begun = Instant::now();
    let pages = 5_000;
    for number in 0..pages {
        let request =
            FindRequest { filter: doc! {"group": number as i64}, limit: 20, ..FindRequest::default() };
        engine.find(&names.database, &names.collection, &request, &Actor::Trusted)?;
    }
    report("indexed queries of up to 20 documents, one thread", pages, begun);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), EngineError> {
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(100_000);
    let path = std::env::temp_dir().join(format!("bundoc-throughput-{}", std::process::id()));
    let (engine, _) = FjallEngine::open(&path, EngineOptions::default())?;
    let names = Arc::new(Names {
        database: DatabaseName::parse("bench")?,
        collection: CollectionName::parse("documents")?,
    });
    inserts(&engine, &names, count).await?;
    reads(&engine, &names, count)?;
    queries(&engine, &names, count).await?;
    println!("bytes on disk: {}", engine.stats().disk_bytes);
    drop(engine);
    std::fs::remove_dir_all(&path).map_err(|error| EngineError::Storage(Box::new(error)))
}
