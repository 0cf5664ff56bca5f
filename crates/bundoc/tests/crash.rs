//! `kill -9` at random moments: this test runs itself as a child in which writers and a definer take their steps
//! (see `workload`), with tables so small that they are written out and merged all the time, and an index that is
//! built, dropped and built again. The parent kills it, opens the store, and looks for exactly what was
//! acknowledged. `BUNBASE_CRASH_ROUNDS` sets the number of rounds, `BUNBASE_CRASH_STORE_MB` the size of the
//! store whose restart is timed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails; this covers its helpers too")]

mod workload;

use bson::{Binary, doc, spec::BinarySubtype};
use bundoc::engine::{Actor, Engine, WriteOp};
use bundoc::{EngineOptions, FjallEngine};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use workload::{
    Candidates, Definitions, Documents, Progress, Size, collection, commit, database, define, mix,
    operations, options, verify,
};

const TASK: &str = "BUNBASE_CRASH_CHILD";
const SIZE: Size = Size { writers: 6, writer_steps: u64::MAX, definer_steps: u64::MAX, data_bytes_max: 0 };
/// A restart has to be ready by then (docs: a store of 1 GB).
const READY_MAX: Duration = Duration::from_secs(5);

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// What the parent knows about a writer: its steps and what they left.
#[derive(Clone, Default)]
struct Writer {
    steps: u64,
    documents: Documents,
}

impl Writer {
    /// After another step.
    fn stepped(&self, writer: usize) -> Self {
        let mut next = self.clone();
        operations(writer, self.steps, SIZE, &mut next.documents);
        next.steps += 1;
        next
    }

    fn advance(&mut self, writer: usize, steps: u64) {
        while self.steps < steps {
            operations(writer, self.steps, SIZE, &mut self.documents);
            self.steps += 1;
        }
    }
}

/// Works until it is killed; the task is where each actor begins, the definer first, and the directory.
async fn child(task: &str) {
    let mut words = task.splitn(SIZE.writers + 2, ' ');
    let begins: Vec<u64> = words.by_ref().take(SIZE.writers + 1).map(|word| word.parse().unwrap()).collect();
    let (engine, _) = FjallEngine::open(Path::new(words.next().unwrap()), options()).unwrap();
    let definer = {
        let (engine, begin) = (Arc::clone(&engine), begins[0]);
        // What the writers need is there before they begin.
        for step in begin..workload::SETUP {
            println!("begin definer {step}");
            define(&*engine, step).await.unwrap();
            println!("done definer {step}");
        }
        tokio::spawn(async move {
            for step in begin.max(workload::SETUP).. {
                println!("begin definer {step}");
                define(&*engine, step).await.unwrap();
                println!("done definer {step}");
            }
        })
    };
    for (writer, begin) in begins[1..].iter().copied().enumerate() {
        let engine = Arc::clone(&engine);
        tokio::spawn(async move {
            let mut state = Writer::default();
            state.advance(writer, begin);
            for step in begin.. {
                let operations = operations(writer, step, SIZE, &mut state.documents);
                println!("begin writer{writer} {step}");
                commit(&*engine, step, operations).await.unwrap();
                println!("done writer{writer} {step}");
            }
        });
    }
    definer.await.unwrap();
}

/// Starts this program as the child of a test.
fn start(test: &str, task: &str) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(TASK, task)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs a child for a while and returns what it noted.
fn crash(task: &str, round: u64) -> Progress {
    let mut child = start("a_crash_keeps_acknowledged_writes", task);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut progress = Progress::default();
    // The time counts from the first acknowledged step, so that every round has some.
    loop {
        let line = lines.next().expect("the child ended before it wrote").unwrap();
        progress.note(&line);
        if line.starts_with("done") {
            break;
        }
    }
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| lines.for_each(|line| progress.note(&line.unwrap_or_default())));
        std::thread::park_timeout(Duration::from_millis(mix(round) % 300));
        child.kill().unwrap();
        child.wait().unwrap();
        reader.join().unwrap();
    });
    progress
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_keeps_acknowledged_writes() {
    if let Ok(task) = std::env::var(TASK) {
        return child(&task).await;
    }
    let rounds = setting("BUNBASE_CRASH_ROUNDS", 20);
    let directory = tempfile::tempdir().unwrap();
    let mut writers = vec![Writer::default(); SIZE.writers];
    let (mut definer_steps, mut unfinished) = (0, 0);
    for round in 0..rounds {
        let begins = writers.iter().map(|writer| format!(" {}", writer.steps)).collect::<String>();
        let progress = crash(&format!("{definer_steps}{begins} {}", directory.path().display()), round);
        // An actor that noted nothing in this round is where it was.
        let possible = |actor: &str, before: u64| progress.possible(actor).map(|steps| steps.max(before));
        let definer = possible("definer", definer_steps);
        let mut candidates = Candidates { writers: Vec::new(), definer: definer.map(Definitions::after) };
        for (number, writer) in writers.iter_mut().enumerate() {
            let [done, begun] = possible(&format!("writer{number}"), writer.steps);
            writer.advance(number, done);
            let next = if begun > done { writer.stepped(number) } else { writer.clone() };
            candidates.writers.push([writer.documents.clone(), next.documents]);
        }
        let matched =
            verify(directory.path(), &candidates).unwrap_or_else(|text| panic!("round {round}: {text}"));
        definer_steps = definer[matched.definer];
        for (number, writer) in writers.iter_mut().enumerate() {
            if matched.writers[number] == 1 {
                *writer = writer.stepped(number);
            }
        }
        unfinished += u64::from(matched.building);
    }
    let steps: u64 = writers.iter().map(|writer| writer.steps).sum();
    println!(
        "{rounds} rounds, {steps} batches, {definer_steps} definitions, {unfinished} unfinished indexes"
    );
    assert!(definer_steps > workload::SETUP && steps > rounds, "too little was done");
}

/// Writes documents of 4 KiB until the store has so many bytes of them, and then goes on.
async fn fill(task: &str) {
    let (megabytes, path) = task.split_once(' ').unwrap();
    let batches = megabytes.parse::<u64>().unwrap() * 1024 / 4 / 100;
    let (engine, _) = FjallEngine::open(Path::new(path), EngineOptions::default()).unwrap();
    for batch in 0_u64.. {
        let insert = |number: u64| {
            let seed = batch << 20 | number << 10;
            let bytes = (0..512).flat_map(|word| mix(seed + word).to_le_bytes()).collect();
            let data = Binary { subtype: BinarySubtype::Generic, bytes };
            let document = doc! {"_id": format!("{batch}-{number}"), "data": data};
            WriteOp::Insert { collection: collection(), document: (&document).try_into().unwrap() }
        };
        engine.write(&database(), (0..100).map(insert).collect(), &Actor::Trusted).await.unwrap();
        if batch == batches {
            println!("filled");
        }
    }
}

#[tokio::test]
async fn a_restart_after_a_crash_is_ready_in_time() {
    if let Ok(task) = std::env::var(TASK) {
        return fill(&task).await;
    }
    let megabytes = setting("BUNBASE_CRASH_STORE_MB", 32);
    let directory = tempfile::tempdir().unwrap();
    let task = format!("{megabytes} {}", directory.path().display());
    let mut child = start("a_restart_after_a_crash_is_ready_in_time", &task);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "filled"), "the child ended before it was done");
    child.kill().unwrap();
    child.wait().unwrap();
    let begun = Instant::now();
    let (engine, report) = FjallEngine::open(directory.path(), EngineOptions::default()).unwrap();
    let took = begun.elapsed();
    assert_eq!(report.lost, None);
    let bytes = engine.stats().disk_bytes;
    println!("ready after {took:?} with {} MiB on disk", bytes >> 20);
    assert!(took < READY_MAX, "{took:?}");
}
