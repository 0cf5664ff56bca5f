//! `$`, `$[]` and `$[name]` in the paths of updates.

use super::*;
use bson::doc;

struct Case {
    filter: Document,
    update: Document,
    array_filters: Vec<Document>,
}

fn positional(filter: Document, update: Document) -> Case {
    Case { filter, update, array_filters: Vec::new() }
}

fn filtered(update: Document, array_filters: impl Into<Vec<Document>>) -> Case {
    Case { filter: doc! {}, update, array_filters: array_filters.into() }
}

fn run(case: &Case, document: &Document) -> Result<Document, EngineError> {
    let Case { filter, update, array_filters } = case;
    let filter = crate::filter::parse(filter).unwrap();
    let update = Update::parse(&UpdateSpec { update: update.clone(), array_filters: array_filters.clone() })?;
    let mut after = document.clone();
    let context = Context { filter: Some(&filter), inserting: false, now: DateTime::from_millis(0) };
    let changed = update.apply(&mut after, &context)?;
    assert_eq!(changed, after != *document, "{}", case.update);
    Ok(after)
}

fn check(document: &Document, cases: Vec<(Case, Document)>) {
    for (case, expected) in cases {
        assert_eq!(run(&case, document).unwrap(), expected, "{} {}", case.filter, case.update);
    }
}

fn refused(document: &Document, cases: Vec<Case>) {
    for case in cases {
        let result = run(&case, document);
        assert!(matches!(result, Err(EngineError::InvalidUpdate(_))), "{}: {result:?}", case.update);
    }
}

#[test]
fn the_positional_operator_means_the_first_element_that_the_query_matched() {
    let numbers = doc! {"l": [1, 5, 7, 5], "m": [1, 2], "o": {"p": [3, 4]}};
    let one = |position: usize, value: i32| {
        let mut list = vec![1, 5, 7, 5];
        list[position] = value;
        doc! {"l": list, "m": [1, 2], "o": {"p": [3, 4]}}
    };
    check(
        &numbers,
        vec![
            (positional(doc! {"l": 5}, doc! {"$set": {"l.$": 0}}), one(1, 0)),
            (positional(doc! {"l": {"$gt": 5}}, doc! {"$inc": {"l.$": 1}}), one(2, 8)),
            (positional(doc! {"m": 2, "l": {"$gte": 5, "$lte": 6}}, doc! {"l.$": 0}), one(1, 0)),
            (positional(doc! {"$or": [{"l": 5, "m": 9}, {"l": 7}]}, doc! {"l.$": 0}), one(2, 0)),
            (positional(doc! {"l": {"$in": [7, 9]}}, doc! {"$unset": {"l.$": 1}}), {
                doc! {"l": [1, 5, null, 5], "m": [1, 2], "o": {"p": [3, 4]}}
            }),
            (positional(doc! {"o.p": 4}, doc! {"o.p.$": 0}), {
                doc! {"l": [1, 5, 7, 5], "m": [1, 2], "o": {"p": [3, 0]}}
            }),
        ],
    );
    refused(
        &numbers,
        vec![
            positional(doc! {}, doc! {"l.$": 0}),
            positional(doc! {"m": 1}, doc! {"l.$": 0}),
            positional(doc! {"l": {"$ne": 9}}, doc! {"l.$": 0}),
            positional(doc! {"o": {"$exists": true}}, doc! {"o.$": 0}),
            positional(doc! {"l": 5}, doc! {"$set": {"l.$": 0, "l.1": 1}}),
            positional(doc! {"l": 5}, doc! {"$set": {"l.$": 0, "l.$[]": 1}}),
        ],
    );
}

#[test]
fn the_positional_operator_leads_into_objects() {
    let grades = doc! {"g": [{"n": 80, "s": 8}, {"n": 85, "s": 5}, {"n": 85, "s": 6}]};
    check(
        &grades,
        vec![
            (
                positional(doc! {"g.n": 85}, doc! {"$set": {"g.$.s": 0}}),
                doc! {"g": [{"n": 80, "s": 8}, {"n": 85, "s": 0}, {"n": 85, "s": 6}]},
            ),
            // Both conditions hold for the third element only.
            (
                positional(doc! {"g.n": 85, "g.s": 6}, doc! {"$set": {"g.$.t": 1}}),
                doc! {"g": [{"n": 80, "s": 8}, {"n": 85, "s": 5}, {"n": 85, "s": 6, "t": 1}]},
            ),
        ],
    );
}

#[test]
fn every_element_or_those_of_a_filter_are_changed() {
    let document = doc! {"l": [1, 5, 7], "g": [{"n": 1, "q": [1, 9]}, {"n": 2, "q": [8]}], "e": []};
    let with = |key: &str, value: Bson| {
        let mut document = document.clone();
        document.insert(key, value);
        document
    };
    check(
        &document,
        vec![
            (filtered(doc! {"$inc": {"l.$[]": 1}}, []), with("l", vec![2, 6, 8].into())),
            (filtered(doc! {"$set": {"e.$[]": 1}}, []), document.clone()),
            (
                filtered(doc! {"$set": {"l.$[x]": 0}}, [doc! {"x": {"$gte": 5}}]),
                with("l", vec![1, 0, 0].into()),
            ),
            (filtered(doc! {"$set": {"l.$[x]": 0}}, [doc! {"x": 9}]), document.clone()),
            (
                filtered(
                    doc! {"$set": {"l.$[x]": 0, "l.$[y]": 2, "l.2": 3}},
                    [doc! {"x": 1}, doc! {"$or": [{"y": 5}, {"y": 6}]}],
                ),
                with("l", vec![0, 2, 3].into()),
            ),
            (
                filtered(doc! {"$mul": {"g.$[o].q.$[i]": 10}}, [doc! {"o.n": 1}, doc! {"i": {"$gt": 5}}]),
                with("g", vec![doc! {"n": 1, "q": [1, 90]}, doc! {"n": 2, "q": [8]}].into()),
            ),
            (
                filtered(doc! {"$push": {"g.$[].q": 0}, "$inc": {"g.1.n": 1}}, []),
                with("g", vec![doc! {"n": 1, "q": [1, 9, 0]}, doc! {"n": 3, "q": [8, 0]}].into()),
            ),
            (
                filtered(doc! {"$set": {"g.$[].x.y": 1}, "$unset": {"g.$[a].n": 1}}, [doc! {"a.n": 2}]),
                with(
                    "g",
                    vec![doc! {"n": 1, "q": [1, 9], "x": {"y": 1}}, doc! {"q": [8], "x": {"y": 1}}].into(),
                ),
            ),
        ],
    );
    refused(
        &document,
        vec![
            filtered(doc! {"$set": {"l.$[x]": 0}}, []),
            filtered(doc! {"$set": {"l.$[x]": 0}}, [doc! {"x": 1}, doc! {"x": 2}]),
            filtered(doc! {"$set": {"l.$[x]": 0}}, [doc! {"x": 1}, doc! {"y": 2}]),
            filtered(doc! {"$set": {"l.$[x]": 0}}, [doc! {"x": 1, "y": 2}]),
            filtered(doc! {"$set": {"l.$[x]": 0}}, [doc! {}]),
            filtered(doc! {"$set": {"l.$[X]": 0}}, [doc! {"X": 1}]),
            filtered(doc! {"$set": {"l.$[x]": 0}}, [doc! {"x": {"$frobnicate": 1}}]),
            filtered(doc! {"$set": {"l.$[x]": 0, "l.$[y]": 1}}, [doc! {"x": 1}, doc! {"y": {"$lt": 3}}]),
            filtered(doc! {"$set": {"g.$[x]": 0, "g.0.n": 1}}, [doc! {"x.n": 1}]),
        ],
    );
}

#[test]
fn a_value_is_not_copied_into_elements_without_bound() {
    let document = doc! {"l": vec![0; 1_000]};
    refused(&document, vec![filtered(doc! {"$set": {"l.$[]": "x".repeat(64 * 1024)}}, [])]);
}
