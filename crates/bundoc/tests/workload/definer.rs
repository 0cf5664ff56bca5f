//! The steps of the definer: first what the writers need, then a round of definitions again and again.

use super::{collection, database};
use bson::{Document, RawDocumentBuf, doc};
use bundoc::EngineError;
use bundoc::engine::{
    Actor, CollectionName, DatabaseName, Engine, FieldOrder, IndexSpec, IndexState, Order, RuleSet, WriteOp,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Steps before the first round.
pub(crate) const SETUP: u64 = 5;
/// Documents that are there before the writers begin: more than one chunk of an index build.
const FILL: i64 = 600;
/// Their `writer`.
pub(crate) const FILLER: usize = 1_000;
/// Steps of a round.
const ROUND: u64 = 8;
const WAIT_MAX: Duration = Duration::from_secs(20);

/// What is defined after so many steps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Definitions {
    /// The rule for reading and the number of documents of each collection outside of the writers' database.
    pub(crate) collections: BTreeMap<(String, String), (Option<String>, u64)>,
    /// The indexes of the writers' collection.
    pub(crate) indexes: BTreeSet<String>,
    /// The documents that are there before the writers begin.
    pub(crate) filled: usize,
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
            self.indexes.extend(setup_index(step).map(|(name, ..)| name.to_owned()));
            self.filled = if step + 1 == SETUP { FILL as usize } else { 0 };
            return;
        };
        let side = format!("side{}", round_step / ROUND);
        let key = |name: &str| (side.clone(), name.to_owned());
        match round_step % ROUND {
            0 => drop(self.collections.insert(key("x"), (Some("true".into()), 0))),
            1 => self.collections.get_mut(&key("x")).unwrap().1 = 20,
            2 => drop(self.indexes.insert("text_1".into())),
            3 => self.collections.get_mut(&key("x")).unwrap().0 = Some("false".into()),
            4 => drop(self.collections.insert(key("y"), (None, 20))),
            5 => drop(self.collections.remove(&key("x"))),
            6 => drop(self.indexes.remove("text_1")),
            _ => self.collections.retain(|(database, _), _| *database != side),
        }
    }
}

fn setup_index(step: u64) -> Option<(&'static str, Vec<FieldOrder>, bool)> {
    let field = |path: &str, order| FieldOrder { path: path.into(), order };
    match step {
        1 => Some(("n_1", vec![field("n", Order::Ascending)], true)),
        2 => Some(("tags_1", vec![field("tags", Order::Ascending)], false)),
        3 => Some((
            "writer_1_step_-1",
            vec![field("writer", Order::Ascending), field("step", Order::Descending)],
            false,
        )),
        _ => None,
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
    match round_step % ROUND {
        0 => engine.create_collection(&side, &x, rules("true")).await.map(drop),
        1 => fill(engine, &side, &x).await,
        2 => create_text_index(engine).await,
        3 => engine.set_rules(&side, &x, rules("false")).await.map(drop),
        4 => fill(engine, &side, &y).await,
        5 => engine.drop_collection(&side, &x).await,
        6 => {
            // In every other round the index is dropped while it may still be built.
            if (round_step / ROUND) % 2 == 1 {
                wait_for_index(engine)?;
            }
            engine.drop_index(&database(), &collection(), "text_1").await
        }
        _ => engine.purge(&side).await,
    }
}

async fn set_up(engine: &dyn Engine, step: u64) -> Result<(), EngineError> {
    match setup_index(step) {
        None if step + 1 == SETUP => {
            let document = |number: i64| {
                doc! {"_id": format!("f{number:04}"), "writer": FILLER as i64, "n": -1_000 - number, "text": "-"}
            };
            insert(engine, &database(), &collection(), (0..FILL).map(document)).await
        }
        None => engine.create_collection(&database(), &collection(), RuleSet::default()).await.map(drop),
        Some((_, fields, unique)) => {
            let spec = IndexSpec { fields, unique, ..IndexSpec::default() };
            engine.create_index(&database(), &collection(), spec).await.map(drop)
        }
    }
}

async fn create_text_index(engine: &dyn Engine) -> Result<(), EngineError> {
    let fields = vec![FieldOrder { path: "text".into(), order: Order::Ascending }];
    let spec = IndexSpec { fields, ..IndexSpec::default() };
    engine.create_index(&database(), &collection(), spec).await.map(drop)
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
