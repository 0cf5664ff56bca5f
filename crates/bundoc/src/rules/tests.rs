//! What rules decide, see, look up and cost.

use super::*;
use crate::engine::{CollectionName, DocumentId};
use bson::{doc, rawdoc};
use fjall::Slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// One document, `users/ann`, and how often it was read.
#[derive(Default)]
pub(super) struct Ann(AtomicU32);

impl Lookup for Ann {
    fn document(&self, collection: &CollectionName, id: &DocumentId) -> Result<Option<Slice>, EngineError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        match (collection.as_str(), id.as_str()) {
            ("broken", _) => Err(EngineError::Damaged("broken".into())),
            ("users" | "_system/users", "ann") => {
                let document = rawdoc! {"_id": "ann", "role": "admin", "teams": ["a", "b"]};
                Ok(Some([&[0; 8], document.as_bytes()].concat().into()))
            }
            _ => Ok(None),
        }
    }
}

impl CompiledRules {
    fn allows(&self, actor: &Actor, method: Method, documents: Documents<'_>) -> bool {
        self.allow(actor, method, documents, &Lookups::new(&Ann::default())).unwrap()
    }
}

fn rules(read: &str) -> CompiledRules {
    let set = RuleSet { read: Some(read.into()), ..RuleSet::default() };
    check(&set).unwrap();
    CompiledRules::new(set)
}

fn user(uid: &str) -> Actor {
    Actor::Ruled(Arc::new(RuleAuth { uid: Some(uid.into()), claims: doc! {"role": "editor"} }))
}

fn anonymous() -> Actor {
    Actor::Ruled(Arc::default())
}

#[test]
fn rules_decide_by_auth_and_document() {
    let document = rawdoc! {"owner": "ann", "tags": ["a", "b"], "n": 3, "at": bson::DateTime::from_millis(5)};
    let documents = Documents { present: Some(&document), new: None };
    let cases = [
        ("request.auth.uid == resource.data.owner", user("ann"), true),
        ("request.auth.uid == resource.data.owner", user("bob"), false),
        ("request.auth.uid == resource.data.owner", anonymous(), false),
        ("request.auth != null", user("bob"), true),
        ("request.auth != null", anonymous(), false),
        ("request.auth.claims.role == 'editor'", user("bob"), true),
        ("resource.data.tags.exists(t, t == 'b')", anonymous(), true),
        ("resource.data.n > 2 && resource.data.at == 5", anonymous(), true),
        ("resource.data.missing", anonymous(), false),
        ("resource.data.n", anonymous(), false),
        ("request.method == 'get'", anonymous(), true),
        ("has(resource.data.owner) && !has(resource.data.x)", anonymous(), true),
        ("true", anonymous(), true),
        ("false", anonymous(), false),
    ];
    for (text, actor, expected) in cases {
        assert_eq!(rules(text).allows(&actor, Method::Get, documents), expected, "{text}");
    }
}

#[test]
fn a_rule_that_names_the_resource_looks_at_documents() {
    for (text, looks) in [
        ("true", false),
        ("false", false),
        ("request.auth != null", false),
        ("request.auth.uid == resource.data.owner", true),
    ] {
        assert_eq!(rules(text).listing_looks_at_documents(), looks, "{text}");
    }
    assert!(!CompiledRules::new(RuleSet::default()).listing_looks_at_documents());
}

#[test]
fn missing_rules_fall_back_and_then_deny() {
    let all = CompiledRules::new(RuleSet {
        read: Some("true".into()),
        write: Some("true".into()),
        ..RuleSet::default()
    });
    let none = CompiledRules::new(RuleSet::default());
    for method in [Method::Get, Method::List, Method::Create, Method::Update, Method::Delete] {
        assert!(all.allows(&anonymous(), method, Documents::default()));
        assert!(!none.allows(&anonymous(), method, Documents::default()));
        assert!(none.allows(&Actor::Trusted, method, Documents::default()));
    }
}

#[test]
fn rules_that_do_not_parse_or_cost_too_much_are_refused() {
    let long = format!("'{}' == 'x'", "x".repeat(5_000));
    let deep = format!("{}true{}", "(".repeat(200), ")".repeat(200));
    let chain = format!("1{} > 0", " + 1".repeat(900));
    let refused = [
        "1 +",
        "unknown.field == 1",
        "database.get('x')",
        "resource.data.x.matches('(a+)+')",
        "[1, 2].all(x, exists('users/ann'))",
        "",
        "[1].all(x, [2].all(y, x == y))",
        "['x'].map(s, s + s).map(s, s + s) == []",
        long.as_str(),
        deep.as_str(),
        chain.as_str(),
    ];
    for text in refused {
        let set = RuleSet { create: Some(text.into()), ..RuleSet::default() };
        let error = check(&set).unwrap_err();
        assert!(matches!(error, EngineError::InvalidRule { operation: "create", .. }), "{text}");
    }
}

#[test]
fn rules_look_other_documents_up() {
    let cases = [
        ("get('users/ann').role == 'admin'", true),
        ("get('/users/' + request.auth.uid).role == 'admin'", true),
        ("exists('users/ann') && !exists('users/bob')", true),
        ("get('users/bob') == null", true),
        ("get('users/ann').teams.exists(t, t == 'b')", true),
        ("get('users/ann').teams.all(t, t == 'b')", false),
        ("get('users/bob').role == 'admin'", false),
        ("exists('users')", false),
        ("get(1) == null", false),
        ("exists('_system/users/ann')", false),
    ];
    for (text, expected) in cases {
        assert_eq!(rules(text).allows(&user("ann"), Method::Get, Documents::default()), expected, "{text}");
    }
}

#[test]
fn a_look_up_that_fails_is_an_error_and_not_a_denial() {
    let ann = Ann::default();
    let rules = rules("exists('broken/x') || true");
    let failed = rules.allow(&user("ann"), Method::Get, Documents::default(), &Lookups::new(&ann));
    assert!(matches!(failed, Err(EngineError::Damaged(_))));
}

#[test]
fn a_document_is_looked_up_once_for_an_operation() {
    let ann = Ann::default();
    let lookups = Lookups::new(&ann);
    let rules = rules("get('users/ann').role == 'admin' && exists('users/ann') && !exists('users/x')");
    for _ in 0..3 {
        assert!(rules.allow(&user("a"), Method::Get, Documents::default(), &lookups).unwrap());
    }
    assert_eq!(ann.0.load(Ordering::Relaxed), 2);
}

#[test]
fn what_is_too_large_to_look_at_is_denied_with_a_reason() {
    let long = "x".repeat(2_000_000);
    let many: Vec<i32> = (0..20_000).collect();
    let document = bson::RawDocumentBuf::try_from(&doc! {"long": long, "many": many, "n": 1}).unwrap();
    let reason = |text: &str| {
        let set = RuleSet { read: Some(text.into()), ..RuleSet::default() };
        let probe = RuleProbe {
            rules: None,
            operation: RuleOperation::Read,
            auth: RuleAuth::default(),
            resource: Some(document.clone()),
            request_resource: None,
        };
        CompiledRules::new(set).verdict(&probe, &Lookups::new(&Ann::default())).unwrap().reason
    };
    assert_eq!(reason("resource.data.n == 1"), None, "only what is named counts");
    assert!(reason("resource.data.long.size() > 1").unwrap().contains("1048576 bytes"));
    assert!(reason("resource.data.many.all(x, x >= 0 && x + 1 > 0)").unwrap().contains("loops"));
    assert_eq!(reason("19999 in resource.data.many"), None);
    assert_eq!(reason("resource.data.n").unwrap(), "it is a value of the type int, and not true or false");
}

#[test]
fn a_rule_over_time_or_other_documents_varies() {
    for (text, varies) in [
        ("true", Varies::No),
        ("resource.data.x == request.auth.uid", Varies::No),
        ("request.time > resource.data.from", Varies::WithTime),
        ("exists('users/' + request.auth.uid)", Varies::WithDocuments),
    ] {
        let listing = rules(text).listing(&user("ann"), &Lookups::new(&Ann::default())).unwrap();
        assert_eq!(listing.varies, varies, "{text}");
    }
}

#[test]
fn the_place_of_a_mistake_is_told() {
    let set = RuleSet { write: Some("true &&\n  nobody.x".into()), ..RuleSet::default() };
    let error = check(&set).unwrap_err();
    let expected =
        "rule `write`, line 2, column 3: `nobody` is not known; a rule sees `request` and `resource`";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_verdict_names_the_rule_that_decided() {
    let all = CompiledRules::new(RuleSet { write: Some("false".into()), ..RuleSet::default() });
    let probe = |operation| RuleProbe {
        rules: None,
        operation,
        auth: RuleAuth::default(),
        resource: None,
        request_resource: None,
    };
    let ann = Ann::default();
    let verdict = all.verdict(&probe(RuleOperation::Delete), &Lookups::new(&ann)).unwrap();
    assert_eq!((verdict.allowed, verdict.rule, verdict.reason), (false, Some("write"), None));
    let verdict = all.verdict(&probe(RuleOperation::List), &Lookups::new(&ann)).unwrap();
    assert_eq!((verdict.allowed, verdict.rule), (false, None));
}
