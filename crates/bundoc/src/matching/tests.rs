//! Searches whose answer was another one when their write was applied.

use super::*;
use crate::FjallEngine;
use crate::engine::{Engine, Modification, RuleAuth, RuleSet, UpdateSpec, Written};
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

fn ann() -> Actor {
    Actor::Ruled(Arc::new(RuleAuth { uid: Some("ann".into()), claims: doc! {} }))
}

fn rules(list: &str) -> RuleSet {
    RuleSet { list: Some(list.into()), update: Some("true".into()), ..RuleSet::default() }
}

/// An update of all that ann may list.
fn update() -> Vec<WriteOp> {
    let change = Modification::Update(UpdateSpec::from(doc! {"seen": true}));
    let filter = doc! {};
    vec![WriteOp::UpdateMatching { collection: notes(), filter, change, many: true, upsert: false }]
}

impl Bed {
    /// Two notes, under a rule.
    async fn new(list: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (engine, _) = FjallEngine::open(directory.path(), EngineOptions::default()).unwrap();
        engine.create_collection(&database(), &notes(), rules(list)).await.unwrap();
        let bed = Self { engine, _directory: directory };
        let later = DateTime::now().timestamp_millis() + 3_600_000;
        for id in ["a", "b"] {
            bed.insert("notes", &doc! {"_id": id, "until": DateTime::from_millis(later)}).await;
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
    for selection in found.of.iter_mut().flatten() {
        selection.ruled.time_ms += 2 * 3_600_000;
    }
    assert_eq!(bed.apply(found).await.unwrap(), 0);
    let found = bed.search().await;
    assert_eq!(bed.apply(found).await.unwrap(), 2);
}
