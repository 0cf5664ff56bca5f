//! Durable inserts from several tasks, an index built with nobody and with somebody writing, reads by id, pages
//! of an indexed query, of a covered one and of a scan, counts, and the start after a clean stop, in process:
//! `cargo run --release -p bundoc --example throughput [documents]`. Of more than 100,000 documents those
//! beyond are inserted in batches.

use bson::{Document, RawDocumentBuf, doc};
use bundoc::engine::{
    Actor, CollectionName, DatabaseName, DocumentId, Engine, FieldOrder, FindRequest, IndexInfo, IndexSpec,
    IndexState, Order, WriteOp,
};
use bundoc::{EngineError, EngineOptions, FjallEngine};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TASKS: usize = 64;
const BATCH: usize = 500;
/// Documents that are inserted one by one.
const SINGLE_MAX: usize = 100_000;

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

fn operation(names: &Names, number: usize) -> Result<WriteOp, EngineError> {
    let document = doc! {
        "_id": format!("d{number}"), "number": number as i64, "group": (number % 5_000) as i64, "other": (number % 5_000) as i64,
        "text": "x".repeat(330),
    };
    let document = RawDocumentBuf::try_from(&document).map_err(failed)?;
    Ok(WriteOp::Insert { collection: names.collection.clone(), document })
}

async fn insert(engine: &FjallEngine, names: &Names, number: usize) -> Result<(), EngineError> {
    engine.write(&names.database, vec![operation(names, number)?], &Actor::Trusted).await.map(|_| ())
}

async fn insert_in_batches(
    engine: &FjallEngine,
    names: &Names,
    numbers: std::ops::Range<usize>,
) -> Result<(), EngineError> {
    let (begun, count) = (Instant::now(), numbers.len());
    for first in numbers.clone().step_by(BATCH) {
        let some = (first..numbers.end.min(first + BATCH)).map(|number| operation(names, number));
        let some = some.collect::<Result<_, _>>()?;
        engine.write(&names.database, some, &Actor::Trusted).await?;
    }
    report("durable inserts in batches of 500", count, begun);
    Ok(())
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

async fn declare(engine: &FjallEngine, names: &Names, name: &str, paths: &[&str]) -> Result<(), EngineError> {
    let field = |path: &&str| FieldOrder { path: (*path).to_owned(), order: Order::Ascending };
    let fields = paths.iter().map(field).collect();
    let spec = IndexSpec { name: Some(name.into()), fields, ..IndexSpec::default() };
    engine.create_index(&names.database, &names.collection, spec).await.map(|_| ())
}

fn is_building(engine: &FjallEngine, names: &Names) -> Result<bool, EngineError> {
    let collection = engine.collection(&names.database, &names.collection)?;
    let building = |index: &IndexInfo| matches!(index.state, IndexState::Building { .. });
    Ok(collection.is_some_and(|collection| collection.indexes.iter().any(building)))
}

async fn index(engine: &FjallEngine, names: &Names, count: usize) -> Result<(), EngineError> {
    let begun = Instant::now();
    declare(engine, names, "group_1", &["group"]).await?;
    while is_building(engine, names)? {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    report("documents indexed in the background", count, begun);
    Ok(())
}

/// Builds another index while one writer after the other waits for its own write.
async fn index_while_writing(engine: &FjallEngine, names: &Names, count: usize) -> Result<(), EngineError> {
    let mut waited = Vec::new();
    let begun = Instant::now();
    declare(engine, names, "group_1_number_1", &["group", "number"]).await?;
    while is_building(engine, names)? {
        let write = Instant::now();
        insert(engine, names, count + waited.len()).await?;
        waited.push(write.elapsed());
    }
    report("documents indexed while somebody writes", count, begun);
    waited.sort_unstable();
    let at =
        |part: usize| waited.get(waited.len().saturating_sub(1) * part / 1_000).copied().unwrap_or_default();
    println!(
        "{} writes meanwhile, waited {:?} at p50, {:?} at p99, {:?} at most",
        waited.len(),
        at(500),
        at(990),
        at(1_000)
    );
    Ok(())
}

fn queries(
    engine: &FjallEngine,
    names: &Names,
    requests: impl ExactSizeIterator<Item = FindRequest>,
    what: &str,
) -> Result<(), EngineError> {
    let (begun, count) = (Instant::now(), requests.len());
    for request in requests {
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
    let page = |filter: Document| FindRequest { filter, limit: 20, ..FindRequest::default() };
    let groups = || (0..5_000).map(|n| doc! {"group": n});
    queries(&engine, &names, groups().map(page), "indexed queries, 20 documents")?;
    let covered = |filter| FindRequest { fields: doc! {"group": 1, "number": 1}, ..page(filter) };
    queries(&engine, &names, groups().map(covered), "covered queries, 20 documents")?;
    let sorted = |filter| FindRequest {
        sort: vec![FieldOrder { path: "number".into(), order: Order::Descending }],
        ..page(filter)
    };
    queries(&engine, &names, groups().map(sorted), "the same sorted by the second field")?;
    let ranges =
        (0..500).map(|n| page(doc! {"group": {"$gte": n * 10, "$lt": n * 10 + 5}, "other": {"$gt": 0}}));
    queries(&engine, &names, ranges, "ranges of an index, first 20 by id")?;
    queries(&engine, &names, (0..20).map(|n| page(doc! {"other": n})), "one value without an index")?;
    let begun = Instant::now();
    for filter in groups() {
        engine.count(&names.database, &names.collection, &filter, &Actor::Trusted)?;
    }
    report("counts of one value of an index", 5_000, begun);
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
    inserts(&engine, &names, count.min(SINGLE_MAX)).await?;
    if count > SINGLE_MAX {
        insert_in_batches(&engine, &names, SINGLE_MAX..count).await?;
    }
    index(&engine, &names, count).await?;
    index_while_writing(&engine, &names, count).await?;
    let begun = Instant::now();
    engine.shutdown().await;
    drop(engine);
    println!("stop: {:.0} ms", begun.elapsed().as_secs_f64() * 1e3);
    start_apart(&path, count)?;
    std::fs::remove_dir_all(&path).map_err(failed)
}
