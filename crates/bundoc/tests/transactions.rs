//! Interactive transactions by their behaviour, and the outbox, which takes part in them.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails; this covers its helpers too"
)]

use bson::{Bson, Document, RawDocumentBuf, doc};
use bundoc::engine::{
    Actor, ChangeKind, ChangePosition, CollectionName, Commit, DatabaseName, DocumentId, Engine, FieldOrder,
    FindRequest, IndexSpec, IndexState, Modification, Order, Outbox, Outgoing, Precondition, RuleAuth,
    RuleSet, Transaction, UpdateSpec, WriteOp, Written,
};
use bundoc::{EngineError, EngineOptions, FjallEngine};
use std::sync::Arc;
use std::time::Duration;

struct Store {
    engine: Arc<FjallEngine>,
    directory: tempfile::TempDir,
}

type Open = Box<dyn Transaction>;

fn open(options: EngineOptions) -> Store {
    let directory = tempfile::tempdir().unwrap();
    let (engine, _) = FjallEngine::open(directory.path(), options).unwrap();
    Store { engine, directory }
}

fn database() -> DatabaseName {
    DatabaseName::parse("db").unwrap()
}

fn collection() -> CollectionName {
    CollectionName::parse("c").unwrap()
}

fn id(text: &str) -> DocumentId {
    DocumentId::parse(text).unwrap()
}

fn insert(document: &Document) -> WriteOp {
    WriteOp::Insert { collection: collection(), document: RawDocumentBuf::try_from(document).unwrap() }
}

fn set(text: &str, n: i32) -> WriteOp {
    let update = UpdateSpec::from(doc! {"$set": {"n": n}});
    WriteOp::Update { collection: collection(), id: id(text), update, precondition: Precondition::Any }
}

fn remove(text: &str) -> WriteOp {
    WriteOp::Delete { collection: collection(), id: id(text), precondition: Precondition::Any }
}

fn emit(topic: &str) -> WriteOp {
    WriteOp::Emit { topic: topic.into(), payload: Bson::String("p".into()) }
}

fn get(transaction: &mut Open, text: &str) -> Option<i32> {
    let found = transaction.get(&collection(), &id(text)).unwrap();
    found.map(|found| found.document.get_i32("n").unwrap())
}

fn find(transaction: &mut Open, filter: Document, limit: usize) -> Vec<i32> {
    let sort = vec![FieldOrder { path: "n".into(), order: Order::Ascending }];
    let request = FindRequest { filter, sort, limit, ..FindRequest::default() };
    let page = transaction.find(&collection(), &request).unwrap();
    page.documents.iter().map(|found| found.document.get_i32("n").unwrap()).collect()
}

impl Store {
    /// Documents `a`, `b`, … with `n` 0, 1, ….
    async fn with(options: EngineOptions, count: u8) -> Self {
        let store = open(options);
        let documents = (0..count).map(|n| {
            let id = char::from(b'a' + n).to_string();
            insert(&doc! {"_id": id, "n": i32::from(n)})
        });
        store.write(documents.collect()).await.unwrap();
        store
    }

    async fn write(&self, operations: Vec<WriteOp>) -> Result<Commit, EngineError> {
        self.engine.write(&database(), operations, &Actor::Trusted).await
    }

    /// An index on `n` that is ready.
    async fn index(&self, unique: bool) {
        let fields = vec![FieldOrder { path: "n".into(), order: Order::Ascending }];
        let index = IndexSpec { fields, unique, ..IndexSpec::default() };
        self.engine.create_index(&database(), &collection(), index).await.unwrap();
        let state =
            || self.engine.collection(&database(), &collection()).unwrap().unwrap().indexes[0].state.clone();
        while state() != IndexState::Ready {
            tokio::task::yield_now().await;
        }
    }

    fn begin(&self) -> Open {
        self.engine.begin(&database(), &Actor::Trusted).unwrap()
    }

    fn value(&self, text: &str) -> Option<i32> {
        let found = self.engine.get(&database(), &collection(), &id(text), &Actor::Trusted).unwrap();
        found.map(|found| found.document.get_i32("n").unwrap())
    }

    fn outgoing(&self, outbox: Outbox) -> Vec<(ChangePosition, Outgoing)> {
        let entries = self.engine.outbox(&database(), outbox, ChangePosition::default(), 100).unwrap();
        entries.into_iter().map(|entry| (entry.position, entry.outgoing)).collect()
    }
}

fn conflicts(result: Result<Commit, EngineError>) -> bool {
    match result {
        Ok(_) => false,
        Err(EngineError::TransactionConflict) => true,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn own_writes_are_seen_inside_and_by_others_after_the_commit() {
    let store = Store::with(EngineOptions::default(), 3).await;
    let mut transaction = store.begin();
    let written =
        transaction.write(vec![insert(&doc! {"_id": "x", "n": 10}), set("a", 11), remove("b")]).unwrap();
    assert!(matches!(&written[..], [Written::Created(_), Written::Changed(_), Written::Removed(_)]));
    assert_eq!(
        (get(&mut transaction, "x"), get(&mut transaction, "a"), get(&mut transaction, "b")),
        (Some(10), Some(11), None)
    );
    assert_eq!(find(&mut transaction, doc! {}, 10), [2, 10, 11]);
    assert_eq!(find(&mut transaction, doc! {"n": {"$gte": 10}}, 10), [10, 11]);
    assert_eq!(find(&mut transaction, doc! {}, 2), [2, 10]);
    assert_eq!(transaction.count(&collection(), &doc! {"n": {"$lt": 11}}).unwrap(), 2);
    assert_eq!(transaction.distinct(&collection(), "n", &doc! {}).unwrap(), [2, 10, 11].map(Bson::Int32));
    assert_eq!((store.value("x"), store.value("a"), store.value("b")), (None, Some(0), Some(1)));
    let commit = transaction.commit().await.unwrap();
    assert_eq!((store.value("x"), store.value("a"), store.value("b")), (Some(10), Some(11), None));
    let feed =
        store.engine.changes(&database(), ChangePosition { commit: commit.number - 1, index: u32::MAX }, 10);
    let kinds: Vec<_> = feed.unwrap().into_iter().map(|change| change.kind).collect();
    assert!(matches!(
        kinds[..],
        [ChangeKind::Added(_), ChangeKind::Modified { .. }, ChangeKind::Removed { .. }]
    ));
    let Written::Created(created) = &commit.written[0] else { panic!("{commit:?}") };
    assert_eq!(created.version, commit.number);
}

#[tokio::test]
async fn own_writes_are_found_through_an_index() {
    let store = Store::with(EngineOptions::default(), 5).await;
    store.index(false).await;
    let mut transaction = store.begin();
    transaction
        .write(vec![set("a", 3), set("d", 30), insert(&doc! {"_id": "x", "n": 3}), remove("e")])
        .unwrap();
    assert_eq!(find(&mut transaction, doc! {"n": {"$gte": 2, "$lte": 4}}, 10), [2, 3, 3]);
    assert_eq!(find(&mut transaction, doc! {"n": 3}, 1), [3]);
    let written = transaction.write(vec![WriteOp::UpdateMatching {
        collection: collection(),
        filter: doc! {"n": 3},
        change: Modification::Update(UpdateSpec::from(doc! {"$inc": {"n": 1}})),
        many: true,
        upsert: false,
    }]);
    assert!(matches!(written.unwrap()[..], [Written::Updated { matched: 2, modified: 2, .. }]));
    transaction.commit().await.unwrap();
    assert_eq!((store.value("a"), store.value("x"), store.value("d")), (Some(4), Some(4), Some(30)));
}

#[tokio::test]
async fn the_snapshot_stays_as_it_was() {
    let store = Store::with(EngineOptions::default(), 2).await;
    let mut transaction = store.begin();
    store.write(vec![set("a", 9), remove("b"), insert(&doc! {"_id": "x", "n": 10})]).await.unwrap();
    assert_eq!(
        (get(&mut transaction, "a"), get(&mut transaction, "b"), get(&mut transaction, "x")),
        (Some(0), Some(1), None)
    );
    assert_eq!(find(&mut transaction, doc! {}, 10), [0, 1]);
    // It only read: it is as if it had happened before.
    let commit = transaction.commit().await.unwrap();
    assert!(commit.written.is_empty());
}

#[tokio::test]
async fn a_lost_update_is_refused() {
    let store = Store::with(EngineOptions::default(), 1).await;
    let (mut first, mut second) = (store.begin(), store.begin());
    for transaction in [&mut first, &mut second] {
        let n = get(transaction, "a").unwrap();
        transaction.write(vec![set("a", n + 1)]).unwrap();
    }
    assert!(!conflicts(first.commit().await));
    assert!(conflicts(second.commit().await));
    assert_eq!(store.value("a"), Some(1));
    assert_eq!(store.engine.stats().transaction_conflicts, 1);
    assert_eq!(store.engine.stats().transactions_open, 0);
}

#[tokio::test]
async fn write_skew_is_refused() {
    let store = Store::with(EngineOptions::default(), 2).await;
    let (mut first, mut second) = (store.begin(), store.begin());
    for (transaction, own) in [(&mut first, "a"), (&mut second, "b")] {
        assert_eq!((get(transaction, "a"), get(transaction, "b")), (Some(0), Some(1)));
        transaction.write(vec![set(own, 5)]).unwrap();
    }
    assert!(!conflicts(first.commit().await));
    assert!(conflicts(second.commit().await));
}

#[tokio::test]
async fn a_phantom_is_refused_and_what_a_query_does_not_match_is_not_in_its_way() {
    let store = Store::with(EngineOptions::default(), 3).await;
    let asks = [
        |transaction: &mut Open| assert_eq!(find(transaction, doc! {"n": {"$gte": 5}}, 10), [0_i32; 0]),
        |transaction: &mut Open| {
            assert_eq!(transaction.count(&collection(), &doc! {"n": {"$gte": 5}}).unwrap(), 0);
        },
        |transaction: &mut Open| {
            let values = transaction.distinct(&collection(), "n", &doc! {"n": {"$gte": 5}}).unwrap();
            assert_eq!(values, []);
        },
    ];
    for (round, ask) in (10..).step_by(10).zip(asks) {
        let mut transaction = store.begin();
        ask(&mut transaction);
        transaction.write(vec![insert(&doc! {"n": -1})]).unwrap();
        store.write(vec![insert(&doc! {"_id": format!("in{round}"), "n": round})]).await.unwrap();
        assert!(conflicts(transaction.commit().await));
        store.write(vec![remove(&format!("in{round}"))]).await.unwrap();

        let mut transaction = store.begin();
        ask(&mut transaction);
        transaction.write(vec![insert(&doc! {"n": -1})]).unwrap();
        store.write(vec![insert(&doc! {"n": 4}), set("a", 3)]).await.unwrap();
        assert!(!conflicts(transaction.commit().await));
    }
}

#[tokio::test]
async fn a_document_that_was_missing_and_came_is_a_conflict() {
    let store = Store::with(EngineOptions::default(), 1).await;
    let mut transaction = store.begin();
    assert_eq!(get(&mut transaction, "x"), None);
    transaction.write(vec![set("a", 1)]).unwrap();
    store.write(vec![insert(&doc! {"_id": "x", "n": 1})]).await.unwrap();
    assert!(conflicts(transaction.commit().await));

    let mut transaction = store.begin();
    transaction.write(vec![insert(&doc! {"_id": "y", "n": 1})]).unwrap();
    store.write(vec![insert(&doc! {"_id": "y", "n": 2})]).await.unwrap();
    assert!(conflicts(transaction.commit().await));
    assert_eq!(store.value("y"), Some(2));
}

#[tokio::test]
async fn a_failed_write_leaves_nothing_and_the_transaction_goes_on() {
    let store = Store::with(EngineOptions::default(), 1).await;
    let mut transaction = store.begin();
    let failed = transaction.write(vec![insert(&doc! {"_id": "x", "n": 1}), insert(&doc! {"_id": "a"})]);
    let Err(EngineError::BatchOperation { index: 1, source }) = failed else { panic!("{failed:?}") };
    assert!(matches!(*source, EngineError::DocumentExists { .. }));
    assert_eq!(get(&mut transaction, "x"), None);
    transaction.write(vec![insert(&doc! {"_id": "y", "n": 1})]).unwrap();
    transaction.commit().await.unwrap();
    assert_eq!((store.value("x"), store.value("y")), (None, Some(1)));
}

#[tokio::test]
async fn what_comes_to_nothing_writes_nothing() {
    let store = Store::with(EngineOptions::default(), 1).await;
    let before = store.engine.stats().last_commit;
    let mut transaction = store.begin();
    transaction.write(vec![insert(&doc! {"_id": "x", "n": 1}), remove("x")]).unwrap();
    transaction.write(vec![set("a", 0)]).unwrap();
    store.write(vec![set("a", 7)]).await.unwrap();
    assert_eq!(transaction.commit().await.unwrap().number, before);
}

#[tokio::test]
async fn collections_are_created_with_the_commit() {
    let store = open(EngineOptions::default());
    let mut transaction = store.begin();
    assert_eq!(find(&mut transaction, doc! {}, 10), [0_i32; 0]);
    transaction.write(vec![insert(&doc! {"_id": "x", "n": 1})]).unwrap();
    assert_eq!((get(&mut transaction, "x"), find(&mut transaction, doc! {}, 10)), (Some(1), vec![1]));
    assert!(store.engine.collections(&database(), "").unwrap().is_empty());
    let mut other = store.begin();
    other.write(vec![insert(&doc! {"_id": "y", "n": 2})]).unwrap();
    assert!(!conflicts(transaction.commit().await));
    assert_eq!(store.value("x"), Some(1));
    // It would have had to see that collection.
    assert!(conflicts(other.commit().await));
}

#[tokio::test]
async fn other_definitions_are_a_conflict() {
    type Change = Box<dyn Fn(&Store) -> std::pin::Pin<Box<dyn Future<Output = ()> + '_>>>;
    let changes: Vec<Change> = vec![
        Box::new(|store| {
            Box::pin(async { store.engine.drop_collection(&database(), &collection()).await.unwrap() })
        }),
        Box::new(|store| {
            Box::pin(async {
                let rules = RuleSet { read: Some("true".into()), ..RuleSet::default() };
                store.engine.set_rules(&database(), &collection(), rules).await.unwrap();
            })
        }),
        Box::new(|store| Box::pin(async { store.engine.purge(&database()).await.unwrap() })),
    ];
    for change in changes {
        let store = Store::with(EngineOptions::default(), 1).await;
        let (mut early, mut late) = (store.begin(), store.begin());
        assert_eq!(get(&mut early, "a"), Some(0));
        early.write(vec![set("a", 1)]).unwrap();
        change(&store).await;
        assert!(conflicts(early.commit().await));
        // One that looks only now cannot tell what its snapshot had.
        let looked = late.get(&collection(), &id("a"));
        assert!(
            !matches!(looked, Ok(Some(_)))
                || late.write(vec![set("a", 2)]).is_ok() && conflicts(late.commit().await)
        );
    }
}

#[tokio::test]
async fn a_unique_index_holds_inside_and_at_the_commit() {
    let store = Store::with(EngineOptions::default(), 2).await;
    store.index(true).await;
    let mut transaction = store.begin();
    assert!(matches!(transaction.write(vec![set("a", 1)]), Err(EngineError::UniqueViolation { .. })));
    transaction.write(vec![set("a", 5), set("b", 0)]).unwrap();
    drop(transaction);
    let mut transaction = store.begin();
    transaction.write(vec![insert(&doc! {"_id": "x", "n": 8})]).unwrap();
    store.write(vec![insert(&doc! {"_id": "y", "n": 8})]).await.unwrap();
    let refused = transaction.commit().await;
    assert!(
        matches!(refused, Err(EngineError::UniqueViolation { .. } | EngineError::TransactionConflict)),
        "{refused:?}"
    );
    assert_eq!(store.value("x"), None);
}

#[tokio::test]
async fn too_old_or_too_much_is_refused() {
    let store =
        Store::with(EngineOptions { transaction_age_max: Duration::ZERO, ..EngineOptions::default() }, 1)
            .await;
    let mut transaction = store.begin();
    assert!(matches!(transaction.get(&collection(), &id("a")), Err(EngineError::TransactionExpired)));
    assert!(matches!(transaction.commit().await, Err(EngineError::TransactionExpired)));

    let store = Store::with(EngineOptions { history_bytes_max: 1_000, ..EngineOptions::default() }, 2).await;
    let mut transaction = store.begin();
    assert_eq!(get(&mut transaction, "a"), Some(0));
    transaction.write(vec![set("a", 1)]).unwrap();
    for n in 0..20 {
        store.write(vec![set("b", 100 + n)]).await.unwrap();
    }
    assert!(store.engine.stats().history_bytes <= 1_000);
    assert!(matches!(transaction.commit().await, Err(EngineError::TransactionExpired)));

    let options = EngineOptions {
        batch_operations_max: 3,
        batch_bytes_max: 10_000,
        transactions_per_database_max: 2,
        ..EngineOptions::default()
    };
    let store = Store::with(options, 1).await;
    let mut transaction = store.begin();
    transaction.write(vec![set("a", 1), set("a", 2)]).unwrap();
    let refused = transaction.write(vec![set("a", 3), set("a", 4)]);
    assert!(matches!(refused, Err(EngineError::LimitExceeded { .. })));
    let refused = transaction.write(vec![insert(&doc! {"text": "x".repeat(10_000)})]);
    assert!(matches!(refused, Err(EngineError::LimitExceeded { .. })));
    let second = store.begin();
    assert!(matches!(
        store.engine.begin(&database(), &Actor::Trusted),
        Err(EngineError::LimitExceeded { .. })
    ));
    drop(second);
    assert_eq!(store.engine.stats().transactions_open, 1);
    transaction.commit().await.unwrap();
    assert_eq!(store.value("a"), Some(2));
}

#[tokio::test]
async fn many_reads_count_as_the_whole_collection() {
    let store = Store::with(EngineOptions { transaction_reads_max: 2, ..EngineOptions::default() }, 5).await;
    for (reads, conflict) in [(&["a", "b"][..], false), (&["a", "b", "c"], true)] {
        let mut transaction = store.begin();
        for read in reads {
            get(&mut transaction, read);
        }
        let other = CollectionName::parse("other").unwrap();
        let document = bson::rawdoc! {"x": 1};
        transaction.write(vec![WriteOp::Insert { collection: other, document }]).unwrap();
        store.write(vec![set("e", if conflict { 50 } else { 51 })]).await.unwrap();
        assert_eq!(conflicts(transaction.commit().await), conflict);
    }
}

#[tokio::test]
async fn rules_decide_inside_a_transaction() {
    let store = open(EngineOptions::default());
    let owner = || Some("request.auth.uid == resource.data.owner".to_owned());
    let rules = RuleSet { read: owner(), write: owner(), ..RuleSet::default() };
    store.engine.create_collection(&database(), &collection(), rules).await.unwrap();
    store
        .write(vec![
            insert(&doc! {"_id": "a", "owner": "ann", "n": 0}),
            insert(&doc! {"_id": "b", "owner": "bob", "n": 1}),
        ])
        .await
        .unwrap();
    let ann = Actor::Ruled(Arc::new(RuleAuth { uid: Some("ann".into()), claims: doc! {} }));
    let mut transaction = store.engine.begin(&database(), &ann).unwrap();
    assert_eq!((get(&mut transaction, "a"), get(&mut transaction, "b")), (Some(0), None));
    assert_eq!(find(&mut transaction, doc! {}, 10), [0]);
    assert!(matches!(transaction.write(vec![set("b", 2)]), Err(EngineError::Denied { .. })));
    assert!(matches!(transaction.write(vec![emit("topic")]), Err(EngineError::Denied { .. })));
    let missing = CollectionName::parse("missing").unwrap();
    assert!(matches!(transaction.count(&missing, &doc! {}), Err(EngineError::Denied { .. })));
    transaction.write(vec![set("a", 2)]).unwrap();
    transaction.commit().await.unwrap();
    assert_eq!((store.value("a"), store.value("b")), (Some(2), Some(1)));
}

#[tokio::test]
async fn events_and_jobs_are_kept_with_the_documents_until_they_are_settled() {
    let options =
        EngineOptions { feed_changes_retained: 0, feed_age_max: Duration::ZERO, ..EngineOptions::default() };
    let store = open(options.clone());
    let mut wake = store.engine.watch_outboxes();
    let job =
        WriteOp::Enqueue { queue: "mail".into(), payload: Bson::Int32(1), options: doc! {"delay_ms": 5} };
    let commit = store
        .write(vec![emit("one"), insert(&doc! {"_id": "a", "n": 0}), job.clone(), emit("two")])
        .await
        .unwrap();
    assert!(matches!(
        commit.written[..],
        [Written::Noted, Written::Created(_), Written::Noted, Written::Noted]
    ));
    assert!(wake.has_changed().unwrap());
    wake.mark_unchanged();
    let place = |index: u32| ChangePosition { commit: commit.number, index };
    let event = |topic: &str| Outgoing::Event { topic: topic.into(), payload: Bson::String("p".into()) };
    assert_eq!(store.outgoing(Outbox::Events), [(place(0), event("one")), (place(3), event("two"))]);
    let expected =
        Outgoing::Job { queue: "mail".into(), payload: Bson::Int32(1), options: doc! {"delay_ms": 5} };
    assert_eq!(store.outgoing(Outbox::Jobs), [(place(2), expected)]);
    // Readers of documents see documents, at the same places.
    let feed = store.engine.changes(&database(), ChangePosition::default(), 10).unwrap();
    assert_eq!(feed.iter().map(|change| change.position).collect::<Vec<_>>(), [place(1)]);

    // All or nothing, as documents are.
    assert!(store.write(vec![emit("three"), insert(&doc! {"_id": "a"})]).await.is_err());
    let mut transaction = store.begin();
    transaction.write(vec![emit("four"), set("a", 1)]).unwrap();
    drop(transaction);
    assert_eq!(store.outgoing(Outbox::Events).len(), 2);
    let mut transaction = store.begin();
    transaction.write(vec![emit("five")]).unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(store.engine.outboxes_waiting(Outbox::Jobs), [database()]);

    let Store { engine, directory } = store;
    engine.shutdown().await;
    drop(engine);
    let store = Store { engine: FjallEngine::open(directory.path(), options).unwrap().0, directory };
    store.engine.settle_outbox(&database(), Outbox::Events, place(0)).await.unwrap();
    let left: Vec<_> = store.outgoing(Outbox::Events).into_iter().map(|(_, outgoing)| outgoing).collect();
    assert_eq!(left, [event("two"), event("five")]);
    store.engine.settle_outbox(&database(), Outbox::Jobs, place(2)).await.unwrap();
    assert!(store.engine.outboxes_waiting(Outbox::Jobs).is_empty());
    assert_eq!(store.engine.outboxes_waiting(Outbox::Events), [database()]);
    store.engine.purge(&database()).await.unwrap();
    assert!(store.engine.outboxes_waiting(Outbox::Events).is_empty());
}

#[tokio::test]
async fn an_outbox_that_nobody_settles_takes_only_so_much() {
    let store = open(EngineOptions { outbox_entries_max: 3, ..EngineOptions::default() });
    store.write(vec![emit("a"), emit("b")]).await.unwrap();
    let refused = store.write(vec![emit("c"), emit("d")]).await;
    let Err(EngineError::BatchOperation { index: 1, source }) = refused else { panic!("{refused:?}") };
    assert!(matches!(*source, EngineError::LimitExceeded { .. }));
    store.write(vec![emit("c")]).await.unwrap();
    let job = WriteOp::Enqueue { queue: "q".into(), payload: Bson::Null, options: doc! {} };
    store.write(vec![job]).await.unwrap();
    let last = store.outgoing(Outbox::Events).last().unwrap().0;
    store.engine.settle_outbox(&database(), Outbox::Events, last).await.unwrap();
    store.write(vec![emit("d")]).await.unwrap();
    let ruled = Actor::Ruled(Arc::default());
    let refused = store.engine.write(&database(), vec![emit("x")], &ruled).await;
    assert!(matches!(refused, Err(EngineError::Denied { .. })));
}
