//! `count`, `distinct` and both forms of `fields`.

use crate::support::World;
use http::Method;
use serde_json::json;

#[tokio::test]
async fn documents_are_counted_and_values_told_apart() {
    let world = World::start();
    let project = world.project();
    project
        .put("a", (0..6).map(|n| json!({ "_id": format!("{n}"), "n": n % 3, "tags": ["x", n % 2] })))
        .await;
    let count = project.secret(Method::POST, "/collections/a/documents/count");
    assert_eq!(count.json(&json!({ "query": { "n": { "$lt": 2 } } })).await.body, json!({ "count": 4 }));
    let all = project.developer("viewer", Method::POST, "/collections/a/documents/count");
    assert_eq!(all.json(&json!({})).await.body, json!({ "count": 6 }));
    let distinct = |body| project.secret(Method::POST, "/collections/a/documents/distinct").json(body);
    let body = json!({ "field": "n", "query": { "_id": { "$ne": "0" } } });
    assert_eq!(distinct(&body).await.body, json!({ "values": [0, 1, 2] }));
    let body = json!({ "field": "tags" });
    assert_eq!(distinct(&body).await.body, json!({ "values": [0, 1, "x"] }));
    assert_eq!(distinct(&json!({ "query": {} })).await.refusal(), (400, "invalid_request"));
}

#[tokio::test]
async fn counts_are_of_what_the_rules_let_the_caller_list() {
    let world = World::start();
    let project = world.project();
    project.open("a", json!({ "read": "resource.data.open" })).await;
    project.put("a", (0..6).map(|n| json!({ "_id": format!("{n}"), "open": n < 2, "n": n }))).await;
    let count = project.public(Method::POST, "/collections/a/documents/count").json(&json!({})).await;
    assert_eq!(count.body, json!({ "count": 2 }), "{count:?}");
    let values = project.public(Method::POST, "/collections/a/documents/distinct");
    assert_eq!(values.json(&json!({ "field": "n" })).await.body, json!({ "values": [0, 1] }));
    let closed = project.public(Method::POST, "/collections/b/documents/count").json(&json!({})).await;
    assert_eq!(closed.refusal(), (403, "forbidden"));
}

#[tokio::test]
async fn fields_are_a_list_or_a_projection() {
    let world = World::start();
    let project = world.project();
    project.put("a", [json!({ "_id": "x", "n": 1, "m": 2, "l": [1, 2, 3] })]).await;
    let query = |fields| {
        let body = json!({ "fields": fields });
        let call = project.secret(Method::POST, "/collections/a/documents/query");
        async move { call.json(&body).await }
    };
    let listed = query(json!(["n"])).await;
    assert_eq!(listed.body["documents"], json!([{ "_id": "x", "n": 1 }]), "{listed:?}");
    let without = query(json!({ "m": 0, "l": 0 })).await;
    assert_eq!(without.body["documents"], json!([{ "_id": "x", "n": 1 }]), "{without:?}");
    assert_eq!(query(json!("n")).await.refusal(), (400, "invalid_request"));
    assert_eq!(query(json!({ "m": 0, "n": 1 })).await.refusal(), (400, "invalid_query"));
}
