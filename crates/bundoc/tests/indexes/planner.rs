//! Which plan is chosen, and what is said of it.

use super::bed::{Bed, all, down, ids, name, on, until, up};
use bson::{Document, doc};
use bundoc::EngineOptions;
use bundoc::engine::{Actor, Engine, Explanation, FindRequest, IndexSpec, IndexState};

fn people(count: i32) -> Vec<Document> {
    let person = |n: i32| {
        doc! {
            "_id": format!("{n:05}"), "country": format!("c{}", n % 4), "city": n / 10, "age": n % 90,
            "active": n % 2 == 0, "tags": ["x", format!("t{}", n % 50)],
        }
    };
    (0..count).map(person).collect()
}

async fn bed_of_people(indexes: Vec<IndexSpec>) -> Bed {
    let bed = Bed::new();
    bed.fill("people", &people(4_000)).await;
    for spec in indexes {
        assert_eq!(bed.index("people", spec).await, IndexState::Ready);
    }
    bed
}

fn limited(filter: Document, sort: Vec<bundoc::engine::FieldOrder>, limit: usize) -> FindRequest {
    FindRequest { limit, ..all(filter, sort) }
}

fn index_of(explanation: &Explanation) -> Option<&str> {
    explanation.plan.index.as_deref()
}

#[tokio::test]
async fn the_more_selective_of_two_indexes_is_taken() {
    let bed = bed_of_people(vec![on(vec![up("country")]), on(vec![up("city")])]).await;
    let explanation = bed.explain("people", &all(doc! {"country": "c1", "city": 7}, vec![up("age")]));
    assert_eq!(index_of(&explanation), Some("city_1"));
    assert_eq!((explanation.keys_examined, explanation.documents_examined), (10, 10));
    assert_eq!(explanation.plan.estimated_examined, 10, "a short range is counted");
    let rejected: Vec<_> = explanation.rejected.iter().map(|plan| plan.index.as_deref()).collect();
    assert!(rejected.contains(&Some("country_1")) && rejected.contains(&None), "{rejected:?}");
    let costs: Vec<f64> = explanation.rejected.iter().map(|plan| plan.estimated_cost).collect();
    assert!(costs.is_sorted() && costs[0] >= explanation.plan.estimated_cost);
}

#[tokio::test]
async fn a_page_in_order_is_read_from_the_index_that_gives_the_order_unless_few_match() {
    let bed = bed_of_people(vec![on(vec![up("city")]), on(vec![down("age")])]).await;
    let newest = bed.explain("people", &limited(doc! {"active": true}, vec![down("age")], 10));
    assert_eq!((index_of(&newest), newest.plan.ordered), (Some("age_-1"), true));
    assert!(newest.documents_examined < 100, "{newest:?}");
    let few = bed.explain("people", &limited(doc! {"city": 7, "active": true}, vec![down("age")], 10));
    assert_eq!((index_of(&few), few.plan.ordered), (Some("city_1"), false));
}

#[tokio::test]
async fn statistics_tell_long_ranges_apart_once_they_are_there() {
    let bed = bed_of_people(vec![on(vec![up("country")]), on(vec![up("age")])]).await;
    // Both have more entries than are counted: 1,000 and about 620.
    let request = all(doc! {"country": "c1", "age": {"$gte": 76}}, vec![up("city")]);
    let known = |explanation: &Explanation| {
        let estimate = |index: &str| {
            let plans = std::iter::once(&explanation.plan).chain(&explanation.rejected);
            plans
                .filter(|plan| plan.index.as_deref() == Some(index))
                .map(|plan| plan.estimated_examined)
                .next()
        };
        (estimate("country_1").unwrap(), estimate("age_1").unwrap())
    };
    let is_close = |estimate: u64, real: u64| estimate.abs_diff(real) < 100;
    until("statistics", || {
        let (country, age) = known(&bed.explain("people", &request));
        is_close(country, 1_000) && is_close(age, 620)
    })
    .await;
    assert_eq!(index_of(&bed.explain("people", &request)), Some("age_1"));
}

#[tokio::test]
async fn statistics_follow_a_collection_that_changed() {
    let bed = bed_of_people(vec![on(vec![up("country")])]).await;
    let estimate = || {
        let Explanation { plan, rejected, .. } =
            bed.explain("people", &all(doc! {"country": "c1"}, vec![up("city")]));
        let mut plans = std::iter::once(plan).chain(rejected);
        plans.find(|plan| plan.index.is_some()).unwrap().estimated_examined
    };
    until("statistics", || estimate().abs_diff(1_000) < 50).await;
    let more: Vec<Document> =
        (0..2_000).map(|n| doc! {"_id": format!("x{n:05}"), "country": "c1", "city": 0}).collect();
    bed.fill("people", &more).await;
    until("statistics of what changed", || estimate().abs_diff(3_000) < 100).await;
}

#[tokio::test]
async fn alternatives_are_found_by_one_index_each_and_given_once() {
    let bed = bed_of_people(vec![on(vec![up("city")]), on(vec![up("tags")])]).await;
    let request = all(doc! {"$or": [{"city": 7}, {"tags": "t7"}, {"_id": "00009"}]}, vec![]);
    let explanation = bed.explain("people", &request);
    assert_eq!(index_of(&explanation), Some("city_1, tags_1"));
    assert!(explanation.documents_examined <= 91, "{explanation:?}");
    let found = ids(&bed.find("people", &request));
    let expected: Vec<String> =
        (0..4_000).filter(|n| n / 10 == 7 || n % 50 == 7 || *n == 9).map(|n| format!("{n:05}")).collect();
    assert_eq!(found, expected);
    let open = bed.explain("people", &all(doc! {"$or": [{"city": 7}, {"age": 3}]}, vec![]));
    assert_eq!(index_of(&open), None, "one of them has no index");
}

#[tokio::test]
async fn a_covered_query_looks_at_no_document() {
    let bed = bed_of_people(vec![on(vec![up("city"), down("age")])]).await;
    let filter = doc! {"city": {"$gte": 5, "$lt": 8}, "age": {"$ne": 55}};
    let covered =
        FindRequest { fields: doc! {"age": 1, "city": 1}, ..all(filter, vec![up("city"), down("age")]) };
    let explanation = bed.explain("people", &covered);
    assert!(explanation.plan.covered && explanation.plan.ordered, "{explanation:?}");
    assert_eq!((explanation.keys_examined, explanation.documents_examined), (30, 0));
    let whole = FindRequest { fields: doc! {}, ..covered.clone() };
    assert!(!bed.explain("people", &whole).plan.covered);
    let cut = |request: &FindRequest| -> Vec<Document> {
        let documents = bed.find("people", request).documents;
        documents
            .iter()
            .map(|stored| {
                let document = Document::try_from(&stored.document).unwrap();
                doc! {"_id": document.get("_id"), "city": document.get("city"), "age": document.get("age")}
            })
            .collect()
    };
    assert_eq!(cut(&covered), cut(&whole));
}

#[tokio::test]
async fn a_sparse_index_is_not_used_where_it_lacks_documents() {
    let bed = Bed::new();
    let with = (0..50).map(|n| doc! {"_id": format!("{n:02}"), "n": n});
    bed.fill("c", &with.chain([doc! {"_id": "x"}, doc! {"_id": "y", "n": null}]).collect::<Vec<_>>()).await;
    bed.index("c", IndexSpec { sparse: true, ..on(vec![up("n")]) }).await;
    for (filter, sort, used) in [
        (doc! {"n": 5}, vec![], true),
        (doc! {"n": {"$exists": true}}, vec![up("n")], true),
        (doc! {"n": null}, vec![], false),
        (doc! {"n": {"$exists": false}}, vec![], false),
        (doc! {"n": {"$in": [1, null]}}, vec![], false),
        (doc! {}, vec![up("n")], false),
    ] {
        let explanation = bed.explain("c", &limited(filter.clone(), sort, 10));
        assert_eq!(explanation.plan.index.is_some(), used, "{filter}");
    }
    assert_eq!(bed.count("c", &doc! {"n": null}), 2);
}

#[tokio::test]
async fn a_partial_index_is_used_where_the_query_implies_its_filter() {
    let bed = Bed::new();
    bed.fill("people", &people(500)).await;
    let partial = Some(doc! {"age": {"$gte": 80}});
    bed.index("people", IndexSpec { partial, ..on(vec![up("country")]) }).await;
    for (filter, used) in [
        (doc! {"country": "c1", "age": {"$gt": 82}}, true),
        (doc! {"country": "c1", "age": 80}, true),
        (doc! {"age": {"$gte": 80}}, true),
        (doc! {"country": "c1", "age": {"$gt": 70}}, false),
        (doc! {"country": "c1"}, false),
    ] {
        let explanation = bed.explain("people", &all(filter.clone(), vec![]));
        assert_eq!(explanation.plan.index.is_some(), used, "{filter}");
    }
    let few = bed.explain("people", &all(doc! {"country": "c1", "age": {"$gte": 80}}, vec![]));
    assert!(few.keys_examined < 20, "{few:?}");
}

#[tokio::test]
async fn what_ranges_decide_is_counted_without_documents() {
    let options = EngineOptions { find_examined_max: 1_500, ..EngineOptions::default() };
    let bed = Bed::with(options);
    bed.fill("people", &people(4_000)).await;
    assert_eq!(bed.count("people", &doc! {}), 4_000, "the counter of the collection says it");
    bed.index("people", on(vec![up("country"), up("city")])).await;
    assert_eq!(bed.count("people", &doc! {"country": "c1"}), 1_000);
    assert_eq!(bed.count("people", &doc! {"country": {"$in": ["c1", "c9"]}, "city": {"$lt": 100}}), 250);
    let database = &bed.database;
    let wide = bed.engine.count(database, &super::bed::name("people"), &doc! {"age": 5}, &Actor::Trusted);
    assert!(matches!(wide, Err(bundoc::EngineError::QueryTooExpensive { .. })));
}

#[tokio::test]
async fn different_values_are_bounded() {
    let options = EngineOptions { distinct_values_max: 100, ..EngineOptions::default() };
    let bed = Bed::with(options);
    bed.fill("people", &people(2_000)).await;
    let distinct = |field: &str, filter: Document| {
        bed.engine.distinct(&bed.database, &super::bed::name("people"), field, &filter, &Actor::Trusted)
    };
    let countries: Vec<_> = distinct("country", doc! {}).unwrap();
    assert_eq!(countries, ["c0", "c1", "c2", "c3"].map(|name| bson::Bson::String(name.into())));
    assert_eq!(distinct("tags", doc! {"city": 3}).unwrap().len(), 11, "each element by itself");
    assert!(distinct("nothing", doc! {}).unwrap().is_empty());
    assert!(matches!(distinct("city", doc! {}), Err(bundoc::EngineError::QueryTooExpensive { .. })));
    assert!(matches!(distinct("a..b", doc! {}), Err(bundoc::EngineError::InvalidQuery(_))));
}

#[tokio::test]
async fn different_values_come_from_an_index_without_a_look_at_each_entry() {
    let bed = Bed::with(EngineOptions { find_examined_max: 300, ..EngineOptions::default() });
    bed.fill("people", &people(4_000)).await;
    bed.fill(
        "people",
        &[doc! {"_id": "x", "country": null}, doc! {"_id": "y"}, doc! {"_id": "z", "country": 1.5}],
    )
    .await;
    let distinct = |field: &str, filter: Document| {
        bed.engine.distinct(&bed.database, &super::bed::name("people"), field, &filter, &Actor::Trusted)
    };
    assert!(distinct("country", doc! {}).is_err(), "all documents are too many");
    bed.index("people", on(vec![down("country"), up("age")])).await;
    let countries = distinct("country", doc! {}).unwrap();
    let named = ["c0", "c1", "c2", "c3"].map(|name| bson::Bson::String(name.into()));
    assert_eq!(countries[..2], [bson::Bson::Null, bson::Bson::Double(1.5)]);
    assert_eq!(countries[2..], named);
    assert_eq!(distinct("country", doc! {"country": {"$gte": "c2"}}).unwrap(), named[2..]);
}

#[tokio::test]
async fn a_page_is_given_at_once_where_a_glance_is_enough_and_not_where_much_is_read() {
    let bed = bed_of_people(vec![on(vec![up("city")])]).await;
    let people = name("people");
    let at_once = |request: &FindRequest| {
        bed.engine.find_at_once(&bed.database, &people, request, &Actor::Trusted).unwrap()
    };
    let few = all(doc! {"city": 7}, vec![down("age")]);
    // A glance has a time limit, too, which a busy machine may miss.
    let page = (0..1_000).find_map(|_| at_once(&few)).expect("ten documents of an index");
    assert_eq!(ids(&page), ids(&bed.find("people", &few)));
    let scan = all(doc! {"age": 89, "active": false}, vec![]);
    assert!(at_once(&scan).is_none(), "4,000 documents without an index");
    assert!(at_once(&limited(doc! {}, vec![up("age")], 5)).is_none(), "a sort without an index");
    let heavy: Vec<_> = (0..5).map(|n| doc! {"_id": format!("h{n}"), "text": "x".repeat(100_000)}).collect();
    bed.fill("heavy", &heavy).await;
    let heavy =
        bed.engine.find_at_once(&bed.database, &name("heavy"), &all(doc! {}, vec![]), &Actor::Trusted);
    assert!(heavy.unwrap().is_none(), "five documents of 100 kB");
    let missing = bed.engine.find_at_once(&bed.database, &name("none"), &few, &Actor::Trusted);
    assert!(missing.unwrap().is_some_and(|page| page.documents.is_empty()));
}
