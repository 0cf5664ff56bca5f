//! Random operations against a map: documents, versions, an index, a unique index, the feed, restarts.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails; this covers its helpers too")]

use bson::{RawDocumentBuf, doc};
use bundoc::engine::{
    Actor, ChangeKind, ChangePosition, CollectionName, DatabaseName, DocumentId, Engine, FieldOrder,
    FindRequest, IndexSpec, IndexState, Order, Precondition, WriteOp,
};
use bundoc::{EngineOptions, FjallEngine};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

#[derive(Debug, Clone)]
enum Step {
    Insert(u8, i32, i32),
    Replace(u8, i32, i32),
    Increment(u8, i32),
    Delete(u8),
    Index(bool),
    Drop(bool),
    Reopen,
}

/// A document as the model knows it: `n` has an index, `u` a unique one.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Fields {
    n: i32,
    u: i32,
}

type Model = BTreeMap<String, Fields>;

fn step() -> impl Strategy<Value = Step> {
    let (key, n, u) = (0_u8..12, -3_i32..3, 0_i32..40);
    prop_oneof![
        6 => (key.clone(), n.clone(), u.clone()).prop_map(|(key, n, u)| Step::Insert(key, n, u)),
        4 => (key.clone(), n.clone(), u).prop_map(|(key, n, u)| Step::Replace(key, n, u)),
        3 => (key.clone(), n).prop_map(|(key, n)| Step::Increment(key, n)),
        3 => key.prop_map(Step::Delete),
        2 => any::<bool>().prop_map(Step::Index),
        1 => any::<bool>().prop_map(Step::Drop),
        1 => Just(Step::Reopen),
    ]
}

fn database() -> DatabaseName {
    DatabaseName::parse("db").unwrap()
}

fn collection() -> CollectionName {
    CollectionName::parse("c").unwrap()
}

fn open(path: &Path) -> Arc<FjallEngine> {
    FjallEngine::open(path, EngineOptions { memtable_bytes: 4_096, ..EngineOptions::default() }).unwrap().0
}

fn id(key: u8) -> DocumentId {
    DocumentId::parse(&format!("k{key:02}")).unwrap()
}

struct World {
    engine: Arc<FjallEngine>,
    model: Model,
    unique: bool,
}

impl World {
    fn free(&self, key: u8, u: i32) -> bool {
        let own = id(key).to_string();
        !self.unique || !self.model.iter().any(|(other, fields)| *other != own && fields.u == u)
    }

    async fn write(&self, operation: WriteOp) -> bool {
        self.engine.write(&database(), vec![operation], &Actor::Trusted).await.is_ok()
    }

    async fn put(&mut self, key: u8, fields: Fields, replace: bool) {
        let Fields { n, u } = fields;
        let document = RawDocumentBuf::try_from(&doc! {"_id": id(key).as_str(), "n": n, "u": u}).unwrap();
        let collection = collection();
        let operation = if replace {
            WriteOp::Replace { collection, id: id(key), document, precondition: Precondition::Any }
        } else {
            WriteOp::Insert { collection, document }
        };
        let there = self.model.contains_key(id(key).as_str());
        let expected = (replace || !there) && self.free(key, u);
        assert_eq!(self.write(operation).await, expected);
        if expected {
            self.model.insert(id(key).to_string(), fields);
        }
    }

    async fn increment(&mut self, key: u8, by: i32) {
        let update = doc! {"$inc": {"n": by}};
        let operation = WriteOp::Update {
            collection: collection(),
            id: id(key),
            update: update.into(),
            precondition: Precondition::Any,
        };
        let done = self.write(operation).await;
        let present = self.model.get_mut(id(key).as_str());
        assert_eq!(done, present.is_some());
        if let Some(fields) = present {
            fields.n += by;
        }
    }

    async fn delete(&mut self, key: u8) {
        let operation =
            WriteOp::Delete { collection: collection(), id: id(key), precondition: Precondition::Any };
        assert_eq!(self.write(operation).await, self.model.remove(id(key).as_str()).is_some());
    }

    async fn index(&mut self, unique: bool) {
        let path = if unique { "u" } else { "n" };
        let fields = vec![FieldOrder { path: path.into(), order: Order::Ascending }];
        let spec = IndexSpec { name: Some(path.into()), fields, unique, ..IndexSpec::default() };
        if self.engine.create_index(&database(), &collection(), spec).await.is_err() {
            return;
        }
        let state = loop {
            let info = self.engine.collection(&database(), &collection()).unwrap().unwrap();
            let index = info.indexes.into_iter().find(|index| index.name == path).unwrap();
            if !matches!(index.state, IndexState::Building { .. }) {
                break index.state;
            }
            tokio::task::yield_now().await;
        };
        if unique {
            let mut values: Vec<_> = self.model.values().map(|fields| fields.u).collect();
            values.sort_unstable();
            values.dedup();
            // A failed index stays failed until it is dropped.
            if state == IndexState::Ready {
                assert_eq!(values.len(), self.model.len());
                self.unique = true;
            }
        } else {
            assert_eq!(state, IndexState::Ready);
        }
    }

    async fn drop_index(&mut self, unique: bool) {
        let name = if unique { "u" } else { "n" };
        if self.engine.drop_index(&database(), &collection(), name).await.is_ok() && unique {
            self.unique = false;
        }
    }

    fn check(&self) {
        let all = self.find(FindRequest { limit: 1_000, ..FindRequest::default() });
        assert_eq!(all, self.model.iter().map(|(key, fields)| (key.clone(), *fields)).collect::<Vec<_>>());
        for n in [-1, 0, 2] {
            let request =
                FindRequest { filter: doc! {"n": {"$gte": n}}, limit: 1_000, ..FindRequest::default() };
            let expected: Vec<_> = self.model.iter().filter(|(_, fields)| fields.n >= n).collect();
            let found = self.find(request);
            assert_eq!(found.iter().map(|(key, fields)| (key, fields)).collect::<Vec<_>>(), expected);
        }
        let Some(info) = self.engine.collection(&database(), &collection()).unwrap() else { return };
        assert_eq!(info.documents, self.model.len() as u64);
        assert_eq!(self.replayed(), self.model);
    }

    #[expect(clippy::needless_pass_by_value, reason = "the calls read better")]
    fn find(&self, request: FindRequest) -> Vec<(String, Fields)> {
        let page = self.engine.find(&database(), &collection(), &request, &Actor::Trusted).unwrap();
        page.documents.iter().map(|stored| fields(&stored.document)).collect()
    }

    /// The feed from its beginning, applied to nothing, is what is there.
    fn replayed(&self) -> Model {
        let mut model = Model::new();
        for change in self.engine.changes(&database(), ChangePosition::default(), 10_000).unwrap() {
            match change.kind {
                ChangeKind::Added(document) | ChangeKind::Modified { after: document, .. } => {
                    model.extend([fields(&document)]);
                }
                ChangeKind::Removed { .. } => {
                    model.remove(change.id.unwrap().as_str());
                }
                ChangeKind::Dropped => model.clear(),
                ChangeKind::RulesReplaced => {}
            }
        }
        model
    }
}

fn fields(document: &RawDocumentBuf) -> (String, Fields) {
    let fields = Fields { n: document.get_i32("n").unwrap(), u: document.get_i32("u").unwrap() };
    (document.get_str("_id").unwrap().to_owned(), fields)
}

async fn run(steps: Vec<Step>) {
    let directory = tempfile::tempdir().unwrap();
    let engine = open(directory.path());
    let mut world = World { engine, model: Model::new(), unique: false };
    for step in steps {
        match step {
            Step::Insert(key, n, u) => world.put(key, Fields { n, u }, false).await,
            Step::Replace(key, n, u) => world.put(key, Fields { n, u }, true).await,
            Step::Increment(key, by) => world.increment(key, by).await,
            Step::Delete(key) => world.delete(key).await,
            Step::Index(unique) => world.index(unique).await,
            Step::Drop(unique) => world.drop_index(unique).await,
            Step::Reopen => {
                let World { engine, model, unique } = world;
                drop(engine);
                world = World { engine: open(directory.path()), model, unique };
            }
        }
        world.check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn random_operations_agree_with_a_map(steps in proptest::collection::vec(step(), 1..60)) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run(steps));
    }
}
