//! Lists and queries.

use crate::support::World;
use http::Method;
use serde_json::{Value, json};

const LIST: &str = "/collections/places/documents";
const QUERY: &str = "/collections/places/documents/query";

fn places(count: usize) -> impl Iterator<Item = Value> {
    (0..count)
        .map(|n| json!({ "_id": format!("{n:05}"), "n": n, "group": n % 7, "deep": { "x": n, "y": 1 } }))
}

#[tokio::test]
async fn a_cursor_walks_a_list_once_and_ends() {
    let world = World::start();
    let project = world.project();
    project.put("places", places(1_050)).await;
    let mut found: Vec<String> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = project.secret(Method::GET, &format!("{LIST}?limit=100{cursor}")).send().await;
        assert!(page.ids().len() <= 100);
        found.extend(page.ids().into_iter().map(str::to_owned));
        let Some(next) = page.body["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, (0..1_050).map(|n| format!("{n:05}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_cursor_walks_a_sorted_query_once_and_ends() {
    let world = World::start();
    let project = world.project();
    project.put("places", places(1_050)).await;
    let mut found: Vec<(i64, i64)> = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let query = json!({
            "query": { "n": { "$lt": 1_000 } }, "sort": { "group": 1, "n": -1 }, "limit": 99, "cursor": cursor,
        });
        let page = project.secret(Method::POST, QUERY).json(&query).await;
        assert_eq!(page.status, 200, "{page:?}");
        let documents = page.body["documents"].as_array().unwrap().iter();
        found.extend(documents.map(|d| (d["group"].as_i64().unwrap(), -d["n"].as_i64().unwrap())));
        cursor = page.body["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(found.len(), 1_000);
    assert!(found.is_sorted());
}

#[tokio::test]
async fn queries_filter_skip_and_keep_fields() {
    let world = World::start();
    let project = world.project();
    project.put("places", places(100)).await;
    let query = json!({
        "query": { "$and": [{ "group": { "$in": [1, 2] } }, { "n": { "$gte": 50, "$ne": 51 } }] },
        "sort": [{ "path": "n", "order": 1 }], "skip": 1, "limit": 2, "fields": ["deep.x"],
    });
    let page = project.secret(Method::POST, QUERY).json(&query).await;
    let wanted = json!([{ "_id": "00057", "deep": { "x": 57 } }, { "_id": "00058", "deep": { "x": 58 } }]);
    assert_eq!(page.body["documents"], wanted, "{page:?}");

    let list = project.secret(Method::GET, &format!("{LIST}?limit=1&fields=n,deep.y")).send().await;
    assert_eq!(list.body["documents"], json!([{ "_id": "00000", "n": 0, "deep": { "y": 1 } }]));
    let short = json!({ "sortField": "n", "sortDesc": true, "limit": 1 });
    assert_eq!(project.secret(Method::POST, QUERY).json(&short).await.ids(), ["00099"]);
    assert_eq!(project.secret(Method::POST, QUERY).json(&json!({})).await.ids().len(), 100);
}

#[tokio::test]
async fn a_collection_that_nobody_wrote_to_yet_is_empty() {
    let world = World::start();
    let project = world.project();
    for (method, path) in [(Method::GET, LIST), (Method::POST, QUERY)] {
        let missing = project.secret(method, path).body("{}").await;
        assert_eq!(missing.body, json!({ "documents": [], "next_cursor": null }));
    }
}

#[tokio::test]
async fn queries_that_make_no_sense_are_refused() {
    let world = World::start();
    let project = world.project();
    project.put("places", places(1)).await;
    for (body, code, named) in [
        (json!({ "query": { "n": { "$near": 1 } } }), "invalid_query", "$near"),
        (json!({ "query": { "$where": "x" } }), "invalid_query", "$where"),
        (json!({ "query": [] }), "invalid_query", ""),
        (json!({ "query": 1 }), "invalid_query", ""),
        (json!({ "limit": 0 }), "invalid_query", "limit"),
        (json!({ "limit": 1_000_000_000 }), "invalid_query", "limit"),
        (json!({ "limit": -1 }), "invalid_request", ""),
        (json!({ "limit": 1e9 }), "invalid_request", ""),
        (json!({ "limit": "abc" }), "invalid_request", ""),
        (json!({ "skip": -1 }), "invalid_request", ""),
        (json!({ "sort": { "n": 2 } }), "invalid_request", "1 or -1"),
        (json!({ "sort": { "n": 1 }, "sortField": "n" }), "invalid_query", "sortField"),
        (json!({ "cursor": "nonsense" }), "invalid_query", "cursor"),
        (json!({ "fields": "n" }), "invalid_request", ""),
        (json!({ "filter": {} }), "invalid_request", "filter"),
        (json!([]), "invalid_request", ""),
    ] {
        let refused = project.secret(Method::POST, QUERY).json(&body).await;
        assert_eq!(refused.refusal(), (400, code), "{body}: {refused:?}");
        assert!(refused.body["error"]["message"].as_str().unwrap().contains(named), "{body}: {refused:?}");
    }
    for (query, code) in [
        ("limit=0", "invalid_query"),
        ("limit=1000000000", "invalid_query"),
        ("limit=1e9", "invalid_request"),
        ("limit=-1", "invalid_request"),
        ("limit=abc", "invalid_request"),
        ("cursor=nonsense", "invalid_query"),
        ("order=n", "invalid_request"),
    ] {
        let refused = project.secret(Method::GET, &format!("{LIST}?{query}")).send().await;
        assert_eq!(refused.refusal(), (400, code), "{query}: {refused:?}");
    }
}
