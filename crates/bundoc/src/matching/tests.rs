//! Searches whose answer was another one when their write was applied.

use super::*;
use crate::FjallEngine;
use crate::engine::{
    Engine, IndexSpec, Modification, Order, Precondition, RuleAuth, RuleSet, UpdateSpec, Written,
};
use bson::RawDocumentBuf;

struct Bed {
    engine: Arc<FjallEngine>,
    _directory: tempfile::TempDir,
}

fn database() -> DatabaseName {
    DatabaseName::parse("db").unwrap()
}

fn notes() -> CollectionName {
    CollectionName::parse("notes").unwrap()
}

fn id(text: &str) -> DocumentId {
    DocumentId::parse(text).unwrap()
}

fn ann() -> Actor {
    Actor::Ruled(Arc::new(RuleAuth { uid: Some("ann".into()), claims: doc! {} }))
}

fn rules(list: &str) -> RuleSet {
    RuleSet { list: Some(list.into()), update: Some("true".into()), ..RuleSet::default() }
}

/// An update of all that ann may list.
fn update() -> Vec<WriteOp> {
    let change = Modification::Update(UpdateSpec::from(doc! {"$inc": {"n": 1}}));
    let filter = doc! {};
    vec![WriteOp::UpdateMatching { collection: notes(), filter, change, many: true, upsert: false }]
}

impl Bed {
    /// Two notes, under a rule.
    async fn new(list: &str) -> Self {
        Self::with(list, EngineOptions::default()).await
    }

    async fn with(list: &str, options: EngineOptions) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (engine, _) = FjallEngine::open(directory.path(), options).unwrap();
        engine.create_collection(&database(), &notes(), rules(list)).await.unwrap();
        let bed = Self { engine, _directory: directory };
        let later = DateTime::now().timestamp_millis() + 3_600_000;
        for id in ["a", "b"] {
            bed.insert("notes", &doc! {"_id": id, "n": 0, "until": DateTime::from_millis(later)}).await;
        }
        bed
    }

    async fn insert(&self, collection: &str, document: &Document) {
        let collection = CollectionName::parse(collection).unwrap();
        let insert = WriteOp::Insert { collection, document: RawDocumentBuf::try_from(document).unwrap() };
        self.engine.write(&database(), vec![insert], &Actor::Trusted).await.unwrap();
    }

    async fn search(&self) -> Selections {
        let batch = Batch::new(update(), &ann());
        self.engine.requests.select(&database(), batch, CANDIDATES).await.unwrap()
    }

    /// How many documents matched, when the update is applied with what was found before.
    async fn apply(&self, selections: Selections) -> Result<u64, EngineError> {
        let selections = Some(Arc::new(selections));
        let batch = Batch { selections, ..Batch::new(update(), &ann()) };
        self.engine.requests.write(&database(), Work::Batch(batch)).await.map(|commit| matched(&commit))
    }

    fn n(&self, name: &str) -> i32 {
        let found = self.engine.get(&database(), &notes(), &id(name), &Actor::Trusted).unwrap().unwrap();
        found.document.get_i32("n").unwrap()
    }

    async fn update(&self) -> u64 {
        matched(&self.engine.write(&database(), update(), &ann()).await.unwrap())
    }
}

fn matched(commit: &Commit) -> u64 {
    match commit.written.as_slice() {
        [Written::Updated { matched, .. }] => *matched,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_search_runs_again_where_what_its_rule_looked_up_has_changed() {
    let bed = Bed::new("exists('members/' + request.auth.uid)").await;
    let found = bed.search().await;
    bed.insert("members", &doc! {"_id": "bob"}).await;
    assert_eq!(bed.apply(found).await.unwrap(), 0, "bob is nobody that the rule asked for");
    let found = bed.search().await;
    bed.insert("members", &doc! {"_id": "ann"}).await;
    assert!(matches!(bed.apply(found).await, Err(EngineError::TransactionConflict)));
    assert_eq!(bed.update().await, 2);
}

#[tokio::test]
async fn a_search_runs_again_where_the_rules_are_others() {
    let bed = Bed::new("false").await;
    let found = bed.search().await;
    bed.engine.set_rules(&database(), &notes(), rules("true")).await.unwrap();
    assert!(matches!(bed.apply(found).await, Err(EngineError::TransactionConflict)));
    assert_eq!(bed.update().await, 2);
}

#[tokio::test]
async fn rules_see_the_time_of_the_search() {
    let bed = Bed::new("request.time < resource.data.until").await;
    let mut found = bed.search().await;
    found.now = DateTime::from_millis(found.now.timestamp_millis() + 2 * 3_600_000);
    for selection in found.of.iter_mut().flatten() {
        selection.drafts = Drafts::default();
    }
    assert_eq!(bed.apply(found).await.unwrap(), 0);
    let found = bed.search().await;
    assert_eq!(bed.apply(found).await.unwrap(), 2);
}

#[tokio::test]
async fn what_changed_since_it_was_found_is_worked_out_again() {
    let bed = Bed::new("true").await;
    let found = bed.search().await;
    assert!(found.of.iter().flatten().all(|selection| selection.drafts.of(&id("a")).is_some()));
    let operation = WriteOp::Update {
        collection: notes(),
        id: id("a"),
        update: doc! {"n": 10}.into(),
        precondition: Precondition::Any,
    };
    bed.engine.write(&database(), vec![operation], &Actor::Trusted).await.unwrap();
    assert_eq!(bed.apply(found).await.unwrap(), 2);
    assert_eq!((bed.n("a"), bed.n("b")), (11, 1));
}

#[tokio::test]
async fn an_index_that_was_declared_meanwhile_gets_its_entries() {
    let bed = Bed::new("true").await;
    let found = bed.search().await;
    let fields = vec![FieldOrder { path: "n".into(), order: Order::Ascending }];
    let index = IndexSpec { fields, ..IndexSpec::default() };
    bed.engine.create_index(&database(), &notes(), index).await.unwrap();
    assert_eq!(bed.apply(found).await.unwrap(), 2);
    let found = bed.search().await;
    assert_eq!(bed.apply(found).await.unwrap(), 2);
    assert_eq!((bed.n("a"), bed.n("b")), (2, 2));
    assert_eq!(bed.engine.check().unwrap().problems, Vec::<String>::new());
}

#[tokio::test]
async fn without_memory_for_drafts_the_committer_does_all_of_it() {
    let bed = Bed::with("true", EngineOptions { matching_drafts_bytes_max: 0, ..EngineOptions::default() });
    let bed = bed.await;
    let found = bed.search().await;
    assert!(found.of.iter().flatten().all(|selection| selection.drafts.of(&id("a")).is_none()));
    assert_eq!(bed.apply(found).await.unwrap(), 2);
    assert_eq!((bed.n("a"), bed.n("b")), (1, 1));
}

#[tokio::test]
async fn memory_for_drafts_is_given_back() {
    let bed = Bed::new("true").await;
    let free = || bed.engine.shared.drafts.available_permits();
    let all = free();
    let found = bed.search().await;
    assert!(free() < all);
    drop(found);
    assert_eq!(bed.update().await, 2);
    assert_eq!(free(), all);
}
