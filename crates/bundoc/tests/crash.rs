//! `kill -9` at random moments: this test runs itself as a child that writes from several tasks and prints
//! each acknowledged write; the parent kills it, opens the store, and looks for every one of them.
//! `BUNBASE_CRASH_ROUNDS` sets the number of rounds.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails; this covers its helpers too")]

use bson::{RawDocumentBuf, doc};
use bundoc::engine::{
    Actor, ChangePosition, CollectionName, DatabaseName, DocumentId, Engine, FieldOrder, FindRequest,
    IndexSpec, Order, Precondition, WriteOp,
};
use bundoc::{EngineOptions, FjallEngine};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const CHILD: &str = "BUNBASE_CRASH_CHILD";
const WRITERS: usize = 8;

fn database() -> DatabaseName {
    DatabaseName::parse("db").unwrap()
}

fn collection() -> CollectionName {
    CollectionName::parse("c").unwrap()
}

fn options() -> EngineOptions {
    // Small tables, so that crashes meet flushes and merges too.
    EngineOptions { memtable_bytes: 64 * 1024, ..EngineOptions::default() }
}

/// Writes until it is killed: every writer has one document for each step, and counts in one of its own.
async fn writer(engine: Arc<FjallEngine>, number: usize, round: u64) {
    for step in 0_u64.. {
        let name = format!("r{round}w{number}s{step}");
        let document = RawDocumentBuf::try_from(&doc! {"_id": &name, "step": step as i64}).unwrap();
        let insert = WriteOp::Insert { collection: collection(), document };
        let counter = RawDocumentBuf::try_from(&doc! {"round": round as i64, "step": step as i64}).unwrap();
        let count = WriteOp::Replace {
            collection: collection(),
            id: DocumentId::parse(&format!("counter{number}")).unwrap(),
            document: counter,
            precondition: Precondition::Any,
        };
        let commit = engine.write(&database(), vec![insert, count], &Actor::Trusted).await.unwrap();
        let line = format!("{} {name}\n", commit.number);
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    }
}

async fn child(path: &str, round: u64) {
    let (engine, _) = FjallEngine::open(Path::new(path), options()).unwrap();
    let writers: Vec<_> =
        (0..WRITERS).map(|number| tokio::spawn(writer(Arc::clone(&engine), number, round))).collect();
    for writer in writers {
        writer.await.unwrap();
    }
}

/// Runs a child for a while and returns what it acknowledged.
fn crash(path: &Path, round: u64) -> HashMap<String, u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "acknowledged_writes_survive_a_kill", "--nocapture"])
        .env(CHILD, format!("{round} {}", path.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The time counts from the first acknowledged write, so that every round has some.
    let mut acknowledged = HashMap::new();
    let mut note = |line: std::io::Result<String>| {
        if let Some((number, name)) = line.unwrap_or_default().split_once(' ')
            && let Ok(number) = number.parse::<u64>()
        {
            acknowledged.insert(name.to_owned(), number);
            return true;
        }
        false
    };
    while !note(lines.next().expect("the child ended before it wrote")) {}
    let reader = std::thread::scope(|scope| {
        let reader = scope.spawn(move || lines.map(&mut note).filter(|noted| *noted).count());
        let millis = u64::from(uuid::Uuid::now_v7().as_bytes()[15]);
        std::thread::park_timeout(Duration::from_millis(millis));
        child.kill().unwrap();
        child.wait().unwrap();
        reader.join().unwrap()
    });
    assert_eq!(acknowledged.len(), reader + 1);
    acknowledged
}

fn check(path: &Path, round: u64, acknowledged: &HashMap<String, u64>) {
    let (engine, report) = FjallEngine::open(path, options()).unwrap();
    assert_eq!(report.lost, None, "round {round}");
    for (name, number) in acknowledged {
        let found =
            engine.get(&database(), &collection(), &DocumentId::parse(name).unwrap(), &Actor::Trusted);
        let found = found.unwrap().unwrap_or_else(|| panic!("round {round}: {name} is gone"));
        assert_eq!(found.version, *number);
    }
    // Both writes of a batch or none: the counter is at the last step that is there.
    for writer in 0..WRITERS {
        let counter = DocumentId::parse(&format!("counter{writer}")).unwrap();
        let Some(counter) = engine.get(&database(), &collection(), &counter, &Actor::Trusted).unwrap() else {
            continue;
        };
        if counter.document.get_i64("round").unwrap() != round as i64 {
            continue;
        }
        let step = counter.document.get_i64("step").unwrap();
        let at = |step: i64| DocumentId::parse(&format!("r{round}w{writer}s{step}")).unwrap();
        let there =
            |step| engine.get(&database(), &collection(), &at(step), &Actor::Trusted).unwrap().is_some();
        assert!(there(step) && !there(step + 1), "round {round}, writer {writer}");
    }
    check_index(&engine, report.last_commit);
}

/// The index, the counter and the feed agree with the documents.
fn check_index(engine: &FjallEngine, last_commit: u64) {
    let info = engine.collection(&database(), &collection()).unwrap().unwrap();
    let mut counted = 0;
    let mut request = FindRequest { limit: 1_000, fields: bson::doc! { "_id": 1 }, ..FindRequest::default() };
    loop {
        let page = engine.find(&database(), &collection(), &request, &Actor::Trusted).unwrap();
        counted += page.documents.len() as u64;
        match page.next_cursor {
            Some(cursor) => request.cursor = Some(cursor),
            None => break,
        }
    }
    assert_eq!(info.documents, counted);
    let before = ChangePosition { commit: last_commit - 1, index: u32::MAX };
    assert_eq!(engine.changes(&database(), before, 10).unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_writes_survive_a_kill() {
    if let Ok(task) = std::env::var(CHILD) {
        let (round, path) = task.split_once(' ').unwrap();
        return child(path, round.parse().unwrap()).await;
    }
    let rounds = std::env::var("BUNBASE_CRASH_ROUNDS").map_or(20, |rounds| rounds.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    create_index(directory.path()).await;
    for round in 0..rounds {
        let acknowledged = crash(directory.path(), round);
        check(directory.path(), round, &acknowledged);
    }
}

async fn create_index(path: &Path) {
    let (engine, _) = FjallEngine::open(path, options()).unwrap();
    engine.create_collection(&database(), &collection(), Default::default()).await.unwrap();
    let fields = vec![FieldOrder { path: "step".into(), order: Order::Ascending }];
    let spec = IndexSpec { fields, ..IndexSpec::default() };
    engine.create_index(&database(), &collection(), spec).await.unwrap();
}
