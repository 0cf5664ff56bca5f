//! The process that is watched: opens a store, lets all actors take their steps, opens it once more in the
//! middle, and notes each step before and after. Where it is told to expect failures, an actor ends at its
//! first one, and then it is looked at what still works.

use crate::workload::{Documents, SETUP, Size, commit, database, define, operations, options};
use bson::{Document, rawdoc};
use bundoc::engine::{Actor, CollectionName, DocumentId, Engine, WriteOp};
use bundoc::{EngineError, FjallEngine};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Set for the watched process: what it does.
pub(crate) const TASK: &str = "BUNBASE_FAULT_TASK";
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Tells the recorder something.
fn tell(text: &str) {
    let _ = std::fs::File::open(text);
}

/// Notes a line: in the log of the recorder and for whoever reads the output.
pub(crate) fn note(line: &str) {
    tell(&format!("/bundoc-mark/{line}"));
    println!("{line}");
}

/// The watched process, if this is it; the task is a kind and a directory.
pub(crate) fn child(size: Size) -> bool {
    let Ok(task) = std::env::var(TASK) else { return false };
    let (kind, path) = task.split_once(' ').unwrap();
    let path = Path::new(path);
    // The name of the test is on the line already.
    println!();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        match kind {
            "work" => work(path, size).await.unwrap(),
            "fail" => report(work(path, size).await),
            "full" => fill_disk(path).await,
            "open" => drop(FjallEngine::open(path, options()).unwrap()),
            _ => panic!("{kind} is no task"),
        }
    });
    true
}

fn report(result: Result<(), EngineError>) {
    match result {
        Ok(()) => note("ended"),
        Err(error) => {
            assert!(is_of_the_disk(&error), "a failing disk gives another error: {error:?}");
            note(&format!("stopped {error:?}"));
        }
    }
}

/// Whether an error is one that a failing disk may give. A batch reads too, so that may be what failed in it.
fn is_of_the_disk(error: &EngineError) -> bool {
    match error {
        EngineError::Storage(_) | EngineError::DiskFull | EngineError::WritesStopped => true,
        EngineError::BatchOperation { source, .. } => is_of_the_disk(source),
        _ => false,
    }
}

/// All steps of all actors, half of them after the store was opened again.
async fn work(path: &Path, size: Size) -> Result<(), EngineError> {
    let mut states = vec![Documents::new(); size.writers];
    for half in 0..2 {
        let (engine, _) = FjallEngine::open(path, options())?;
        if half == 0 {
            define_steps(&*engine, 0..SETUP).await?;
        }
        let definer = {
            let engine = Arc::clone(&engine);
            let from = if half == 0 { SETUP } else { size.definer_steps / 2 };
            let to = if half == 0 { size.definer_steps / 2 } else { size.definer_steps };
            tokio::spawn(async move { define_steps(&*engine, from..to).await })
        };
        let steps = size.writer_steps / 2 * half..size.writer_steps / 2 * (half + 1);
        let writers: Vec<_> = states
            .drain(..)
            .enumerate()
            .map(|(writer, state)| {
                let engine = Arc::clone(&engine);
                tokio::spawn(write_steps(engine, writer, steps.clone(), (size, state)))
            })
            .collect();
        let mut failed = definer.await.unwrap().err();
        for writer in writers {
            let (state, result) = writer.await.unwrap();
            states.push(state);
            failed = failed.or(result.err());
        }
        if let Some(error) = failed {
            after_failure(&engine, &states).await;
            return Err(error);
        }
        if half == 1 {
            engine.shutdown().await;
        }
    }
    Ok(())
}

async fn define_steps(engine: &dyn Engine, steps: std::ops::Range<u64>) -> Result<(), EngineError> {
    for step in steps {
        note(&format!("begin definer {step}"));
        define(engine, step).await?;
        note(&format!("done definer {step}"));
    }
    Ok(())
}

/// The documents as the last acknowledged step left them, and how it ended.
async fn write_steps(
    engine: Arc<FjallEngine>,
    writer: usize,
    steps: std::ops::Range<u64>,
    (size, mut state): (Size, Documents),
) -> (Documents, Result<(), EngineError>) {
    for step in steps {
        let before = state.clone();
        let operations = operations(writer, step, size, &mut state);
        note(&format!("begin writer{writer} {step}"));
        if let Err(error) = commit(&*engine, step, operations).await {
            return (before, Err(error));
        }
        note(&format!("done writer{writer} {step}"));
    }
    (state, Ok(()))
}

/// A failed commit is final: nothing is written any more, and what was acknowledged can be read.
async fn after_failure(engine: &FjallEngine, states: &[Documents]) {
    let collection = crate::workload::collection();
    for (id, expected) in states.iter().flatten() {
        let id = DocumentId::parse(id).unwrap();
        let found = engine.get(&database(), &collection, &id, &Actor::Trusted);
        // The one failure may also have been for this reader, which then sees it and succeeds the next time.
        let found = found.or_else(|_| engine.get(&database(), &collection, &id, &Actor::Trusted));
        match found {
            Ok(found) => {
                let found = found.unwrap_or_else(|| panic!("{id} cannot be read after the failure"));
                assert_eq!(Document::try_from(&found.document).unwrap(), **expected);
            }
            // A disk that fails for good gives nothing that is not in memory.
            Err(error) => assert!(matches!(error, EngineError::Storage(_)), "{error:?}"),
        }
    }
    if engine.stats().writes_stopped {
        let insert = WriteOp::Insert { collection, document: rawdoc! {"_id": "late", "writer": 0_i64} };
        let refused = engine.write(&database(), vec![insert], &Actor::Trusted).await;
        assert!(matches!(refused, Err(EngineError::WritesStopped)), "{refused:?}");
    }
}

/// A disk that runs full and gets space again.
async fn fill_disk(path: &Path) {
    let (engine, _) = FjallEngine::open(path, options()).unwrap();
    let collection = CollectionName::parse("c").unwrap();
    let mut number = 0;
    let mut write = async || {
        number += 1;
        let document = rawdoc! {"_id": format!("d{number}"), "writer": 0_i64};
        let insert = WriteOp::Insert { collection: collection.clone(), document };
        engine.write(&database(), vec![insert], &Actor::Trusted).await
    };
    write().await.unwrap();
    tell("/bundoc-disk/full");
    let begun = Instant::now();
    // That there was enough space is believed for a moment.
    while write().await.is_ok() {
        assert!(begun.elapsed() < WAIT_MAX, "a full disk is not noticed");
    }
    assert!(matches!(write().await, Err(EngineError::DiskFull)));
    let id = DocumentId::parse("d1").unwrap();
    assert!(engine.get(&database(), &collection, &id, &Actor::Trusted).unwrap().is_some());
    assert!(!engine.stats().writes_stopped);
    tell("/bundoc-disk/free");
    write().await.unwrap();
    note("ended");
}
