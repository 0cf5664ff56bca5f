//! Writes by a filter: what they do, that races never refuse them, and that they ask the rules.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails; this covers its helpers too"
)]

use bson::{Bson, Document, RawDocumentBuf, doc, rawdoc};
use bundoc::engine::{
    Actor, CollectionName, Commit, DatabaseName, Engine, FieldOrder, FindAndModify, FindRequest, IndexSpec,
    Modification, Order, Returning, RuleAuth, RuleSet, UpdateSpec, WriteOp, Written,
};
use bundoc::{EngineError, EngineOptions, FjallEngine};
use std::collections::BTreeSet;
use std::sync::Arc;

const RACERS: usize = 50;

struct Store {
    engine: Arc<FjallEngine>,
    _directory: tempfile::TempDir,
}

fn open(options: EngineOptions) -> Store {
    let directory = tempfile::tempdir().unwrap();
    let (engine, _) = FjallEngine::open(directory.path(), options).unwrap();
    Store { engine, _directory: directory }
}

fn database() -> DatabaseName {
    DatabaseName::parse("db").unwrap()
}

fn collection() -> CollectionName {
    CollectionName::parse("c").unwrap()
}

fn insert(document: &Document) -> WriteOp {
    WriteOp::Insert { collection: collection(), document: RawDocumentBuf::try_from(document).unwrap() }
}

fn update(filter: Document, update: Document, many: bool, upsert: bool) -> WriteOp {
    let change = Modification::Update(UpdateSpec::from(update));
    WriteOp::UpdateMatching { collection: collection(), filter, change, many, upsert }
}

fn delete(filter: Document, many: bool) -> WriteOp {
    WriteOp::DeleteMatching { collection: collection(), filter, many }
}

fn modify(filter: Document, change: Modification) -> FindAndModify {
    FindAndModify {
        collection: collection(),
        filter,
        sort: Vec::new(),
        change,
        upsert: false,
        fields: doc! {},
        returning: Returning::Before,
    }
}

fn user(uid: &str) -> Actor {
    Actor::Ruled(Arc::new(RuleAuth { uid: Some(uid.into()), claims: doc! {} }))
}

impl Store {
    async fn write(&self, operations: Vec<WriteOp>) -> Result<Commit, EngineError> {
        self.engine.write(&database(), operations, &Actor::Trusted).await
    }

    async fn one(&self, operation: WriteOp) -> Written {
        self.write(vec![operation]).await.unwrap().written.remove(0)
    }

    async fn fill(&self, count: i32) {
        let documents: Vec<_> = (0..count)
            .map(|n| insert(&doc! {"_id": format!("d{n:05}"), "n": n, "even": n % 2 == 0}))
            .collect();
        for part in documents.chunks(1_000) {
            self.write(part.to_vec()).await.unwrap();
        }
    }

    fn ids(&self, filter: Document) -> Vec<String> {
        let request = FindRequest { filter, limit: 1_000, ..FindRequest::default() };
        let page = self.engine.find(&database(), &collection(), &request, &Actor::Trusted).unwrap();
        page.documents.iter().map(|found| found.document.get_str("_id").unwrap().to_owned()).collect()
    }
}

fn updated(written: &Written) -> (u64, u64, Option<String>) {
    let Written::Updated { matched, modified, upserted_id } = written else { panic!("{written:?}") };
    (*matched, *modified, upserted_id.as_ref().map(ToString::to_string))
}

fn found(written: &Written) -> Option<Document> {
    let Written::Found(found) = written else { panic!("{written:?}") };
    found.as_ref().map(|found| Document::try_from(found.document.as_ref()).unwrap())
}

#[tokio::test]
async fn updates_and_removals_touch_what_matches() {
    let store = open(EngineOptions::default());
    assert_eq!(updated(&store.one(update(doc! {}, doc! {"x": 1}, true, false)).await), (0, 0, None));
    store.fill(6).await;
    let even = doc! {"even": true};
    assert_eq!(
        updated(&store.one(update(even.clone(), doc! {"$inc": {"n": 10}}, true, false)).await),
        (3, 3, None)
    );
    assert_eq!(store.ids(doc! {"n": {"$gte": 10}}), ["d00000", "d00002", "d00004"]);
    assert_eq!(
        updated(&store.one(update(even.clone(), doc! {"first": 1}, false, false)).await),
        (1, 1, None)
    );
    assert_eq!(store.ids(doc! {"first": 1}), ["d00000"]);
    let Written::Deleted(1) = store.one(delete(even.clone(), false)).await else { panic!() };
    let Written::Deleted(2) = store.one(delete(even, true)).await else { panic!() };
    assert_eq!(store.ids(doc! {}), ["d00001", "d00003", "d00005"]);
}

#[tokio::test]
async fn an_update_that_changes_nothing_writes_nothing() {
    let store = open(EngineOptions::default());
    store.fill(3).await;
    let before = store.engine.stats().last_commit;
    let same = update(doc! {}, doc! {"$set": {"even": true}}, true, false);
    assert_eq!(updated(&store.one(same).await), (3, 1, None));
    let commit =
        store.write(vec![update(doc! {}, doc! {"$set": {"even": true}}, true, false)]).await.unwrap();
    assert_eq!((updated(&commit.written[0]), commit.number), ((3, 0, None), before + 1));
    assert_eq!(store.engine.stats().last_commit, before + 1);
    assert_eq!(store.engine.changes(&database(), Default::default(), 100).unwrap().len(), 4);
}

#[tokio::test]
async fn a_batch_sees_what_it_wrote_before() {
    let store = open(EngineOptions::default());
    store.fill(2).await;
    let commit = store
        .write(vec![
            insert(&doc! {"_id": "x", "n": 7}),
            update(doc! {"n": 7}, doc! {"$set": {"n": 8}}, true, false),
            update(doc! {"n": 7}, doc! {"$set": {"n": 9}}, true, false),
            update(doc! {"n": 99}, doc! {"$set": {"new": true}}, false, true),
            delete(doc! {"n": {"$gte": 8}}, true),
        ])
        .await
        .unwrap();
    let (first, second) = (updated(&commit.written[1]), updated(&commit.written[2]));
    assert_eq!((first, second), ((1, 1, None), (0, 0, None)));
    let Written::Deleted(2) = commit.written[4] else { panic!("{:?}", commit.written[4]) };
    assert_eq!(store.ids(doc! {}).len(), 2);
}

#[tokio::test]
async fn find_and_modify_gives_back_what_was_asked_for() {
    let store = open(EngineOptions::default());
    store.fill(5).await;
    let sort = vec![FieldOrder { path: "n".into(), order: Order::Descending }];
    let inc = || Modification::Update(UpdateSpec::from(doc! {"$inc": {"n": 100}}));
    let before = FindAndModify { sort: sort.clone(), ..modify(doc! {"n": {"$lt": 4}}, inc()) };
    let given = found(&store.one(WriteOp::FindAndModify(before.clone())).await).unwrap();
    assert_eq!(given.get_i32("n").unwrap(), 3);
    let after = FindAndModify { returning: Returning::After, fields: doc! {"n": 1}, ..before };
    let given = found(&store.one(WriteOp::FindAndModify(after)).await).unwrap();
    assert_eq!(given, doc! {"_id": "d00002", "n": 102});
    let gone = found(&store.one(WriteOp::FindAndModify(modify(doc! {"n": 4}, Modification::Remove))).await);
    assert_eq!(gone.unwrap().get_str("_id").unwrap(), "d00004");
    assert_eq!(
        found(&store.one(WriteOp::FindAndModify(modify(doc! {"n": 4}, Modification::Remove))).await),
        None
    );
    let upsert = FindAndModify {
        upsert: true,
        returning: Returning::After,
        ..modify(doc! {"_id": "new", "n": 5}, Modification::Replace(rawdoc! {"whole": true}))
    };
    let given = found(&store.one(WriteOp::FindAndModify(upsert)).await).unwrap();
    assert_eq!(given, doc! {"_id": "new", "whole": true});
}

#[tokio::test]
async fn an_upsert_takes_the_fields_of_the_filter() {
    let store = open(EngineOptions::default());
    let upsert = update(
        doc! {"_id": "a", "kind": "x"},
        doc! {"$set": {"n": 1}, "$setOnInsert": {"first": true}},
        false,
        true,
    );
    assert_eq!(updated(&store.one(upsert.clone()).await), (0, 0, Some("a".into())));
    assert_eq!(updated(&store.one(upsert).await), (1, 0, None));
    let all = store.ids(doc! {"kind": "x", "n": 1, "first": true});
    assert_eq!(all, ["a"]);
    let taken = update(doc! {"_id": "a", "kind": "y"}, doc! {"$set": {"n": 1}}, false, true);
    assert!(matches!(store.write(vec![taken]).await, Err(EngineError::DocumentExists { .. })));
}

/// Runs `RACERS` of the same operation at once.
async fn race(store: &Store, operation: impl Fn(usize) -> WriteOp) -> Vec<Written> {
    let racers: Vec<_> = (0..RACERS)
        .map(|racer| {
            let (engine, operation) = (Arc::clone(&store.engine), operation(racer));
            tokio::spawn(async move { engine.write(&database(), vec![operation], &Actor::Trusted).await })
        })
        .collect();
    let mut written = Vec::new();
    for racer in racers {
        written.push(racer.await.unwrap().unwrap().written.remove(0));
    }
    written
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_of_fifty_takers_gets_another_document() {
    for indexed in [false, true] {
        let store = open(EngineOptions::default());
        store.fill(60).await;
        let fields = vec![FieldOrder { path: "n".into(), order: Order::Descending }];
        if indexed {
            let index = IndexSpec { fields: fields.clone(), ..IndexSpec::default() };
            store.engine.create_index(&database(), &collection(), index).await.unwrap();
        }
        let pop = FindAndModify { sort: fields, ..modify(doc! {"n": {"$gte": 0}}, Modification::Remove) };
        let taken = race(&store, |_| WriteOp::FindAndModify(pop.clone())).await;
        let numbers: BTreeSet<i32> =
            taken.iter().map(|taken| found(taken).unwrap().get_i32("n").unwrap()).collect();
        assert_eq!(numbers, (10..60).collect());
        assert_eq!(store.ids(doc! {}).len(), 10);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn more_takers_than_documents_leave_none_behind() {
    let store = open(EngineOptions::default());
    store.fill(20).await;
    let pop = modify(doc! {}, Modification::Remove);
    let taken = race(&store, |_| WriteOp::FindAndModify(pop.clone())).await;
    assert_eq!(taken.iter().filter(|taken| found(taken).is_some()).count(), 20);
    assert!(store.ids(doc! {}).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_upserts_of_one_filter_create_one_document() {
    let store = open(EngineOptions::default());
    let written = race(&store, |_| update(doc! {"name": "x"}, doc! {"$inc": {"n": 1}}, false, true)).await;
    let created = written.iter().filter(|written| updated(written).2.is_some()).count();
    assert_eq!((created, store.ids(doc! {"name": "x", "n": RACERS as i32}).len()), (1, 1));
    assert_eq!(store.ids(doc! {}).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn updates_of_many_documents_at_once_lose_nothing() {
    let store = open(EngineOptions::default());
    store.fill(10).await;
    let written = race(&store, |racer| {
        let half = doc! {"even": racer % 2 == 0};
        update(half, doc! {"$inc": {"sum": 1}}, true, false)
    })
    .await;
    assert!(written.iter().all(|written| updated(written) == (5, 5, None)));
    assert_eq!(store.ids(doc! {"sum": RACERS as i32 / 2}).len(), 10);
}

#[tokio::test]
async fn rules_decide_what_is_found_and_what_is_changed() {
    let store = open(EngineOptions::default());
    let rules = RuleSet {
        read: Some("resource.data.shared == true || request.auth.uid == resource.data.owner".into()),
        update: Some("request.auth.uid == resource.data.owner".into()),
        ..RuleSet::default()
    };
    store.engine.create_collection(&database(), &collection(), rules).await.unwrap();
    let documents = [("a", "ann", false), ("b", "bob", false), ("c", "bob", true)];
    let inserts =
        documents.map(|(id, owner, shared)| insert(&doc! {"_id": id, "owner": owner, "shared": shared}));
    store.write(inserts.to_vec()).await.unwrap();
    let set =
        |filter: Document, many: bool, upsert: bool| update(filter, doc! {"$set": {"x": 1}}, many, upsert);
    let as_ann = |operation: WriteOp| {
        let engine = Arc::clone(&store.engine);
        async move { engine.write(&database(), vec![operation], &user("ann")).await }
    };
    let own = as_ann(set(doc! {"shared": false}, true, false)).await.unwrap();
    assert_eq!(updated(&own.written[0]), (1, 1, None));
    // One that may be read and not written denies all of it.
    assert!(matches!(as_ann(set(doc! {}, true, false)).await, Err(EngineError::Denied { .. })));
    assert_eq!(store.ids(doc! {"x": 1}), ["a"]);
    assert!(matches!(as_ann(set(doc! {"n": 5}, false, true)).await, Err(EngineError::Denied { .. })));
    assert!(matches!(as_ann(delete(doc! {"owner": "ann"}, true)).await, Err(EngineError::Denied { .. })));
    assert!(as_ann(delete(doc! {"owner": "nobody"}, true)).await.is_ok());
    let missing = CollectionName::parse("missing").unwrap();
    let elsewhere = WriteOp::DeleteMatching { collection: missing, filter: doc! {}, many: true };
    assert!(matches!(as_ann(elsewhere).await, Err(EngineError::Denied { .. })));
}

#[tokio::test]
async fn a_filter_that_matches_too_much_is_refused_with_a_way_out() {
    let store = open(EngineOptions { matching_documents_max: 5, ..EngineOptions::default() });
    store.fill(6).await;
    let refused = store.write(vec![delete(doc! {}, true)]).await.unwrap_err();
    assert!(
        matches!(&refused, EngineError::LimitExceeded { message: text, .. } if text.contains("split")),
        "{refused}"
    );
    assert!(store.write(vec![delete(doc! {"n": {"$lt": 5}}, true)]).await.is_ok());
    assert!(store.write(vec![delete(doc! {}, true)]).await.is_ok());

    let store = open(EngineOptions { batch_bytes_max: 2_000, ..EngineOptions::default() });
    for n in 0..10 {
        store.write(vec![insert(&doc! {"n": n, "text": "x".repeat(900)})]).await.unwrap();
    }
    let refused = store.write(vec![update(doc! {}, doc! {"$inc": {"n": 1}}, true, false)]).await.unwrap_err();
    assert!(
        matches!(&refused, EngineError::LimitExceeded { message: text, .. } if text.contains("split")),
        "{refused}"
    );
}

#[tokio::test]
async fn bad_filters_and_updates_are_refused_and_say_which_operation() {
    let store = open(EngineOptions::default());
    store.fill(1).await;
    let bad = update(doc! {"$nope": 1}, doc! {"x": 1}, true, false);
    assert!(matches!(store.write(vec![bad.clone()]).await, Err(EngineError::InvalidQuery(_))));
    let refused = store.write(vec![insert(&doc! {}), bad]).await.unwrap_err();
    assert!(matches!(refused, EngineError::BatchOperation { index: 1, .. }), "{refused}");
    let bad = update(doc! {}, doc! {"$nope": {"x": 1}}, true, false);
    assert!(matches!(store.write(vec![bad]).await, Err(EngineError::InvalidUpdate(_))));
    let removes = WriteOp::UpdateMatching {
        collection: collection(),
        filter: doc! {},
        change: Modification::Remove,
        many: true,
        upsert: false,
    };
    assert!(matches!(store.write(vec![removes]).await, Err(EngineError::InvalidUpdate(_))));
    assert_eq!(store.ids(doc! {}).len(), 1);
}

#[tokio::test]
async fn a_database_takes_no_more_than_its_bytes() {
    let store = open(EngineOptions { database_bytes_max: 20_000, ..EngineOptions::default() });
    let text = Bson::String("x".repeat(1_000));
    let mut taken = 0;
    let refused = loop {
        match store.write(vec![insert(&doc! {"_id": format!("d{taken:03}"), "text": text.clone()})]).await {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, EngineError::LimitExceeded { .. }), "{refused}");
    let stats = store.engine.database_stats(&database()).unwrap();
    assert_eq!((stats.documents, stats.collections, stats.indexes), (taken, 1, 0));
    assert!((18_000..=20_000).contains(&stats.bytes), "{stats:?}");
    store.write(vec![update(doc! {}, doc! {"$unset": {"text": ""}}, false, false)]).await.unwrap();
    store.write(vec![insert(&doc! {"_id": "next", "text": "y".repeat(500)})]).await.unwrap();
    store.write(vec![delete(doc! {}, true)]).await.unwrap();
    assert_eq!(store.engine.database_stats(&database()).unwrap().bytes, 0);
    let other = DatabaseName::parse("other").unwrap();
    assert_eq!(store.engine.database_stats(&other).unwrap(), Default::default());
}

/// Waits until the database has so many bytes: what was dropped is removed in the background.
async fn bytes_become(store: &Store, is: impl Fn(u64) -> bool) -> u64 {
    let begun = std::time::Instant::now();
    loop {
        let bytes = store.engine.database_stats(&database()).unwrap().bytes;
        if is(bytes) {
            return bytes;
        }
        assert!(begun.elapsed().as_secs() < 20, "{bytes} bytes");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn bytes_follow_indexes_restarts_and_what_is_dropped() {
    let Store { engine, _directory: directory } = {
        let store = open(EngineOptions::default());
        store.fill(100).await;
        let documents = bytes_become(&store, |bytes| bytes > 0).await;
        let fields = vec![FieldOrder { path: "n".into(), order: Order::Ascending }];
        let index = IndexSpec { name: Some("n".into()), fields, ..IndexSpec::default() };
        store.engine.create_index(&database(), &collection(), index).await.unwrap();
        let indexed = bytes_become(&store, |bytes| bytes > documents).await;
        store.write(vec![update(doc! {}, doc! {"$inc": {"n": 1}}, true, false)]).await.unwrap();
        assert_eq!(bytes_become(&store, |_| true).await, indexed);
        store.engine.drop_index(&database(), &collection(), "n").await.unwrap();
        bytes_become(&store, |bytes| bytes == documents).await;
        store
    };
    let before = engine.database_stats(&database()).unwrap();
    engine.shutdown().await;
    drop(engine);
    let engine = FjallEngine::open(directory.path(), EngineOptions::default()).unwrap().0;
    let store = Store { engine, _directory: directory };
    assert_eq!(store.engine.database_stats(&database()).unwrap(), before);
    store.engine.drop_collection(&database(), &collection()).await.unwrap();
    bytes_become(&store, |bytes| bytes == 0).await;
}
