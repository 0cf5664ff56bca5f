//! What every engine has to do, on `&dyn Engine`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails; this covers its helpers too")]

use bson::{Document, RawDocumentBuf, doc};
use bundoc::engine::{
    Actor, ChangeKind, ChangePosition, CollectionName, Commit, DatabaseName, DocumentId, Engine, FieldOrder,
    FindRequest, IndexSpec, IndexState, Order, Precondition, RuleAuth, RuleSet, WriteOp, Written,
};
use bundoc::{EngineError, EngineOptions, FjallEngine};
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Bed {
    engine: Arc<dyn Engine>,
    database: DatabaseName,
    _directory: tempfile::TempDir,
}

fn name(text: &str) -> CollectionName {
    CollectionName::parse(text).unwrap()
}

fn id(text: &str) -> DocumentId {
    DocumentId::parse(text).unwrap()
}

fn raw(document: &Document) -> RawDocumentBuf {
    RawDocumentBuf::try_from(document).unwrap()
}

fn field(path: &str, order: Order) -> FieldOrder {
    FieldOrder { path: path.into(), order }
}

fn user(uid: &str) -> Actor {
    Actor::Ruled(Arc::new(RuleAuth { uid: Some(uid.into()), claims: doc! {} }))
}

fn request(filter: Document, sort: Vec<FieldOrder>) -> FindRequest {
    FindRequest { filter, sort, limit: 1_000, ..FindRequest::default() }
}

impl Bed {
    fn with(options: EngineOptions) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (engine, report) = FjallEngine::open(directory.path(), options).unwrap();
        assert_eq!(report.last_commit, 0);
        Self { engine, database: DatabaseName::parse("db").unwrap(), _directory: directory }
    }

    fn new() -> Self {
        Self::with(EngineOptions::default())
    }

    async fn write(&self, operations: Vec<WriteOp>) -> Result<Commit, EngineError> {
        self.engine.write(&self.database, operations, &Actor::Trusted).await
    }

    async fn insert(&self, collection: &str, document: Document) -> Result<Commit, EngineError> {
        self.write(vec![WriteOp::Insert { collection: name(collection), document: raw(&document) }]).await
    }

    fn get(&self, collection: &str, key: &str, actor: &Actor) -> Option<Document> {
        let found = self.engine.get(&self.database, &name(collection), &id(key), actor).unwrap();
        found.map(|stored| Document::try_from(&stored.document).unwrap())
    }

    fn ids(&self, collection: &str, request: &FindRequest) -> Vec<String> {
        let page = self.engine.find(&self.database, &name(collection), request, &Actor::Trusted).unwrap();
        page.documents.iter().map(|stored| stored.document.get_str("_id").unwrap().to_owned()).collect()
    }

    /// All ids, page by page.
    fn paged(&self, collection: &str, request: &FindRequest, limit: usize) -> Vec<String> {
        let mut request = FindRequest { limit, ..request.clone() };
        let mut all = Vec::new();
        loop {
            let page =
                self.engine.find(&self.database, &name(collection), &request, &Actor::Trusted).unwrap();
            let ids = page.documents.iter().map(|stored| stored.document.get_str("_id").unwrap().to_owned());
            all.extend(ids);
            match page.next_cursor {
                Some(cursor) => request.cursor = Some(cursor),
                None => return all,
            }
        }
    }

    async fn index(&self, collection: &str, fields: Vec<FieldOrder>, unique: bool) -> IndexState {
        let spec = IndexSpec { fields, unique, ..IndexSpec::default() };
        let info = self.engine.create_index(&self.database, &name(collection), spec).await.unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let collection = self.engine.collection(&self.database, &name(collection)).unwrap().unwrap();
            let index = collection.indexes.into_iter().find(|index| index.name == info.name).unwrap();
            if !matches!(index.state, IndexState::Building { .. }) || Instant::now() > deadline {
                return index.state;
            }
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn documents_live_through_create_replace_update_and_delete() {
    let bed = Bed::new();
    let commit = bed.insert("c", doc! {"_id": "a", "n": 1}).await.unwrap();
    assert_eq!(commit.number, 1);
    assert!(matches!(bed.insert("c", doc! {"_id": "a"}).await, Err(EngineError::DocumentExists { .. })));
    let made = bed.insert("c", doc! {"n": 2}).await.unwrap();
    assert!(matches!(&made.written[0], Written::Created(stored) if stored.document.get_str("_id").is_ok()));
    assert_eq!(made.number, 2, "a failed write takes no commit number");
    let update = |update: Document, precondition| {
        vec![WriteOp::Update { collection: name("c"), id: id("a"), update: update.into(), precondition }]
    };
    bed.write(update(doc! {"$inc": {"n": 4}, "$set": {"x.y": true}}, Precondition::Version(1)))
        .await
        .unwrap();
    assert_eq!(bed.get("c", "a", &Actor::Trusted).unwrap(), doc! {"_id": "a", "n": 5, "x": {"y": true}});
    let stale = bed.write(update(doc! {"n": 1}, Precondition::Version(1))).await;
    assert!(matches!(stale, Err(EngineError::PreconditionFailed { .. })));
    let replace = |document: Document, precondition| {
        vec![WriteOp::Replace { collection: name("c"), id: id("a"), document: raw(&document), precondition }]
    };
    assert!(matches!(
        bed.write(replace(doc! {}, Precondition::Absent)).await,
        Err(EngineError::PreconditionFailed { .. })
    ));
    assert!(matches!(
        bed.write(replace(doc! {"_id": "b"}, Precondition::Any)).await,
        Err(EngineError::InvalidDocument(_))
    ));
    bed.write(replace(doc! {"z": 1}, Precondition::Version(3))).await.unwrap();
    assert_eq!(bed.get("c", "a", &Actor::Trusted).unwrap(), doc! {"_id": "a", "z": 1});
    assert_eq!(bed.engine.collection(&bed.database, &name("c")).unwrap().unwrap().documents, 2);
    let delete =
        || vec![WriteOp::Delete { collection: name("c"), id: id("a"), precondition: Precondition::Any }];
    bed.write(delete()).await.unwrap();
    assert!(matches!(bed.write(delete()).await, Err(EngineError::DocumentNotFound { .. })));
    assert_eq!(bed.get("c", "a", &Actor::Trusted), None);
    assert_eq!(bed.engine.collection(&bed.database, &name("c")).unwrap().unwrap().documents, 1);
}

#[tokio::test]
async fn a_batch_is_all_or_nothing_and_sees_itself() {
    let bed = Bed::new();
    bed.insert("c", doc! {"_id": "there"}).await.unwrap();
    let insert =
        |key: &str| WriteOp::Insert { collection: name("c"), document: raw(&doc! {"_id": key, "n": 1}) };
    let error = bed.write(vec![insert("x"), insert("there")]).await.unwrap_err();
    assert!(matches!(error, EngineError::BatchOperation { index: 1, .. }));
    assert_eq!(bed.get("c", "x", &Actor::Trusted), None);
    let update = WriteOp::Update {
        collection: name("c"),
        id: id("x"),
        update: doc! {"$inc": {"n": 1}}.into(),
        precondition: Precondition::Any,
    };
    let commit = bed.write(vec![insert("x"), update]).await.unwrap();
    assert_eq!(commit.written.len(), 2);
    assert_eq!(bed.get("c", "x", &Actor::Trusted).unwrap().get_i32("n").ok(), Some(2));
    assert!(bed.write(vec![]).await.is_err());
    // A failed batch into a new collection leaves no collection behind.
    let into_new = WriteOp::Insert { collection: name("new"), document: raw(&doc! {"_id": "1"}) };
    bed.write(vec![into_new, insert("there")]).await.unwrap_err();
    assert_eq!(bed.engine.collection(&bed.database, &name("new")).unwrap(), None);
}

/// Documents of every shape that a query may meet.
fn samples() -> Vec<Document> {
    let mut samples: Vec<Document> = (0..60_i32)
        .map(|n| doc! {"_id": format!("d{n:02}"), "n": n % 7, "s": format!("s{}", n % 5), "half": f64::from(n) / 2.0})
        .collect();
    samples.extend([
        doc! {"_id": "e1", "n": null},
        doc! {"_id": "e2", "s": "s1"},
        doc! {"_id": "e3", "n": [1, 5, "x"], "s": "s2"},
        doc! {"_id": "e4", "n": [], "s": ["s1", "s2"]},
        doc! {"_id": "e5", "n": "text", "d": {"k": 1}},
        doc! {"_id": "e6", "n": 3_i64, "d": [{"k": 1}, {"k": 4}]},
        doc! {"_id": "e7", "n": f64::NAN},
        doc! {"_id": "e8", "n": 1e300},
    ]);
    samples
}

fn filters() -> Vec<Document> {
    vec![
        doc! {},
        doc! {"n": 3},
        doc! {"n": 3.0, "s": "s1"},
        doc! {"n": {"$gt": 2, "$lte": 5}},
        doc! {"n": {"$gte": 5}},
        doc! {"n": {"$lt": 3}, "s": {"$gte": "s2"}},
        doc! {"n": {"$in": [1, 5, "text"]}},
        doc! {"n": {"$in": [1, 5]}, "s": {"$in": ["s1", "s2"]}},
        doc! {"n": null},
        doc! {"n": {"$ne": 1}},
        doc! {"n": [1, 5, "x"]},
        doc! {"n": {"$gt": 1, "$lt": 2}},
        doc! {"s": "s1", "n": {"$exists": false}},
        doc! {"$or": [{"n": 1}, {"s": "s4"}]},
        doc! {"d.k": {"$gt": 0}},
        doc! {"_id": {"$gt": "d10", "$lt": "d20"}},
        doc! {"_id": {"$in": ["d30", "e1", "zz"]}},
        doc! {"_id": "d03", "n": 3},
        doc! {"half": {"$gte": 3, "$lt": 9.5}, "n": {"$nin": [1, 2]}},
    ]
}

fn sorts() -> Vec<Vec<FieldOrder>> {
    use Order::{Ascending as Up, Descending as Down};
    vec![
        vec![],
        vec![field("n", Up)],
        vec![field("n", Down)],
        vec![field("s", Up), field("n", Up)],
        vec![field("s", Down), field("n", Down)],
        vec![field("s", Up), field("n", Down)],
        vec![field("_id", Down)],
        vec![field("n", Up), field("_id", Down)],
    ]
}

/// The heart of the planner's contract: an index changes how documents are found, never which or in what
/// order, and pages join to the whole.
#[tokio::test]
async fn indexes_and_pages_do_not_change_answers() {
    use Order::{Ascending as Up, Descending as Down};
    let plain = Bed::new();
    let indexed = Bed::new();
    for bed in [&plain, &indexed] {
        let operations = samples()
            .iter()
            .map(|sample| WriteOp::Insert { collection: name("c"), document: raw(sample) })
            .collect();
        bed.write(operations).await.unwrap();
    }
    let shapes = [
        vec![field("n", Up)],
        vec![field("n", Down)],
        vec![field("s", Up), field("n", Up)],
        vec![field("s", Up), field("n", Down)],
        vec![field("half", Down)],
        vec![field("d.k", Up)],
    ];
    for shape in shapes {
        assert_eq!(indexed.index("c", shape, false).await, IndexState::Ready);
    }
    let mut used = 0;
    for filter in filters() {
        for sort in sorts() {
            let request = request(filter.clone(), sort.clone());
            let expected = plain.ids("c", &request);
            assert_eq!(indexed.ids("c", &request), expected, "{filter} {sort:?}");
            assert_eq!(plain.paged("c", &request, 3), expected, "{filter} {sort:?}");
            assert_eq!(indexed.paged("c", &request, 3), expected, "{filter} {sort:?}");
            let page = indexed.engine.find(&indexed.database, &name("c"), &request, &Actor::Trusted).unwrap();
            used += usize::from(page.index.is_some());
        }
    }
    assert!(used > 60, "indexes were used {used} times");
}

#[tokio::test]
async fn an_index_without_arrays_gives_the_order_and_examines_only_the_page() {
    let bed = Bed::new();
    let operations = (0..500_i32)
        .map(|n| WriteOp::Insert {
            collection: name("c"),
            document: raw(&doc! {"_id": format!("{n:04}"), "country": n % 3, "size": 500 - n}),
        })
        .collect();
    bed.write(operations).await.unwrap();
    let shape = vec![field("country", Order::Ascending), field("size", Order::Descending)];
    assert_eq!(bed.index("c", shape, false).await, IndexState::Ready);
    for order in [Order::Ascending, Order::Descending] {
        let mut request = request(doc! {"country": 1}, vec![field("size", order)]);
        request.limit = 10;
        let page = bed.engine.find(&bed.database, &name("c"), &request, &Actor::Trusted).unwrap();
        assert_eq!(page.index.as_deref(), Some("country_1_size_-1"));
        assert!(page.examined <= 10, "{}", page.examined);
        let ids: Vec<_> =
            page.documents.iter().map(|d| d.document.get_str("_id").unwrap().to_owned()).collect();
        let expected = if order == Order::Ascending { "0499" } else { "0001" };
        assert_eq!(ids[0], expected);
    }
}

#[tokio::test]
async fn a_cursor_stays_right_while_others_write_and_belongs_to_its_query() {
    let bed = Bed::new();
    for key in ["b", "d", "f", "h"] {
        bed.insert("c", doc! {"_id": key}).await.unwrap();
    }
    let mut request = request(doc! {}, vec![]);
    request.limit = 2;
    let page = bed.engine.find(&bed.database, &name("c"), &request, &Actor::Trusted).unwrap();
    bed.insert("c", doc! {"_id": "a"}).await.unwrap();
    bed.insert("c", doc! {"_id": "e"}).await.unwrap();
    let removed = WriteOp::Delete { collection: name("c"), id: id("d"), precondition: Precondition::Any };
    bed.write(vec![removed]).await.unwrap();
    request.cursor = page.next_cursor;
    assert_eq!(bed.ids("c", &request), ["e", "f"]);
    request.filter = doc! {"x": 1};
    let foreign = bed.engine.find(&bed.database, &name("c"), &request, &Actor::Trusted);
    assert!(matches!(foreign, Err(EngineError::InvalidQuery(_))));
    for cursor in ["", "!!", "AAAA"] {
        request.cursor = Some(cursor.into());
        let malformed = bed.engine.find(&bed.database, &name("c"), &request, &Actor::Trusted);
        assert!(matches!(malformed, Err(EngineError::InvalidQuery(_))), "{cursor}");
    }
}

#[tokio::test]
async fn unique_indexes_hold_and_fail_over_duplicates() {
    let bed = Bed::new();
    bed.insert("c", doc! {"_id": "a", "mail": "x"}).await.unwrap();
    let shape = vec![field("mail", Order::Ascending)];
    assert_eq!(bed.index("c", shape.clone(), true).await, IndexState::Ready);
    let twice = bed.insert("c", doc! {"_id": "b", "mail": "x"}).await;
    assert!(matches!(twice, Err(EngineError::UniqueViolation { .. })));
    let insert =
        |key: &str| WriteOp::Insert { collection: name("c"), document: raw(&doc! {"_id": key, "mail": "y"}) };
    let both = bed.write(vec![insert("p"), insert("q")]).await;
    assert!(matches!(both, Err(EngineError::BatchOperation { index: 1, .. })));
    // A key is free again when its document changes or goes.
    let update = WriteOp::Update {
        collection: name("c"),
        id: id("a"),
        update: doc! {"mail": "z"}.into(),
        precondition: Precondition::Any,
    };
    bed.write(vec![update, insert("p")]).await.unwrap();
    bed.insert("c", doc! {"_id": "b", "mail": "x"}).await.unwrap();
    bed.insert("d", doc! {"_id": "1", "mail": "x"}).await.unwrap();
    bed.insert("d", doc! {"_id": "2", "mail": "x"}).await.unwrap();
    assert!(matches!(bed.index("d", shape, true).await, IndexState::Failed { .. }));
    bed.insert("d", doc! {"_id": "3", "mail": "x"}).await.unwrap();
    bed.engine.drop_index(&bed.database, &name("d"), "mail_1").await.unwrap();
    assert!(bed.engine.collection(&bed.database, &name("d")).unwrap().unwrap().indexes.is_empty());
}

#[tokio::test]
async fn rules_bind_ruled_actors_and_close_by_default() {
    let bed = Bed::new();
    bed.insert("closed", doc! {"_id": "a"}).await.unwrap();
    let (ann, bob) = (user("ann"), user("bob"));
    assert_eq!(bed.get("closed", "a", &ann), None);
    for collection in ["closed", "missing"] {
        let found = bed.engine.find(&bed.database, &name(collection), &request(doc! {}, vec![]), &ann);
        assert!(matches!(found, Err(EngineError::Denied { .. })));
        let insert = WriteOp::Insert { collection: name(collection), document: raw(&doc! {"_id": "x"}) };
        let written = bed.engine.write(&bed.database, vec![insert], &ann).await;
        assert!(matches!(written, Err(EngineError::Denied { .. })));
    }
    let rules = RuleSet {
        read: Some("resource.data.owner == request.auth.uid".into()),
        write: Some(
            "request.resource.data.owner == request.auth.uid && resource.data.owner == request.auth.uid"
                .into(),
        ),
        delete: Some("resource.data.owner == request.auth.uid".into()),
        ..RuleSet::default()
    };
    bed.engine.create_collection(&bed.database, &name("own"), rules).await.unwrap();
    for (key, owner) in [("1", "ann"), ("2", "bob"), ("3", "ann")] {
        bed.insert("own", doc! {"_id": key, "owner": owner}).await.unwrap();
    }
    assert!(bed.get("own", "1", &ann).is_some());
    assert_eq!(bed.get("own", "1", &bob), None);
    let page = bed.engine.find(&bed.database, &name("own"), &request(doc! {}, vec![]), &ann).unwrap();
    assert_eq!(page.documents.len(), 2);
    let update = |key: &str, owner: &str| {
        vec![WriteOp::Update {
            collection: name("own"),
            id: id(key),
            update: doc! {"owner": owner}.into(),
            precondition: Precondition::Any,
        }]
    };
    bed.engine.write(&bed.database, update("1", "ann"), &ann).await.unwrap();
    for (key, owner) in [("1", "bob"), ("2", "ann"), ("nothing", "ann")] {
        let denied = bed.engine.write(&bed.database, update(key, owner), &ann).await;
        assert!(matches!(denied, Err(EngineError::Denied { .. })), "{key} {owner}: {denied:?}");
    }
    bed.engine.set_rules(&bed.database, &name("own"), RuleSet::default()).await.unwrap();
    assert_eq!(bed.get("own", "1", &ann), None);
}

#[tokio::test]
async fn the_feed_has_every_change_in_order_and_says_when_it_was_trimmed() {
    let options = EngineOptions { feed_changes_retained: 10, ..EngineOptions::default() };
    let bed = Bed::with(options);
    bed.insert("c", doc! {"_id": "a", "n": 1}).await.unwrap();
    let update = WriteOp::Update {
        collection: name("c"),
        id: id("a"),
        update: doc! {"n": 2}.into(),
        precondition: Precondition::Any,
    };
    let delete = WriteOp::Delete { collection: name("c"), id: id("a"), precondition: Precondition::Any };
    bed.write(vec![update, delete]).await.unwrap();
    let changes = bed.engine.changes(&bed.database, ChangePosition::default(), 10).unwrap();
    let kinds: Vec<_> = changes.iter().map(|change| (change.position, &change.kind)).collect();
    let at = |commit, index| ChangePosition { commit, index };
    assert_eq!(kinds.len(), 3);
    assert!(matches!(kinds[0], (position, ChangeKind::Added(_)) if position == at(1, 0)));
    assert!(
        matches!(kinds[1], (position, ChangeKind::Modified { before: None, .. }) if position == at(2, 0))
    );
    assert_eq!(kinds[2], (at(2, 1), &ChangeKind::Removed { before: None }));
    assert_eq!(bed.engine.changes(&bed.database, at(2, 0), 10).unwrap().len(), 1);
    assert_eq!(*bed.engine.commits().borrow(), 2);
    for _ in 0..2 {
        let operations =
            (0..900).map(|_| WriteOp::Insert { collection: name("c"), document: raw(&doc! {}) }).collect();
        bed.write(operations).await.unwrap();
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while bed.engine.changes(&bed.database, ChangePosition::default(), 1).is_ok() && Instant::now() < deadline
    {
        tokio::task::yield_now().await;
    }
    let trimmed = bed.engine.changes(&bed.database, ChangePosition::default(), 1);
    assert!(matches!(trimmed, Err(EngineError::FeedTrimmed)));
    assert_eq!(bed.engine.changes(&bed.database, at(4, 889), 1_000).unwrap().len(), 10);
}

#[tokio::test]
async fn the_feed_is_trimmed_to_its_bytes() {
    let options = EngineOptions { feed_bytes_max: 100_000, ..EngineOptions::default() };
    let bed = Bed::with(options);
    for n in 0..30 {
        bed.insert("c", doc! {"_id": format!("d{n:02}"), "text": "x".repeat(10_000)}).await.unwrap();
    }
    let reaches = |after: u64| {
        let after = ChangePosition { commit: after, index: u32::MAX };
        bed.engine.changes(&bed.database, after, 100).map(|changes| changes.len())
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while reaches(19).is_ok() {
        assert!(Instant::now() < deadline, "the feed is not trimmed");
        tokio::task::yield_now().await;
    }
    assert_eq!(
        reaches(21).unwrap(),
        9,
        "nine entries of a little more than 10,000 bytes, and one that is slack"
    );
}

#[tokio::test]
async fn the_feed_tells_what_an_actor_may_see_and_could_see() {
    let bed = Bed::new();
    let owned =
        RuleSet { read: Some("resource.data.owner == request.auth.uid".into()), ..RuleSet::default() };
    bed.engine.create_collection(&bed.database, &name("c"), owned).await.unwrap();
    bed.insert("c", doc! {"_id": "a", "owner": "ann"}).await.unwrap();
    let give = WriteOp::Update {
        collection: name("c"),
        id: id("a"),
        update: doc! {"owner": "bob"}.into(),
        precondition: Precondition::Any,
    };
    let delete = WriteOp::Delete { collection: name("c"), id: id("a"), precondition: Precondition::Any };
    bed.write(vec![give, delete]).await.unwrap();
    let seen = |actor: &Actor| -> Vec<(bool, bool)> {
        let changes = bed.engine.changes(&bed.database, ChangePosition::default(), 10).unwrap();
        let sights = changes.iter().map(|change| bed.engine.sight(&bed.database, change, actor));
        sights.map(|sight| (sight.before, sight.after)).collect()
    };
    assert_eq!(seen(&user("ann")), [(false, true), (true, false), (false, false)]);
    assert_eq!(seen(&user("bob")), [(false, false), (false, true), (true, false)]);
    assert_eq!(seen(&user("eve")), [(false, false); 3]);

    // Rules hold at once, for what was written before too; where the document before is not kept, only a
    // rule that does not look at documents can open it.
    let open = RuleSet { read: Some("request.auth != null".into()), ..RuleSet::default() };
    bed.engine.set_rules(&bed.database, &name("c"), open).await.unwrap();
    assert_eq!(seen(&user("eve"))[..3], [(false, true), (true, true), (true, false)]);
    bed.insert("c", doc! {"_id": "b", "owner": "ann"}).await.unwrap();
    let delete = WriteOp::Delete { collection: name("c"), id: id("b"), precondition: Precondition::Any };
    bed.write(vec![delete]).await.unwrap();
    assert_eq!(seen(&user("eve"))[4..], [(false, true), (true, false)]);
    let owned = RuleSet { read: Some("resource == null || false".into()), ..RuleSet::default() };
    bed.engine.set_rules(&bed.database, &name("c"), owned).await.unwrap();
    assert_eq!(seen(&user("ann"))[4..6], [(false, false), (false, false)]);

    // A later collection of the same name opens nothing of the one before.
    bed.engine.drop_collection(&bed.database, &name("c")).await.unwrap();
    assert!(!bed.engine.may_list(&bed.database, &name("c"), &user("ann")));
    let all = RuleSet { read: Some("true".into()), ..RuleSet::default() };
    bed.engine.create_collection(&bed.database, &name("c"), all).await.unwrap();
    assert!(bed.engine.may_list(&bed.database, &name("c"), &user("ann")));
    assert_eq!(seen(&user("ann"))[..3], [(false, false); 3]);
}

#[tokio::test]
async fn drops_and_rules_stand_in_the_feed_and_wake_the_readers_of_their_database() {
    let bed = Bed::new();
    let mut wake_up = bed.engine.watch(&bed.database);
    let other = DatabaseName::parse("other").unwrap();
    let write = || vec![WriteOp::Insert { collection: name("c"), document: raw(&doc! {"_id": "a"}) }];
    bed.engine.write(&other, write(), &Actor::Trusted).await.unwrap();
    assert!(!wake_up.has_changed().unwrap());
    bed.write(write()).await.unwrap();
    assert_eq!(*wake_up.borrow_and_update(), 2);
    bed.engine.set_rules(&bed.database, &name("c"), RuleSet::default()).await.unwrap();
    assert_eq!(*wake_up.borrow_and_update(), 3);
    bed.engine.drop_collection(&bed.database, &name("c")).await.unwrap();
    assert_eq!(*wake_up.borrow_and_update(), 4);
    let changes = bed.engine.changes(&bed.database, ChangePosition::default(), 10).unwrap();
    let kinds: Vec<_> = changes.iter().skip(1).map(|change| (change.position.commit, &change.kind)).collect();
    assert_eq!(kinds, [(3, &ChangeKind::RulesReplaced), (4, &ChangeKind::Dropped)]);
    let epoch = bed.engine.epoch(&bed.database);
    assert_eq!(epoch, bed.engine.epoch(&bed.database));
    bed.engine.purge(&bed.database).await.unwrap();
    assert!(wake_up.has_changed().unwrap());
    bed.write(write()).await.unwrap();
    assert_ne!(epoch, bed.engine.epoch(&bed.database));
}

#[tokio::test]
async fn dropping_and_purging_leave_nothing_and_touch_nobody_else() {
    let bed = Bed::new();
    let other = DatabaseName::parse("other").unwrap();
    let insert =
        || vec![WriteOp::Insert { collection: name("c"), document: raw(&doc! {"_id": "a", "n": 1}) }];
    bed.write(insert()).await.unwrap();
    bed.engine.write(&other, insert(), &Actor::Trusted).await.unwrap();
    assert_eq!(bed.index("c", vec![field("n", Order::Ascending)], false).await, IndexState::Ready);
    bed.engine.drop_collection(&bed.database, &name("c")).await.unwrap();
    let again = bed.engine.drop_collection(&bed.database, &name("c")).await;
    assert!(matches!(again, Err(EngineError::CollectionNotFound(_))));
    bed.write(insert()).await.unwrap();
    let info = bed.engine.collection(&bed.database, &name("c")).unwrap().unwrap();
    assert_eq!((info.documents, info.indexes.len()), (1, 0));
    bed.engine.purge(&bed.database).await.unwrap();
    bed.engine.purge(&bed.database).await.unwrap();
    assert!(bed.engine.collections(&bed.database, "").unwrap().is_empty());
    assert_eq!(bed.get("c", "a", &Actor::Trusted), None);
    assert!(bed.engine.changes(&bed.database, ChangePosition::default(), 10).unwrap().is_empty());
    assert!(bed.engine.get(&other, &name("c"), &id("a"), &Actor::Trusted).unwrap().is_some());
    bed.write(insert()).await.unwrap();
    assert_eq!(bed.engine.changes(&bed.database, ChangePosition::default(), 10).unwrap().len(), 1);
}

#[tokio::test]
async fn limits_are_told_with_a_way_out() {
    let options =
        EngineOptions { find_examined_max: 20, indexes_per_collection_max: 1, ..EngineOptions::default() };
    let bed = Bed::with(options);
    for n in 0..30 {
        bed.insert("c", doc! {"n": n}).await.unwrap();
    }
    let wide = request(doc! {"n": 3}, vec![field("s", Order::Descending)]);
    let error = bed.engine.find(&bed.database, &name("c"), &wide, &Actor::Trusted).unwrap_err();
    let EngineError::QueryTooExpensive { message: text, .. } = error else { panic!("{error:?}") };
    assert!(text.contains("{\"path\": \"n\", \"order\": 1}, {\"path\": \"s\", \"order\": -1}"), "{text}");
    for (limit, skip) in [(0, 0), (1_001, 0), (1, 1_000_000)] {
        let request = FindRequest { limit, skip, ..FindRequest::default() };
        let found = bed.engine.find(&bed.database, &name("c"), &request, &Actor::Trusted);
        assert!(matches!(found, Err(EngineError::InvalidQuery(_))));
    }
    bed.index("c", vec![field("n", Order::Ascending)], false).await;
    let second = IndexSpec { fields: vec![field("m", Order::Ascending)], ..IndexSpec::default() };
    let refused = bed.engine.create_index(&bed.database, &name("c"), second).await;
    assert!(matches!(refused, Err(EngineError::LimitExceeded { .. })));
    let many =
        (0..1_001).map(|_| WriteOp::Insert { collection: name("c"), document: raw(&doc! {}) }).collect();
    assert!(matches!(bed.write(many).await, Err(EngineError::LimitExceeded { .. })));
    bed.engine.shutdown().await;
    assert!(matches!(bed.insert("c", doc! {}).await, Err(EngineError::Closed)));
}
