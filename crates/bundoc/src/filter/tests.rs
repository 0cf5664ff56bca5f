//! What the budget and the shape of filters allow; what operators find is in the cases of `bundoc-cases`.

use super::*;
use crate::error::EngineError;
use bson::{Bson, Document, RawBsonRef, doc};

#[expect(clippy::needless_pass_by_value, reason = "the calls read better")]
fn matches(filter: Document, document: Document) -> bool {
    let raw = bson::RawDocumentBuf::try_from(&document).unwrap();
    parse(&filter).unwrap().matches(&raw)
}

#[test]
fn operators_hold_where_they_should() {
    let document = doc! {"n": 5, "s": "b", "list": [1, "x", {"k": 2}], "null": null, "d": {"e": 1.5}};
    let holds = [
        doc! {},
        doc! {"n": 5.0},
        doc! {"n": {"$gt": 4, "$lt": 6}},
        doc! {"n": {"$ne": 6}},
        doc! {"s": {"$gte": "b", "$lt": "c"}},
        doc! {"list": [1, "x", {"k": 2}]},
        doc! {"list.k": {"$gt": 1}},
        doc! {"list.2.k": 2},
        doc! {"missing": null},
        doc! {"n": {"$in": [1, 5]}},
        doc! {"n": {"$not": {"$gt": 5}}},
        doc! {"$or": [{"n": 1}, {"s": "b"}]},
        doc! {"$nor": [{"n": 1}, {"s": "c"}]},
        doc! {"s": {"$in": ["x", Bson::RegularExpression(regex("^B", "i"))]}},
        doc! {"list": {"$all": [1, "x"]}},
        doc! {"list": {"$elemMatch": {"k": {"$gte": 2}}}},
        doc! {"$expr": {"$gt": ["$n", "$d.e"]}},
        doc! {"n": {"$gt": Bson::MinKey, "$lt": Bson::MaxKey}},
    ];
    for filter in holds {
        assert!(matches(filter.clone(), document.clone()), "{filter} should match");
    }
    let fails = [
        doc! {"n": {"$gt": "4"}},
        doc! {"missing": {"$gt": 0}},
        doc! {"list": {"$ne": 1}},
        doc! {"s": {"$nin": ["x", Bson::RegularExpression(regex("^B", "i"))]}},
        doc! {"list": {"$all": []}},
        doc! {"$expr": {"$add": ["$s", 1]}},
        doc! {"n": {"$lt": Bson::MinKey}},
    ];
    for filter in fails {
        assert!(!matches(filter.clone(), document.clone()), "{filter} should not match");
    }
}

fn regex(pattern: &str, options: &str) -> bson::Regex {
    bson::Regex {
        pattern: pattern.to_owned().try_into().unwrap(),
        options: options.to_owned().try_into().unwrap(),
    }
}

#[test]
fn an_element_is_tested_by_itself() {
    let range = parse_element(&doc! {"$gte": 5, "$lt": 8}, &mut Patterns::default()).unwrap();
    assert!(range.passes(RawBsonRef::Int32(7)) && !range.passes(RawBsonRef::Int32(8)));
    let score = parse_element(&doc! {"score": 8}, &mut Patterns::default()).unwrap();
    assert!(score.passes(RawBsonRef::Document(&bson::rawdoc! {"score": 8})));
    assert!(!score.passes(RawBsonRef::Int32(8)));
}

/// So many filters, each with an expression that has a pattern.
fn matching_expressions(count: usize) -> Vec<Document> {
    (0..count).map(|_| doc! {"$expr": {"$regexMatch": {"input": "$a", "regex": "a"}}}).collect()
}

#[test]
fn malformed_filters_are_refused() {
    let mut deep = doc! {"a": 1};
    for _ in 0..50 {
        deep = doc! {"$and": [deep]};
    }
    let many: Vec<Bson> = (0..2_000).map(Bson::Int32).collect();
    let patterns: Vec<Bson> = (0..20).map(|_| Bson::RegularExpression(regex("a", ""))).collect();
    let filters = [
        doc! {"$where": "x"},
        doc! {"a": {"$regex": 1}},
        doc! {"$or": []},
        doc! {"$or": [1]},
        doc! {"a": {"$in": 1}},
        doc! {"a": {"$exists": "yes"}},
        doc! {"a": {"$not": 1}},
        doc! {"a..b": 1},
        doc! {"a": {"$in": many}},
        doc! {"a": {"$in": patterns}},
        doc! {"$and": matching_expressions(20)},
        doc! {"a": {"$elemMatch": {"$expr": 1}}},
        deep,
    ];
    for filter in filters {
        assert!(matches!(parse(&filter), Err(EngineError::InvalidQuery(_))), "{filter}");
    }
}
