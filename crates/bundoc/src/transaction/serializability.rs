//! Many threads run random transactions over few keys; the checker says whether the history could have come
//! from running them one after the other. Without validation it has to say no.
//! `BUNBASE_HISTORY_TRANSACTIONS` sets how many transactions.

use super::FjallTransaction;
use super::checker::{Committed, Key, Saw, Violation, check};
use crate::engine::{
    Actor, CollectionName, Commit, DatabaseName, DocumentId, Engine, FieldOrder, FindRequest, IndexSpec,
    IndexState, Order, Precondition, StoredDocument, Transaction, UpdateSpec, WriteOp, Written,
};
use crate::{EngineError, EngineOptions, FjallEngine};
use bson::{doc, rawdoc};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const THREADS: usize = 8;
const VALUES: i32 = 12;

/// A linear congruential generator (Knuth, MMIX): runs differ by their interleaving anyway.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// One run.
struct Run {
    engine: Arc<FjallEngine>,
    runtime: tokio::runtime::Runtime,
    keys: u64,
    transactions: usize,
    begun: AtomicUsize,
    refused: AtomicUsize,
    _directory: tempfile::TempDir,
}

fn database() -> DatabaseName {
    DatabaseName::parse("db").unwrap()
}

fn collection() -> CollectionName {
    CollectionName::parse("c").unwrap()
}

fn id(key: Key) -> DocumentId {
    DocumentId::parse(&format!("k{key}")).unwrap()
}

fn key_of(found: &StoredDocument) -> Key {
    found.document.get_str("_id").unwrap()[1..].parse().unwrap()
}

fn put(key: Key, value: i32) -> WriteOp {
    let document = rawdoc! {"n": value};
    WriteOp::Replace { collection: collection(), id: id(key), document, precondition: Precondition::Any }
}

/// What one transaction did so far.
#[derive(Default)]
struct Doing {
    saw: Vec<Saw>,
    wrote: BTreeMap<Key, Option<i32>>,
    /// Something that depends on what was seen.
    sum: i32,
}

impl Doing {
    fn get(&mut self, transaction: &mut FjallTransaction, key: Key) {
        let found = transaction.get(&collection(), &id(key)).unwrap();
        if let Some(own) = self.wrote.get(&key) {
            let value = found.map(|found| found.document.get_i32("n").unwrap());
            assert_eq!(value, *own, "a transaction sees its own writes");
            return;
        }
        self.sum += found.as_ref().map_or(1, |found| found.document.get_i32("n").unwrap());
        self.saw.push(Saw::Key(key, found.map(|found| found.version)));
    }

    fn range(&mut self, transaction: &mut FjallTransaction, from: i32) {
        let values = from..from + 3;
        let filter = doc! {"n": {"$gte": values.start, "$lt": values.end}};
        let request = FindRequest { filter: filter.clone(), limit: 100, ..FindRequest::default() };
        let found = transaction.find(&collection(), &request).unwrap().documents;
        assert_eq!(transaction.count(&collection(), &filter).unwrap(), found.len() as u64);
        let own: BTreeSet<Key> = self.wrote.keys().copied().collect();
        let is_own = |found: &&StoredDocument| own.contains(&key_of(found));
        let expected = self.wrote.values().flatten().filter(|value| values.contains(value)).count();
        assert_eq!(found.iter().filter(is_own).count(), expected, "queries see own writes");
        let others = found.iter().filter(|found| !is_own(found));
        let found: BTreeMap<Key, u64> = others.map(|found| (key_of(found), found.version)).collect();
        self.sum += found.len() as i32;
        self.saw.push(Saw::Range { values, found, own });
    }

    /// What it changed in the end: what was missing before and is again was not.
    fn left_behind(&self) -> BTreeMap<Key, Option<i32>> {
        let missing = |key: &Key| self.saw.contains(&Saw::Key(*key, None));
        let changed = self.wrote.iter().filter(|(key, value)| value.is_some() || !missing(key));
        changed.map(|(key, value)| (*key, *value)).collect()
    }

    /// A write by id looks at the document first.
    fn write(&mut self, transaction: &mut FjallTransaction, key: Key, random: &mut Random) {
        self.get(transaction, key);
        let there = transaction.get(&collection(), &id(key)).unwrap().is_some();
        let value = if there && random.below(4) == 0 { None } else { Some(self.sum.rem_euclid(VALUES)) };
        let operation = match value {
            Some(value) => put(key, value),
            None => {
                WriteOp::Delete { collection: collection(), id: id(key), precondition: Precondition::Any }
            }
        };
        transaction.write(vec![operation]).unwrap();
        self.wrote.insert(key, value);
    }
}

impl Run {
    fn new(keys: u64, transactions: usize) -> Arc<Self> {
        let directory = tempfile::tempdir().unwrap();
        let (engine, _) = FjallEngine::open(directory.path(), EngineOptions::default()).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let (begun, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { engine, runtime, keys, transactions, begun, refused, _directory: directory })
    }

    fn write(&self, operation: WriteOp) -> Result<Commit, EngineError> {
        self.runtime.block_on(self.engine.write(&database(), vec![operation], &Actor::Trusted))
    }

    /// Runs all transactions; returns those that committed.
    fn history(self: &Arc<Self>) -> Vec<Committed> {
        let first = self.write(put(0, 1)).unwrap().number;
        let index = IndexSpec {
            fields: vec![FieldOrder { path: "n".into(), order: Order::Ascending }],
            ..IndexSpec::default()
        };
        self.runtime.block_on(self.engine.create_index(&database(), &collection(), index)).unwrap();
        // A transaction that sees it become ready conflicts, and this is not about that.
        while self.engine.collection(&database(), &collection()).unwrap().unwrap().indexes[0].state
            != IndexState::Ready
        {
            std::thread::yield_now();
        }
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let run = Arc::clone(self);
                std::thread::spawn(move || run.work(Random(thread as u64 + 1)))
            })
            .collect();
        let wrote = BTreeMap::from([(0, Some(1))]);
        let mut history = vec![Committed { since: first - 1, commit: Some(first), saw: Vec::new(), wrote }];
        threads.into_iter().for_each(|thread| history.extend(thread.join().unwrap()));
        history
    }

    fn work(&self, mut random: Random) -> Vec<Committed> {
        let mut done = Vec::new();
        while self.begun.fetch_add(1, Ordering::Relaxed) < self.transactions {
            let committed =
                if random.below(6) == 0 { Some(self.increment(&mut random)) } else { self.one(&mut random) };
            match committed {
                Some(committed) => done.push(committed),
                None => _ = self.refused.fetch_add(1, Ordering::Relaxed),
            }
        }
        done
    }

    /// A write without a transaction: reads and writes in the committer, right before its commit.
    fn increment(&self, random: &mut Random) -> Committed {
        let key = random.below(self.keys) as Key;
        let operation = WriteOp::Update {
            collection: collection(),
            id: id(key),
            update: UpdateSpec::from(doc! {"$inc": {"n": 1}}),
            precondition: Precondition::Any,
        };
        match self.write(operation) {
            Ok(Commit { number, written }) => {
                let [Written::Changed(found)] = written.as_slice() else { panic!("{written:?}") };
                let wrote = BTreeMap::from([(key, Some(found.document.get_i32("n").unwrap()))]);
                Committed { since: number - 1, commit: Some(number), saw: Vec::new(), wrote }
            }
            Err(EngineError::DocumentNotFound { .. }) => {
                Committed { since: 0, commit: None, saw: Vec::new(), wrote: BTreeMap::new() }
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// A transaction; `None` where others were in its way.
    fn one(&self, random: &mut Random) -> Option<Committed> {
        let mut transaction = super::begin(&self.engine.requests, &database(), &Actor::Trusted).unwrap();
        let since = transaction.since;
        let mut doing = Doing::default();
        for _ in 0..=random.below(4) {
            let key = random.below(self.keys) as Key;
            match random.below(3) {
                0 => doing.get(&mut transaction, key),
                1 => doing.range(&mut transaction, random.below(VALUES as u64) as i32),
                _ => doing.write(&mut transaction, key, random),
            }
        }
        match self.runtime.block_on(Box::new(transaction).commit()) {
            Ok(commit) => {
                // Without validation a removal may find nothing to remove.
                let wrote = if commit.written.is_empty() { BTreeMap::new() } else { doing.left_behind() };
                let commit = (!wrote.is_empty()).then_some(commit.number);
                Some(Committed { since, commit, saw: doing.saw, wrote })
            }
            Err(EngineError::TransactionConflict) => None,
            Err(error) => panic!("{error}"),
        }
    }
}

fn transactions() -> usize {
    let given = std::env::var("BUNBASE_HISTORY_TRANSACTIONS").ok();
    given.and_then(|given| given.parse().ok()).unwrap_or(2_000)
}

#[test]
fn random_transactions_are_serializable() {
    let run = Run::new(6, transactions());
    let history = run.history();
    assert_eq!(check(&history), Ok(()));
    let refused = run.refused.load(Ordering::Relaxed);
    assert!(refused > 0, "transactions got in each other's way");
    assert!(history.len() > run.transactions / 10, "{} committed, {refused} refused", history.len());
    // The committer answers before it lets go of a transaction.
    let left = || (run.engine.stats().transactions_open, run.engine.stats().history_bytes);
    for _ in 0..1_000 {
        if left() == (0, 0) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("open transactions and bytes of history are left: {:?}", left());
}

#[test]
fn without_validation_the_checker_finds_what_is_wrong() {
    let run = Run::new(3, 1_000);
    run.engine.shared.unchecked.store(true, Ordering::Relaxed);
    assert!(matches!(check(&run.history()), Err(Violation::Cycle(_))));
}
