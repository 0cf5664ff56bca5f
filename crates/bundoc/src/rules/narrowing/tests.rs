//! Which filters come of rules, and that none leaves out what its rule allows.

use super::super::tests::Ann;
use super::super::{CompiledRules, LANGUAGE};
use super::*;
use crate::engine::{Actor, RuleSet};
use bson::{Decimal128, RawDocumentBuf};
use proptest::prelude::*;
use std::sync::{Arc, LazyLock};

fn auth(uid: Option<&str>) -> RuleAuth {
    let claims = doc! {"role": "editor", "teams": ["a", "b", 3], "level": 3, "limit": 2.5, "none": []};
    RuleAuth { uid: uid.map(Into::into), claims }
}

fn narrowed(text: &str) -> Narrowed {
    let expression = ::rules::compile(text, LANGUAGE).unwrap();
    let compiled = Compiled { named: super::super::named::Named::of(expression.root()), expression };
    narrow(&compiled, &auth(Some("ann")), &Lookups::new(&Ann::default()))
}

#[test]
fn what_a_rule_asks_of_the_document_becomes_a_filter() {
    let filter = Narrowed::Filter;
    let cases = [
        ("resource.data.owner == request.auth.uid", filter(doc! {"owner": {"$in": ["ann"]}})),
        ("request.auth.uid == resource.data.owner.id", filter(doc! {"owner.id": {"$in": ["ann"]}})),
        ("resource.data.public", filter(doc! {"public": true})),
        ("!resource.data.public", filter(doc! {"public": false})),
        ("has(resource.data.a)", filter(doc! {"a": {"$exists": true}})),
        (
            "resource.data.team in request.auth.claims.teams.filter(t, t != 3)",
            filter(doc! {"team": {"$in": ["a", "b"]}}),
        ),
        ("request.auth.claims.role == 'editor' && resource.data.a", filter(doc! {"a": true})),
        ("request.auth.claims.role == 'editor' || resource.data.a", Narrowed::All),
        ("request.auth.claims.role == 'admin' && resource.data.a", Narrowed::Nothing),
        ("request.auth.claims.role == 'admin' || resource.data.a", filter(doc! {"a": true})),
        ("resource.data.a && resource.data.x.size() > 2", filter(doc! {"a": true})),
        ("resource.data.a || resource.data.x.size() > 2", Narrowed::All),
        (
            "resource.data.a && (resource.data.b || resource.data.c)",
            filter(doc! {"$and": [{"a": true}, {"$or": [{"b": true}, {"c": true}]}]}),
        ),
        ("get('users/ann').role == 'admin' && resource.data.a", filter(doc! {"a": true})),
        ("get('users/ann').role == resource.data.role", filter(doc! {"role": {"$in": ["admin"]}})),
        ("exists('users/bob') || resource.data.a", filter(doc! {"a": true})),
        ("request.auth.claims.missing == resource.data.a", Narrowed::Nothing),
        ("resource.data.a == resource.data.b", Narrowed::All),
        ("resource.data['a.b'] == 1", Narrowed::All),
        ("resource.data.level > 2 ? resource.data.a : false", {
            let level = doc! {"$or": [
                {"level": {"$gt": 2.0}},
                {"level": {"$gt": bson::DateTime::from_millis(2)}},
            ]};
            filter(doc! {"$and": [level, {"a": true}]})
        }),
    ];
    for (text, expected) in cases {
        assert_eq!(narrowed(text), expected, "{text}");
    }
}

/// Rules of all shapes, over the fields that `document` makes.
const RULES: &[&str] = &[
    "resource.data.a == request.auth.uid",
    "resource.data.a != request.auth.uid",
    "!(resource.data.a == request.auth.uid)",
    "resource.data.a == 5",
    "resource.data.a == 5.0 || resource.data.b == 2.5",
    "resource.data.a < 5",
    "resource.data.a == 0.1 || resource.data.b <= 0.1",
    "resource.data.a >= 0.1 && resource.data.b in [0.1, 5]",
    "resource.data.a <= 2.5 && resource.data.b > 2.5",
    "!(resource.data.a < 5)",
    "5 >= resource.data.a",
    "resource.data.a > 'ann'",
    "resource.data.a >= '5f0000000000000000000000'",
    "resource.data.a == '5f0000000000000000000000'",
    "resource.data.a == true || resource.data.b < true",
    "resource.data.a == null",
    "resource.data.a != null",
    "resource.data.a",
    "!resource.data.a",
    "has(resource.data.a) && !has(resource.data.b)",
    "has(resource.data.n.x) || !has(resource.data.n.y)",
    "resource.data.n.x == 5",
    "resource.data.n.x != 5 && resource.data.n.x != 'ann'",
    "resource.data.a in request.auth.claims.teams",
    "!(resource.data.a in request.auth.claims.teams)",
    "resource.data.a in request.auth.claims.none",
    "resource.data.a in [5, 'ann', null]",
    "resource.data.a in {'ann': 1}",
    "request.auth.uid in resource.data.a",
    "5 in resource.data.a",
    "!(request.auth.uid in resource.data.a)",
    "resource.data.a == request.auth.claims.level || resource.data.b < request.auth.claims.limit",
    "request.auth == null ? resource.data.a == 5 : resource.data.b == request.auth.uid",
    "resource.data.a ? resource.data.b : !resource.data.b",
    "get('users/ann').role == resource.data.a || exists('users/bob')",
    "request.time > resource.data.a",
    "resource.data.a == 9007199254740993",
    "resource.data.a == [5]",
    "resource.data.a.size() > 1 || resource.data.b == 5",
    "!(resource.data.a == 5 && resource.data.b == 5)",
    "!(resource.data.a == 5 || resource.data.b == 5)",
    "resource.data.a == resource.data.b",
    "resource.data.a.exists(x, x == 5)",
];

/// Compiled once: that takes much longer than to ask them.
static COMPILED: LazyLock<Vec<CompiledRules>> = LazyLock::new(|| {
    let compiled =
        |text: &&str| CompiledRules::new(RuleSet { read: Some((*text).to_owned()), ..RuleSet::default() });
    RULES.iter().map(compiled).collect()
});

fn value() -> impl Strategy<Value = Bson> {
    let id = ObjectId::parse_str("5f0000000000000000000000").unwrap();
    let leaf = prop::sample::select(vec![
        Bson::Int32(5),
        Bson::Int64(5),
        Bson::Double(5.0),
        Bson::Double(2.5),
        Bson::Double(f64::NAN),
        Bson::Int32(-1),
        Bson::Int64((1 << 53) + 1),
        Bson::Double((1_u64 << 53) as f64),
        Bson::Decimal128("2.5".parse::<Decimal128>().unwrap()),
        Bson::Decimal128("5".parse::<Decimal128>().unwrap()),
        Bson::Decimal128("5.000000000000000000000000000000001".parse::<Decimal128>().unwrap()),
        Bson::Decimal128("0.1".parse::<Decimal128>().unwrap()),
        Bson::Double(0.1),
        Bson::DateTime(bson::DateTime::from_millis(5)),
        Bson::DateTime(bson::DateTime::from_millis(2)),
        Bson::DateTime(bson::DateTime::from_millis(3)),
        Bson::String("ann".into()),
        Bson::String("bob".into()),
        Bson::String("admin".into()),
        Bson::String(id.to_hex()),
        Bson::Symbol("ann".into()),
        Bson::ObjectId(id),
        Bson::Boolean(true),
        Bson::Boolean(false),
        Bson::Null,
        Bson::MinKey,
        Bson::RegularExpression(bson::Regex {
            pattern: "a".try_into().unwrap(),
            options: "".try_into().unwrap(),
        }),
    ]);
    let nested = leaf.clone().prop_recursive(2, 6, 3, |inner| {
        let names = prop::sample::select(vec!["x", "y", "ann", "0"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Bson::Array),
            prop::collection::vec((names, inner), 0..3).prop_map(|fields| Bson::Document(
                fields.into_iter().map(|(n, v)| (n.to_owned(), v)).collect()
            )),
        ]
    });
    prop_oneof![3 => leaf, 2 => nested]
}

fn document() -> impl Strategy<Value = RawDocumentBuf> {
    let names = prop::sample::select(vec!["a", "b", "n"]);
    prop::collection::vec((names, value()), 0..4).prop_map(|fields| {
        let document: Document = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        RawDocumentBuf::try_from(&document).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_document_that_a_rule_allows_is_left_out(
        document in document(),
        uid in prop::sample::select(vec![None, Some("ann"), Some("5f0000000000000000000000")]),
    ) {
        let actor = Actor::Ruled(Arc::new(auth(uid)));
        let ann = Ann::default();
        let lookups = Lookups::new(&ann);
        for (text, rules) in RULES.iter().zip(COMPILED.iter()) {
            let documents = Documents { present: Some(&document), new: None };
            let allowed = rules.allow(&actor, Method::List, documents, &lookups).unwrap();
            let filter = rules.list_filter(&actor, &lookups).unwrap();
            let passes = filter.as_ref().is_none_or(|filter| filter.matches(&document));
            prop_assert!(passes || !allowed, "{text} allows {document:?}, {filter:?} leaves it out");
        }
    }
}
