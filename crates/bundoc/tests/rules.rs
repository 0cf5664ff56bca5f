//! Rules as the engine applies them: look-ups in the state of the operation, and queries that examine only
//! what the rule can allow.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails; this covers its helpers too")]

use bson::{Document, RawDocumentBuf, doc};
use bundoc::engine::{
    Actor, CollectionName, DatabaseName, DocumentId, Engine, Extent, FieldOrder, FindRequest, IndexSpec,
    IndexState, Order, Page, Precondition, RuleAuth, RuleOperation, RuleProbe, RuleSet, Varies, WriteOp,
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

fn user(uid: &str) -> Actor {
    Actor::Ruled(Arc::new(RuleAuth { uid: Some(uid.into()), claims: doc! {} }))
}

fn insert(collection: &str, document: &Document) -> WriteOp {
    let document = RawDocumentBuf::try_from(document).unwrap();
    WriteOp::Insert { collection: name(collection), document }
}

impl Bed {
    async fn with(collection: &str, rules: RuleSet) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (engine, _) = FjallEngine::open(directory.path(), EngineOptions::default()).unwrap();
        let bed = Self { engine, database: DatabaseName::parse("db").unwrap(), _directory: directory };
        bed.open(collection, rules).await;
        bed
    }

    async fn open(&self, collection: &str, rules: RuleSet) {
        self.engine.create_collection(&self.database, &name(collection), rules).await.unwrap();
    }

    async fn write(&self, operations: Vec<WriteOp>, actor: &Actor) -> Result<(), EngineError> {
        self.engine.write(&self.database, operations, actor).await.map(|_| ())
    }

    fn list(&self, collection: &str, filter: Document, actor: &Actor) -> Page {
        let request = FindRequest { filter, limit: 1_000, ..FindRequest::default() };
        self.engine.find(&self.database, &name(collection), &request, actor).unwrap()
    }

    async fn index(&self, collection: &str, path: &str) {
        let fields = vec![FieldOrder { path: path.into(), order: Order::Ascending }];
        let spec = IndexSpec { fields, ..IndexSpec::default() };
        self.engine.create_index(&self.database, &name(collection), spec).await.unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        let ready = || {
            let collection = self.engine.collection(&self.database, &name(collection)).unwrap().unwrap();
            collection.indexes.iter().all(|index| index.state == IndexState::Ready)
        };
        while !ready() {
            assert!(Instant::now() < deadline, "the index is not built");
            tokio::task::yield_now().await;
        }
    }
}

fn rules(read: &str, write: &str) -> RuleSet {
    RuleSet { read: Some(read.into()), write: Some(write.into()), ..RuleSet::default() }
}

#[tokio::test]
async fn a_query_under_rules_examines_only_what_they_can_allow() {
    let rule = "resource.data.owner == request.auth.uid && resource.data.state != 'draft'";
    let bed = Bed::with("posts", rules(rule, "false")).await;
    let states = ["draft", "open"];
    let post = |n: usize| {
        insert(
            "posts",
            &doc! {"_id": format!("p{n:03}"), "owner": format!("u{}", n % 50), "state": states[n / 50 % 2]},
        )
    };
    bed.write((0..500).map(post).collect(), &Actor::Trusted).await.unwrap();
    let scanned = bed.list("posts", doc! {}, &user("u7"));
    assert_eq!((scanned.documents.len(), scanned.examined, scanned.index), (5, 500, None));
    bed.index("posts", "owner").await;
    let served = bed.list("posts", doc! {}, &user("u7"));
    assert_eq!((served.documents.len(), served.examined), (5, 10), "its own, drafts among them");
    assert_eq!(served.index.as_deref(), Some("owner_1"));
    let everything = bed.list("posts", doc! {}, &Actor::Trusted);
    assert_eq!((everything.documents.len(), everything.index), (500, None));
}

#[tokio::test]
async fn a_rule_that_allows_nothing_examines_nothing() {
    let bed = Bed::with("posts", rules("exists('members/' + request.auth.uid)", "false")).await;
    bed.write((0..50).map(|_| insert("posts", &doc! {})).collect(), &Actor::Trusted).await.unwrap();
    let none = bed.list("posts", doc! {}, &user("ann"));
    assert_eq!((none.documents.len(), none.examined), (0, 0));
    bed.write(vec![insert("members", &doc! {"_id": "ann"})], &Actor::Trusted).await.unwrap();
    assert_eq!(bed.list("posts", doc! {}, &user("ann")).documents.len(), 50);
}

#[tokio::test]
async fn writes_look_up_the_state_that_they_are_applied_to() {
    let write = "get('wallets/' + request.auth.uid).open == true";
    let bed = Bed::with("orders", rules("true", write)).await;
    bed.open("wallets", rules("true", "request.auth.uid == resource.data._id")).await;
    let ann = user("ann");
    let order = || insert("orders", &doc! {});
    assert!(matches!(bed.write(vec![order()], &ann).await, Err(EngineError::Denied { .. })));
    // What a batch wrote before is seen, and what it closed again too.
    let wallet = |open: bool| insert("wallets", &doc! {"_id": "ann", "open": open});
    bed.write(vec![wallet(true), order()], &ann).await.unwrap();
    let close = WriteOp::Update {
        collection: name("wallets"),
        id: DocumentId::parse("ann").unwrap(),
        update: doc! {"$set": {"open": false}}.into(),
        precondition: Precondition::Any,
    };
    let denied = bed.write(vec![order(), close, order()], &ann).await;
    assert!(matches!(denied, Err(EngineError::BatchOperation { index: 2, .. })), "{denied:?}");
    assert_eq!(bed.list("orders", doc! {}, &Actor::Trusted).documents.len(), 1);
}

#[tokio::test]
async fn look_ups_stay_in_their_database_and_away_from_services() {
    let rule = "exists('secrets/x') || exists('_system/auth/x') || exists('users/ann/keys/x')";
    let bed = Bed::with("c", rules(rule, "false")).await;
    let elsewhere = DatabaseName::parse("other").unwrap();
    let document = || insert("secrets", &doc! {"_id": "x"});
    bed.engine.write(&elsewhere, vec![document()], &Actor::Trusted).await.unwrap();
    bed.write(vec![insert("_system/auth", &doc! {"_id": "x"}), insert("c", &doc! {})], &Actor::Trusted)
        .await
        .unwrap();
    assert_eq!(bed.list("c", doc! {}, &user("ann")).documents.len(), 0);
    bed.write(vec![insert("users/ann/keys", &doc! {"_id": "x"})], &Actor::Trusted).await.unwrap();
    assert_eq!(bed.list("c", doc! {}, &user("ann")).documents.len(), 1);
}

#[tokio::test]
async fn what_somebody_may_list_is_told_without_documents() {
    let bed = Bed::with("c", rules("resource.data.owner == request.auth.uid", "false")).await;
    let listing = |actor: &Actor| bed.engine.listing(&bed.database, &name("c"), actor).unwrap();
    let own = listing(&user("ann"));
    let filter = Some(doc! {"owner": {"$in": ["ann"]}});
    assert_eq!((own.extent, own.varies), (Extent::Documents { filter }, Varies::No));
    assert_eq!(listing(&Actor::Ruled(Arc::default())).extent, Extent::Nothing);
    assert_eq!(listing(&Actor::Trusted).extent, Extent::Everything);
    let missing = bed.engine.listing(&bed.database, &name("none"), &user("ann")).unwrap();
    assert_eq!(missing.extent, Extent::Nothing);
}

#[tokio::test]
async fn rules_are_tried_without_being_saved() {
    let bed = Bed::with("c", rules("false", "false")).await;
    let probe = |tried: Option<RuleSet>| RuleProbe {
        rules: tried,
        operation: RuleOperation::List,
        auth: RuleAuth::default(),
        resource: None,
        request_resource: None,
    };
    let verdict = |probe: &RuleProbe| bed.engine.try_rule(&bed.database, &name("c"), probe);
    assert!(!verdict(&probe(None)).unwrap().allowed);
    assert!(verdict(&probe(Some(rules("request.time > 0", "false")))).unwrap().allowed);
    assert!(matches!(
        verdict(&probe(Some(rules("x", "y")))),
        Err(EngineError::InvalidRule { operation: "read", .. })
    ));
}
