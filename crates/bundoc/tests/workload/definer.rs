//! The steps of the definer: first what the writers need, then a round of definitions again and again.

use super::{NOW_MS, collection, database, expiring};
use bson::{DateTime, Document, RawDocumentBuf, doc};
use bundoc::EngineError;
use bundoc::engine::{
    Actor, CollectionName, CollectionPattern, DatabaseName, Engine, FieldOrder, IndexSpec, IndexState, Order,
    RuleSet, WriteOp,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Steps before the first round.
pub(crate) const SETUP: u64 = 10;
/// Documents that are there before the writers begin: more than one chunk of an index build.
const FILL: i64 = 600;
/// Their `writer`.
pub(crate) const FILLER: usize = 1_000;
/// Steps of a round.
const ROUND: u64 = 10;
/// Documents of a round that have not expired; as many have.
const KEPT: usize = 10;
const HOUR_MS: i64 = 3_600_000;
const WAIT_MAX: Duration = Duration::from_secs(20);

/// What is defined after so many steps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Definitions {
    /// The rule for reading and the number of documents of each collection outside of the writers' database.
    pub(crate) collections: BTreeMap<(String, String), (Option<String>, u64)>,
    /// The indexes: database, collection or pattern, name.
    pub(crate) indexes: BTreeSet<(String, String, String)>,
    /// The documents that are there before the writers begin.
    pub(crate) filled: usize,
    /// Documents beside them whose date has not come.
    pub(crate) kept: usize,
}

impl Definitions {
    /// After `steps` steps.
    pub(crate) fn after(steps: u64) -> Self {
        let mut definitions = Self::default();
        (0..steps).for_each(|step| definitions.take(step));
        definitions
    }

    fn take(&mut self, step: u64) {
        let Some(round_step) = step.checked_sub(SETUP) else {
            if let Some(Declared { owner, spec }) = setup_index(step) {
                self.indexes.insert(("db".into(), owner.into(), spec.name.unwrap()));
            }
            self.filled = if step + 1 == SETUP { FILL as usize } else { 0 };
            return;
        };
        let side = format!("side{}", round_step / ROUND);
        let key = |name: &str| (side.clone(), name.to_owned());
        let text = || ("db".to_owned(), "c".to_owned(), "text_1".to_owned());
        match round_step % ROUND {
            0 => drop(self.collections.insert(key("x"), (Some("true".into()), 0))),
            1 => drop(self.indexes.insert((side, "*".into(), "number_1".into()))),
            2 => self.collections.get_mut(&key("x")).unwrap().1 = 20,
            3 => drop(self.indexes.insert(text())),
            4 => self.collections.get_mut(&key("x")).unwrap().0 = Some("false".into()),
            5 => drop(self.collections.insert(key("y"), (None, 20))),
            6 => drop(self.collections.remove(&key("x"))),
            7 => drop(self.indexes.remove(&text())),
            8 => self.kept += KEPT,
            _ => {
                self.collections.retain(|(database, _), _| *database != side);
                self.indexes.retain(|(database, ..)| *database != side);
            }
        }
    }
}

/// An index, and the collection or the pattern that it is for.
struct Declared {
    owner: &'static str,
    spec: IndexSpec,
}

fn up(path: &str) -> FieldOrder {
    FieldOrder { path: path.into(), order: Order::Ascending }
}

fn down(path: &str) -> FieldOrder {
    FieldOrder { path: path.into(), order: Order::Descending }
}

/// One of each kind.
fn setup_index(step: u64) -> Option<Declared> {
    let spec = |name: &str, fields| IndexSpec { name: Some(name.into()), fields, ..IndexSpec::default() };
    let (owner, spec) = match step {
        1 => ("c", IndexSpec { unique: true, ..spec("n_1", vec![up("n")]) }),
        2 => ("c", spec("tags_1", vec![up("tags")])),
        3 => ("c", spec("writer_1_step_-1", vec![up("writer"), down("step")])),
        4 => ("c", IndexSpec { sparse: true, ..spec("mark_1", vec![up("mark")]) }),
        5 => {
            let partial = Some(doc! {"count": {"$gte": 1}});
            ("c", IndexSpec { partial, ..spec("step_1", vec![up("step")]) })
        }
        6 => ("*", spec("writer_1_n_-1", vec![up("writer"), down("n")])),
        8 => {
            let expire_after = Some(Duration::from_millis(HOUR_MS as u64));
            ("expiring", IndexSpec { expire_after, ..spec("at_1", vec![up("at")]) })
        }
        _ => return None,
    };
    Some(Declared { owner, spec })
}

async fn declare(
    engine: &dyn Engine,
    database: &DatabaseName,
    Declared { owner, spec }: Declared,
) -> Result<(), EngineError> {
    match CollectionPattern::parse(owner) {
        Ok(pattern) => engine.create_group_index(database, &pattern, spec).await.map(drop),
        Err(_) => {
            let collection = CollectionName::parse(owner).unwrap();
            engine.create_index(database, &collection, spec).await.map(drop)
        }
    }
}

/// Takes one step.
pub(crate) async fn define(engine: &dyn Engine, step: u64) -> Result<(), EngineError> {
    let Some(round_step) = step.checked_sub(SETUP) else {
        return set_up(engine, step).await;
    };
    let side = DatabaseName::parse(&format!("side{}", round_step / ROUND)).unwrap();
    let (x, y) = (CollectionName::parse("x").unwrap(), CollectionName::parse("y").unwrap());
    let rules = |read: &str| RuleSet { read: Some(read.into()), ..RuleSet::default() };
    let simple = |path: &str| IndexSpec {
        name: Some(format!("{path}_1")),
        fields: vec![up(path)],
        ..IndexSpec::default()
    };
    match round_step % ROUND {
        0 => engine.create_collection(&side, &x, rules("true")).await.map(drop),
        1 => declare(engine, &side, Declared { owner: "*", spec: simple("number") }).await,
        2 => fill(engine, &side, &x).await,
        3 => declare(engine, &database(), Declared { owner: "c", spec: simple("text") }).await,
        4 => engine.set_rules(&side, &x, rules("false")).await.map(drop),
        5 => fill(engine, &side, &y).await,
        6 => engine.drop_collection(&side, &x).await,
        7 => {
            // In every other round the index is dropped while it may still be built.
            if (round_step / ROUND) % 2 == 1 {
                wait_for_index(engine)?;
            }
            engine.drop_index(&database(), &collection(), "text_1").await
        }
        8 => fill_expiring(engine, round_step / ROUND).await,
        _ => engine.purge(&side).await,
    }
}

async fn set_up(engine: &dyn Engine, step: u64) -> Result<(), EngineError> {
    let create = async |name: CollectionName| {
        engine.create_collection(&database(), &name, RuleSet::default()).await.map(drop)
    };
    match (step, setup_index(step)) {
        (_, Some(declared)) => declare(engine, &database(), declared).await,
        (0, None) => create(collection()).await,
        (7, None) => create(expiring()).await,
        _ => {
            let document = |number: i64| {
                doc! {"_id": format!("f{number:04}"), "writer": FILLER as i64, "n": -1_000 - number, "text": "-"}
            };
            insert(engine, &database(), &collection(), (0..FILL).map(document)).await
        }
    }
}

/// Documents of which half have expired already.
async fn fill_expiring(engine: &dyn Engine, round: u64) -> Result<(), EngineError> {
    let document = |number: i64| {
        let kept = number < KEPT as i64;
        let at = DateTime::from_millis(if kept { NOW_MS } else { NOW_MS - 2 * HOUR_MS });
        doc! {"_id": format!("r{round}-{number}"), "at": at, "kept": kept, "n": number}
    };
    insert(engine, &database(), &expiring(), (0..2 * KEPT as i64).map(document)).await
}

async fn fill(
    engine: &dyn Engine,
    database: &DatabaseName,
    collection: &CollectionName,
) -> Result<(), EngineError> {
    let document = |number: i64| doc! {"_id": format!("d{number}"), "number": number};
    insert(engine, database, collection, (0..20).map(document)).await
}

async fn insert(
    engine: &dyn Engine,
    database: &DatabaseName,
    collection: &CollectionName,
    documents: impl Iterator<Item = Document>,
) -> Result<(), EngineError> {
    let insert = |document: Document| WriteOp::Insert {
        collection: collection.clone(),
        document: RawDocumentBuf::try_from(&document).unwrap(),
    };
    engine.write(database, documents.map(insert).collect(), &Actor::Trusted).await.map(drop)
}

/// Waits until the index is built, or until a failed disk ended all building.
fn wait_for_index(engine: &dyn Engine) -> Result<(), EngineError> {
    let begun = Instant::now();
    loop {
        let info = engine.collection(&database(), &collection())?.unwrap();
        let index = info.indexes.iter().find(|index| index.name == "text_1").unwrap();
        if index.state == IndexState::Ready || engine.stats().writes_stopped {
            return Ok(());
        }
        assert!(begun.elapsed() < WAIT_MAX, "the index is not built: {:?}", index.state);
        std::thread::yield_now();
    }
}
