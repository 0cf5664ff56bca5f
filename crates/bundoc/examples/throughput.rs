//! Durable single inserts from several tasks, reads by id, pages of an indexed query and of a scan, and the
//! start after a clean stop and after none, in process:
//! `cargo run --release -p bundoc --example throughput [documents]`.

use bson::{Document, RawDocumentBuf, doc};
use bundoc::engine::{
    Actor, CollectionName, DatabaseName, DocumentId, Engine, FieldOrder, FindRequest, IndexSpec, IndexState,
    Order, WriteOp,
};
use bundoc::{EngineError, EngineOptions, FjallEngine};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TASKS: usize = 64;

/// Opens the store in this directory, says how long that took and what it holds in memory, and reads.
const START: &str = "start";

struct Names {
    database: DatabaseName,
    collection: CollectionName,
}

fn names() -> Result<Names, EngineError> {
    Ok(Names { database: DatabaseName::parse("bench")?, collection: CollectionName::parse("documents")? })
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> EngineError {
    EngineError::Storage(Box::new(error))
}

fn report(what: &str, count: usize, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    println!("{what}: {:.0}/s, {:.2} µs each", count as f64 / seconds, seconds * 1e6 / count as f64);
}

/// Resident memory of this process in MiB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}

async fn insert(engine: &FjallEngine, names: &Names, number: usize) -> Result<(), EngineError> {
    let document = doc! {
        "_id": format!("d{number}"), "group": (number % 5_000) as i64, "other": (number % 5_000) as i64,
        "text": "x".repeat(330),
    };
    let document = RawDocumentBuf::try_from(&document).map_err(failed)?;
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
        task.await.map_err(failed)??;
    }
    report("durable single inserts, 64 in flight", count, begun);
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

async fn index(engine: &FjallEngine, names: &Names, count: usize) -> Result<(), EngineError> {
    let fields = vec![FieldOrder { path: "group".into(), order: Order::Ascending }];
    let begun = Instant::now();
    let spec = IndexSpec { fields, ..IndexSpec::default() };
    engine.create_index(&names.database, &names.collection, spec).await?;
    while engine.collection(&names.database, &names.collection)?.is_some_and(|collection| {
        collection.indexes.iter().any(|index| matches!(index.state, IndexState::Building { .. }))
    }) {
        tokio::task::yield_now().await;
    }
    report("documents indexed in the background", count, begun);
    Ok(())
}

fn queries(
    engine: &FjallEngine,
    names: &Names,
    filters: impl ExactSizeIterator<Item = Document>,
    what: &str,
) -> Result<(), EngineError> {
    let (begun, count) = (Instant::now(), filters.len());
    for filter in filters {
        let request = FindRequest { filter, limit: 20, ..FindRequest::default() };
        engine.find(&names.database, &names.collection, &request, &Actor::Trusted)?;
    }
    report(what, count, begun);
    Ok(())
}

fn start(path: &Path, count: usize) -> Result<(), EngineError> {
    let begun = Instant::now();
    let (engine, _) = FjallEngine::open(path, EngineOptions::default())?;
    println!("start: {:.0} ms, {:.1} MiB", begun.elapsed().as_secs_f64() * 1e3, resident());
    let names = names()?;
    reads(&engine, &names, count)?;
    reads(&engine, &names, count)?;
    println!("after them: {:.1} MiB", resident());
    queries(&engine, &names, (0..5_000).map(|n| doc! {"group": n}), "indexed queries, 20 documents")?;
    queries(&engine, &names, (0..20).map(|n| doc! {"other": n}), "the same without an index")?;
    println!("after them: {:.1} MiB, {} bytes on disk", resident(), engine.stats().disk_bytes);
    Ok(())
}

fn start_apart(path: &Path, count: usize) -> Result<(), EngineError> {
    let program = std::env::current_exe().map_err(failed)?;
    let mut command = Command::new(program);
    command.arg(START).arg(path).arg(count.to_string()).status().map_err(failed).map(|_| ())
}

#[tokio::main]
async fn main() -> Result<(), EngineError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, path, count] = arguments.as_slice()
        && first == START
    {
        return start(Path::new(path), count.parse().map_err(failed)?);
    }
    let count = arguments.first().and_then(|count| count.parse().ok()).unwrap_or(100_000);
    let path = std::env::temp_dir().join(format!("bundoc-throughput-{}", std::process::id()));
    let (engine, _) = FjallEngine::open(&path, EngineOptions::default())?;
    let names = Arc::new(names()?);
    println!("empty: {:.1} MiB", resident());
    inserts(&engine, &names, count).await?;
    index(&engine, &names, count).await?;
    let begun = Instant::now();
    engine.shutdown().await;
    drop(engine);
    println!("stop: {:.0} ms", begun.elapsed().as_secs_f64() * 1e3);
    start_apart(&path, count)?;
    std::fs::remove_dir_all(&path).map_err(failed)
}
