//! Updates by operator: what they make of a document, what is no change, and what is refused.

use super::*;
use bson::{Timestamp, doc};

fn parsed(update: &Document, array_filters: &[Document]) -> Result<Update, EngineError> {
    Update::parse(&UpdateSpec { update: update.clone(), array_filters: array_filters.to_vec() })
}

fn context(filter: Option<&Filter>) -> Context<'_> {
    Context { filter, inserting: false, now: DateTime::from_millis(1_700_000_000_123) }
}

fn updated(update: &Document, document: &Document) -> Result<(Document, bool), EngineError> {
    let mut document = document.clone();
    let changed = parsed(update, &[])?.apply(&mut document, &context(None))?;
    Ok((document, changed))
}

/// Documents as bytes, so that types and the order of fields count.
fn bytes(document: &Document) -> Vec<u8> {
    RawDocumentBuf::try_from(document).unwrap().into_bytes()
}

fn check(cases: &[(Document, Document, Document)]) {
    for (update, before, expected) in cases {
        let (after, changed) = updated(update, before).unwrap();
        assert_eq!(bytes(&after), bytes(expected), "{update} on {before} gave {after}");
        assert_eq!(changed, bytes(before) != bytes(expected), "{update} on {before}");
    }
}

fn refused(update: &Document, document: &Document) -> String {
    match updated(update, document) {
        Err(EngineError::InvalidUpdate(text)) => text,
        other => panic!("{update} on {document} gave {other:?}"),
    }
}

#[test]
fn set_writes_values_and_makes_what_is_missing() {
    check(&[
        (doc! {"a": 1, "b.c": 2}, doc! {"a": 0}, doc! {"a": 1, "b": {"c": 2}}),
        (doc! {"$set": {"a.b": 1}}, doc! {"a": {"c": 2}}, doc! {"a": {"c": 2, "b": 1}}),
        (doc! {"$set": {"l.1": 9, "l.0.k": 1}}, doc! {"l": [{}, 2]}, doc! {"l": [{"k": 1}, 9]}),
        (doc! {"$set": {"l.3": 9}}, doc! {"l": [1]}, doc! {"l": [1, null, null, 9]}),
        (doc! {"$set": {"l.2.k": 9}}, doc! {"l": [1]}, doc! {"l": [1, null, {"k": 9}]}),
        (doc! {"$set": {"a.0": 9}}, doc! {}, doc! {"a": {"0": 9}}),
        (doc! {"$set": {"a": 5.0}}, doc! {"a": 5}, doc! {"a": 5.0}),
        (doc! {"$set": {"a": {"y": 1, "x": 1}}}, doc! {"a": {"x": 1, "y": 1}}, doc! {"a": {"y": 1, "x": 1}}),
        (doc! {"$set": {"a": f64::NAN}}, doc! {"a": f64::NAN}, doc! {"a": f64::NAN}),
        (doc! {"$set": {"a.b": [1]}}, doc! {"a": {"b": [1]}}, doc! {"a": {"b": [1]}}),
        (doc! {"$set": {}}, doc! {"a": 1}, doc! {"a": 1}),
        (doc! {}, doc! {"a": 1}, doc! {"a": 1}),
    ]);
}

#[test]
fn new_fields_come_in_the_order_of_their_names_and_numbers() {
    check(&[
        (
            doc! {"$set": {"b": 1, "a": 1}, "$inc": {"c": 1, "ab": 1}},
            doc! {"x": 1},
            doc! {"x": 1, "a": 1, "ab": 1, "b": 1, "c": 1},
        ),
        (doc! {"$set": {"l.10": 1, "l.9": 2}}, doc! {"l": {}}, doc! {"l": {"9": 2, "10": 1}}),
    ]);
}

#[test]
fn unset_removes_fields_and_leaves_null_in_arrays() {
    check(&[
        (doc! {"$unset": {"a.b": "", "x.y": ""}}, doc! {"a": {"b": 1}}, doc! {"a": {}}),
        (doc! {"$unset": {"l.0": "", "l.7": ""}}, doc! {"l": [1, 2]}, doc! {"l": [null, 2]}),
        (doc! {"$unset": {"l.0": ""}}, doc! {"l": [null]}, doc! {"l": [null]}),
        (doc! {"$unset": {"a": ""}}, doc! {"b": 1, "a": 1, "c": 1}, doc! {"b": 1, "c": 1}),
        (doc! {"$unset": {"n.x": "", "l.x": ""}}, doc! {"n": 1, "l": [1]}, doc! {"n": 1, "l": [1]}),
    ]);
}

#[test]
fn numbers_are_added_multiplied_and_bounded() {
    let max = i64::from(i32::MAX);
    check(&[
        (doc! {"$inc": {"n": 2, "m": 1.5}}, doc! {"n": 1}, doc! {"n": 3, "m": 1.5}),
        (doc! {"$inc": {"n": 1}}, doc! {"n": i32::MAX}, doc! {"n": max + 1}),
        (doc! {"$inc": {"n": 0}}, doc! {"n": 1}, doc! {"n": 1}),
        (doc! {"$inc": {"n": 0.0}}, doc! {"n": 1}, doc! {"n": 1.0}),
        (doc! {"$inc": {"l.2": 4}}, doc! {"l": [1]}, doc! {"l": [1, null, 4]}),
        (doc! {"$mul": {"n": 3, "m": 2_i64, "d": 1.5}}, doc! {"n": 2}, doc! {"n": 6, "d": 0.0, "m": 0_i64}),
        (doc! {"$mul": {"n": 2}}, doc! {"n": i32::MAX}, doc! {"n": max * 2}),
        (doc! {"$min": {"n": 3, "m": 1}}, doc! {"n": 5}, doc! {"n": 3, "m": 1}),
        (doc! {"$min": {"n": 5.0}}, doc! {"n": 5}, doc! {"n": 5}),
        (doc! {"$max": {"n": 3, "s": 7}}, doc! {"n": 5, "s": "x"}, doc! {"n": 5, "s": "x"}),
        (doc! {"$max": {"n": "text"}}, doc! {"n": 5}, doc! {"n": "text"}),
    ]);
}

#[test]
fn bits_are_combined() {
    check(&[
        (doc! {"$bit": {"a": {"and": 10}}}, doc! {"a": 13}, doc! {"a": 8}),
        (doc! {"$bit": {"a": {"or": 5_i64}}}, doc! {"a": 3}, doc! {"a": 7_i64}),
        (doc! {"$bit": {"a": {"xor": 5}, "b": {"or": 3, "and": 6}}}, doc! {"a": 1}, doc! {"a": 4, "b": 2}),
        (doc! {"$bit": {"a": {"or": 0}}}, doc! {"a": 3}, doc! {"a": 3}),
    ]);
}

#[test]
fn current_date_writes_the_time_of_the_commit() {
    let now = DateTime::from_millis(1_700_000_000_123);
    let stamp = Timestamp { time: 1_700_000_000, increment: 1 };
    check(&[
        (doc! {"$currentDate": {"a": true, "b": {"$type": "date"}}}, doc! {}, doc! {"a": now, "b": now}),
        (doc! {"$currentDate": {"a": {"$type": "timestamp"}}}, doc! {"a": 1}, doc! {"a": stamp}),
    ]);
}

#[test]
fn rename_moves_values() {
    check(&[
        (doc! {"$rename": {"a": "b"}}, doc! {"a": 1, "c": 2}, doc! {"c": 2, "b": 1}),
        (doc! {"$rename": {"a": "b"}}, doc! {"a": 1, "b": 2}, doc! {"b": 1}),
        (doc! {"$rename": {"a.x": "b.y"}}, doc! {"a": {"x": [1]}}, doc! {"a": {}, "b": {"y": [1]}}),
        (doc! {"$rename": {"a": "b.c", "x.y": "z"}}, doc! {"q": 1}, doc! {"q": 1}),
        (doc! {"$rename": {"a": "l.0"}}, doc! {"l": [1]}, doc! {"l": [1]}),
    ]);
}

#[test]
fn push_inserts_sorts_and_cuts() {
    let each = |modifiers: Document| {
        let mut push = doc! {"$each": [3, 4]};
        push.extend(modifiers);
        doc! {"$push": {"l": push}}
    };
    let list = doc! {"l": [1, 2]};
    check(&[
        (doc! {"$push": {"l": 3, "m": [1]}}, list.clone(), doc! {"l": [1, 2, 3], "m": [[1]]}),
        (each(doc! {}), list.clone(), doc! {"l": [1, 2, 3, 4]}),
        (each(doc! {"$position": 1}), list.clone(), doc! {"l": [1, 3, 4, 2]}),
        (each(doc! {"$position": -1}), list.clone(), doc! {"l": [1, 3, 4, 2]}),
        (each(doc! {"$position": -9}), list.clone(), doc! {"l": [3, 4, 1, 2]}),
        (each(doc! {"$position": 9}), list.clone(), doc! {"l": [1, 2, 3, 4]}),
        (each(doc! {"$slice": 3}), list.clone(), doc! {"l": [1, 2, 3]}),
        (each(doc! {"$slice": -3}), list.clone(), doc! {"l": [2, 3, 4]}),
        (each(doc! {"$slice": 2}), list.clone(), list.clone()),
        (each(doc! {"$slice": 0}), list.clone(), doc! {"l": []}),
        (each(doc! {"$sort": -1, "$slice": 2.0}), list.clone(), doc! {"l": [4, 3]}),
        (doc! {"$push": {"l": {"$each": []}}}, list.clone(), list),
        (doc! {"$push": {"l": {"$each": []}}}, doc! {}, doc! {"l": []}),
        (
            doc! {"$push": {"l": {"$each": [{"a": {"b": 1}}, 7], "$sort": {"a.b": 1, "c": -1}}}},
            doc! {"l": [{"a": {"b": 2}}, {"a": {"b": 1}, "c": 5}]},
            doc! {"l": [7, {"a": {"b": 1}, "c": 5}, {"a": {"b": 1}}, {"a": {"b": 2}}]},
        ),
    ]);
}

#[test]
fn add_to_set_adds_what_is_not_there() {
    check(&[
        (doc! {"$addToSet": {"l": 2}}, doc! {"l": [1, 2.0]}, doc! {"l": [1, 2.0]}),
        (doc! {"$addToSet": {"l": {"$each": [3, 1, 3, "a"]}}}, doc! {"l": [1]}, doc! {"l": [1, 3, "a"]}),
        (doc! {"$addToSet": {"l": [1, 2]}}, doc! {"l": [1, 2]}, doc! {"l": [1, 2, [1, 2]]}),
        (
            doc! {"$addToSet": {"l": {"b": 1, "a": 1}}},
            doc! {"l": [{"a": 1, "b": 1}]},
            doc! {"l": [{"a": 1, "b": 1}, {"b": 1, "a": 1}]},
        ),
        (doc! {"$addToSet": {"l": {"$each": [1, 1]}}}, doc! {}, doc! {"l": [1]}),
    ]);
}

#[test]
fn pop_pull_and_pull_all_remove_elements() {
    let scores = doc! {"l": [{"s": 8, "t": "A"}, {"s": 5, "t": "B"}, 5]};
    check(&[
        (doc! {"$pop": {"l": 1, "x": 1}}, doc! {"l": [1, 2]}, doc! {"l": [1]}),
        (doc! {"$pop": {"l": -1}}, doc! {"l": [1, 2]}, doc! {"l": [2]}),
        (doc! {"$pop": {"l": 1}}, doc! {"l": []}, doc! {"l": []}),
        (doc! {"$pull": {"l": 2, "x": 1}}, doc! {"l": [1, 2.0, [2], 2]}, doc! {"l": [1, [2]]}),
        (doc! {"$pull": {"l": {"$gte": 3}}}, doc! {"l": [1, 5, "x", 3]}, doc! {"l": [1, "x"]}),
        (doc! {"$pull": {"l": [1, 2]}}, doc! {"l": [1, 2, [1, 2], [2, 1]]}, doc! {"l": [1, 2, [2, 1]]}),
        (
            doc! {"$pull": {"l": {"s": {"$gt": 4}, "t": "B"}}},
            scores.clone(),
            doc! {"l": [{"s": 8, "t": "A"}, 5]},
        ),
        (doc! {"$pull": {"l": {"$or": [{"s": 8}, {"t": "B"}]}}}, scores.clone(), doc! {"l": [5]}),
        (doc! {"$pull": {"l": {"s": 9}}}, scores.clone(), scores),
        (doc! {"$pull": {"a.l": null}}, doc! {"a": {"l": [null, 1]}}, doc! {"a": {"l": [1]}}),
        (doc! {"$pullAll": {"l": [0, 5], "x": []}}, doc! {"l": [0, 2, 5, 5, 1, 0]}, doc! {"l": [2, 1]}),
    ]);
}

#[test]
fn what_does_not_fit_the_document_is_refused_by_operator_and_path() {
    let document = doc! {"_id": "x", "n": "text", "l": [1], "big": i64::MAX, "o": {}};
    for (update, words) in [
        (doc! {"$inc": {"n": 1}}, ["`$inc`", "`n`", "string"]),
        (doc! {"$mul": {"big": 2}}, ["`$mul`", "`big`", "64 bits"]),
        (doc! {"$inc": {"big": 1}}, ["`$inc`", "`big`", "64 bits"]),
        (doc! {"$bit": {"n": {"or": 1}}}, ["`$bit`", "`n`", "string"]),
        (doc! {"$push": {"n": 1}}, ["`$push`", "`n`", "string"]),
        (doc! {"$addToSet": {"o": 1}}, ["`$addToSet`", "`o`", "object"]),
        (doc! {"$pop": {"n": 1}}, ["`$pop`", "`n`", "string"]),
        (doc! {"$pull": {"n": 1}}, ["`$pull`", "`n`", "string"]),
        (doc! {"$pullAll": {"n": [1]}}, ["`$pullAll`", "`n`", "string"]),
        (doc! {"$pop": {"n.x": 1}}, ["`$pop`", "`n.x`", "string"]),
        (doc! {"n.x": 1}, ["`$set`", "`n.x`", "string"]),
        (doc! {"l.x": 1}, ["`$set`", "`l.x`", "array"]),
        (doc! {"l.01": 1}, ["`$set`", "`l.01`", "array"]),
        (doc! {"l.10002": 1}, ["position", "10002", "10000"]),
        (doc! {"l.18446744073709551616": 1}, ["`$set`", "`l.18446744073709551616`", "array"]),
        (doc! {"$rename": {"n": "l.0"}}, ["`$rename`", "`l.0`", "array"]),
        (doc! {"$rename": {"l.0": "q"}}, ["`$rename`", "`l.0`", "array"]),
        (doc! {"$rename": {"n.x": "q"}}, ["`$rename`", "`n.x`", "string"]),
        (doc! {"o.$[].x": 1}, ["`$set`", "`o.$[].x`", "no array"]),
        (doc! {"q.$[]": 1}, ["`$set`", "`q.$[]`", "no array"]),
        (doc! {"l.$": 1}, ["`$`", "query", ""]),
        (doc! {"_id": "y"}, ["`_id`", "change", ""]),
        (doc! {"$unset": {"_id": 1}}, ["`_id`", "change", ""]),
        (doc! {"$rename": {"_id": "i"}}, ["`_id`", "change", ""]),
        (doc! {"$rename": {"n": "_id"}}, ["`_id`", "change", ""]),
    ] {
        let text = refused(&update, &document);
        assert!(words.iter().all(|word| text.contains(word)), "{update}: {text}");
    }
    check(&[(doc! {"_id": "x", "n": 1}, doc! {"_id": "x"}, doc! {"_id": "x", "n": 1})]);
}

#[test]
fn malformed_updates_are_refused() {
    let many: Document = (0..1_001).map(|number| (format!("f{number}"), Bson::Null)).collect();
    for update in [
        doc! {"$set": {"a": 1}, "b": 1},
        doc! {"$frobnicate": {"a": 1}},
        doc! {"$set": 1},
        doc! {"$inc": {"a": "1"}},
        doc! {"$mul": {"a": null}},
        doc! {"$currentDate": {"a": 1}},
        doc! {"$currentDate": {"a": {"$type": "time"}}},
        doc! {"$currentDate": {"a": {"$type": "date", "x": 1}}},
        doc! {"$bit": {"a": {}}},
        doc! {"$bit": {"a": {"not": 1}}},
        doc! {"$bit": {"a": {"and": 1.0}}},
        doc! {"$rename": {"a": 1}},
        doc! {"$rename": {"a": "a"}},
        doc! {"$rename": {"a": "a.b"}},
        doc! {"$rename": {"a": ""}},
        doc! {"$rename": {"a.$[]": "b"}},
        doc! {"$rename": {"a": "b", "c": "b"}},
        doc! {"$push": {"a": {"$each": 1}}},
        doc! {"$push": {"a": {"$slice": 1}}},
        doc! {"$push": {"a": {"$each": [], "$foo": 1}}},
        doc! {"$push": {"a": {"$each": [], "$slice": "1"}}},
        doc! {"$push": {"a": {"$each": [], "$position": 1.5}}},
        doc! {"$push": {"a": {"$each": [], "$sort": 2}}},
        doc! {"$push": {"a": {"$each": [], "$sort": {}}}},
        doc! {"$push": {"a": {"$each": [], "$sort": {"a..b": 1}}}},
        doc! {"$addToSet": {"a": {"$each": 1}}},
        doc! {"$addToSet": {"a": {"$each": [], "$slice": 1}}},
        doc! {"$pop": {"a": 2}},
        doc! {"$pull": {"a": {"$frobnicate": 1}}},
        doc! {"$pullAll": {"a": 1}},
        doc! {"a..b": 1},
        doc! {"": 1},
        doc! {"a.": 1},
        doc! {"$set": {"$a": 1}},
        doc! {"$set": {"a.$b": 1}},
        doc! {"$set": {"$": 1}},
        doc! {"$set": {"$[]": 1}},
        doc! {"$set": {"a.$.b.$": 1}},
        doc! {"$set": {"a.$[x]": 1}},
        doc! {"$set": {"a": 1}, "$inc": {"a": 1}},
        doc! {"$set": {"a": 1}, "$inc": {"a.b": 1}},
        doc! {"$set": {"a.b.c": 1}, "$unset": {"a.b": 1}},
        doc! {"$set": {"a.$[]": 1}, "$inc": {"a.$[].b": 1}},
        doc! {"$set": {"a": 1}, "$setOnInsert": {"a": 1}},
        doc! {"x".repeat(513): 1},
        doc! {"$set": many},
    ] {
        let result = parsed(&update, &[]);
        assert!(matches!(result, Err(EngineError::InvalidUpdate(_))), "{update}: {result:?}");
    }
}

#[test]
fn upserts_begin_with_what_the_filter_says() {
    let inserted = |filter: Document, update: Document| {
        let filter = crate::filter::parse(&filter).unwrap();
        parsed(&update, &[])?.on_insert(&filter, DateTime::from_millis(0))
    };
    let cases = [
        (doc! {"a": 1}, doc! {"$inc": {"n": 2}, "$setOnInsert": {"b": 1}}, doc! {"a": 1, "b": 1, "n": 2}),
        (doc! {"a": 1, "n": {"$gt": 3}}, doc! {"$inc": {"a": 2}}, doc! {"a": 3}),
        (doc! {"_id": "x"}, doc! {"$set": {"_id": "x"}}, doc! {"_id": "x"}),
        (doc! {"a": 1}, doc! {"$setOnInsert": {"_id": "x"}}, doc! {"a": 1, "_id": "x"}),
        (doc! {"l": [1, 2]}, doc! {"$inc": {"l.$[]": 1}}, doc! {"l": [2, 3]}),
        (doc! {"a": 1}, doc! {"$unset": {"a": 1}}, doc! {}),
    ];
    for (filter, update, expected) in cases {
        let document = inserted(filter.clone(), update.clone()).unwrap();
        assert_eq!(bytes(&document), bytes(&expected), "{filter} {update}: {document}");
    }
    for (filter, update) in [
        (doc! {"_id": "x"}, doc! {"$set": {"_id": "y"}}),
        (doc! {"a": "x"}, doc! {"$inc": {"a": 1}}),
        (doc! {"l": 1}, doc! {"$set": {"l.$": 1}}),
    ] {
        let result = inserted(filter.clone(), update.clone());
        assert!(matches!(result, Err(EngineError::InvalidUpdate(_))), "{filter} {update}: {result:?}");
    }
    check(&[(doc! {"$setOnInsert": {"a": 1, "b.$[].c": 1, "n.x": 1}}, doc! {"n": 1}, doc! {"n": 1})]);
}
