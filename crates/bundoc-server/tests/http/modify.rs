//! `POST …/documents/update`, `…/delete` and `…/find-and-modify`.

use crate::support::{Project, World};
use http::Method;
use serde_json::{Value, json};

async fn post(project: &Project<'_>, what: &str, body: &Value) -> crate::support::Answer {
    project.secret(Method::POST, &format!("/collections/a/documents/{what}")).json(body).await
}

async fn numbers(project: &Project<'_>) -> Vec<i64> {
    let list = project.secret(Method::GET, "/collections/a/documents").send().await;
    list.body["documents"].as_array().unwrap().iter().map(|one| one["n"].as_i64().unwrap()).collect()
}

async fn three(world: &World) -> Project<'_> {
    let project = world.project();
    project.put("a", (1..4).map(|n| json!({ "_id": format!("d{n}"), "n": n }))).await;
    project
}

#[tokio::test]
async fn the_first_or_all_that_match_change() {
    let world = World::start();
    let project = three(&world).await;
    let first = json!({ "query": { "n": { "$gte": 2 } }, "update": { "$inc": { "n": 10 } } });
    let answer = post(&project, "update", &first).await;
    assert_eq!(answer.body, json!({ "matched": 1, "modified": 1, "upserted_id": null }), "{answer:?}");
    assert_eq!(numbers(&project).await, [1, 12, 3]);
    let all = json!({ "query": {}, "update": { "$max": { "n": 5 } }, "many": true });
    let answer = post(&project, "update", &all).await;
    assert_eq!(answer.body, json!({ "matched": 3, "modified": 2, "upserted_id": null }));
    assert_eq!(numbers(&project).await, [5, 12, 5]);
}

#[tokio::test]
async fn an_upsert_says_what_it_created() {
    let world = World::start();
    let project = three(&world).await;
    let body = json!({ "query": { "_id": "new" }, "update": { "$set": { "n": 9 } }, "upsert": true });
    let answer = post(&project, "update", &body).await;
    assert_eq!(answer.body, json!({ "matched": 0, "modified": 0, "upserted_id": "new" }), "{answer:?}");
    assert_eq!(numbers(&project).await, [1, 2, 3, 9]);
}

#[tokio::test]
async fn array_filters_choose_elements_everywhere() {
    let world = World::start();
    let project = world.project();
    project.put("a", [json!({ "_id": "x", "l": [1, 5, 9] })]).await;
    let update = json!({ "$set": { "l.$[big]": 0 } });
    let filters = json!([{ "big": { "$gt": 4 } }]);
    let body = json!({ "query": { "_id": "x" }, "update": update, "array_filters": filters });
    assert_eq!(post(&project, "update", &body).await.body["modified"], 1);
    let path = "/collections/a/documents/x";
    assert_eq!(project.secret(Method::GET, path).send().await.body["l"], json!([1, 0, 0]));
    let path = format!("{path}?array_filters=%5B%7B%22z%22%3A0%7D%5D");
    let answer = project.secret(Method::PATCH, &path).json(&json!({ "$inc": { "l.$[z]": 2 } })).await;
    assert_eq!(answer.body["l"], json!([1, 2, 2]), "{answer:?}");
    let operation = json!({ "op": "update", "collection": "a", "id": "x", "update": { "$inc": { "l.$[z]": 1 } },
        "array_filters": [{ "z": 1 }] });
    let batch = json!({ "operations": [operation] });
    assert_eq!(project.secret(Method::POST, "/batch").json(&batch).await.status, 200);
    assert_eq!(
        project.secret(Method::GET, "/collections/a/documents/x").send().await.body["l"],
        json!([2, 2, 2])
    );
}

#[tokio::test]
async fn the_first_or_all_that_match_go() {
    let world = World::start();
    let project = three(&world).await;
    let answer = post(&project, "delete", &json!({ "query": { "n": { "$gt": 1 } } })).await;
    assert_eq!(answer.body, json!({ "deleted": 1 }), "{answer:?}");
    assert_eq!(numbers(&project).await, [1, 3]);
    let answer = post(&project, "delete", &json!({ "query": {}, "many": true })).await;
    assert_eq!(answer.body, json!({ "deleted": 2 }));
    assert_eq!(numbers(&project).await, [0_i64; 0]);
}

#[tokio::test]
async fn a_document_is_found_changed_and_given_back() {
    let world = World::start();
    let project = three(&world).await;
    let last =
        json!({ "query": {}, "sort": { "n": -1 }, "update": { "$inc": { "n": 1 } }, "return": "after" });
    let answer = post(&project, "find-and-modify", &last).await;
    assert_eq!(answer.body, json!({ "document": { "_id": "d3", "n": 4 } }), "{answer:?}");
    let before = json!({ "query": { "_id": "d1" }, "replacement": { "n": 7, "m": 1 }, "fields": ["n"] });
    let answer = post(&project, "find-and-modify", &before).await;
    assert_eq!(answer.body, json!({ "document": { "_id": "d1", "n": 1 } }));
    let gone = json!({ "query": { "n": 7 }, "remove": true });
    let answer = post(&project, "find-and-modify", &gone).await;
    assert_eq!(answer.body, json!({ "document": { "_id": "d1", "n": 7, "m": 1 } }));
    assert_eq!(post(&project, "find-and-modify", &gone).await.body, json!({ "document": null }));
}

#[tokio::test]
async fn bodies_that_make_no_sense_are_refused() {
    let world = World::start();
    let project = three(&world).await;
    for (what, body, code) in [
        ("update", json!({ "update": { "n": 1 } }), "invalid_request"),
        ("update", json!({ "query": {} }), "invalid_request"),
        ("update", json!({ "query": { "n": { "$near": 1 } }, "update": { "n": 1 } }), "invalid_query"),
        ("update", json!({ "query": {}, "update": { "$grow": { "n": 1 } } }), "invalid_update"),
        ("update", json!({ "query": {}, "update": {}, "multi": true }), "invalid_request"),
        ("delete", json!({}), "invalid_request"),
        ("delete", json!({ "query": [] }), "invalid_query"),
        ("find-and-modify", json!({ "query": {} }), "invalid_update"),
        ("find-and-modify", json!({ "query": {}, "update": {}, "remove": true }), "invalid_update"),
        ("find-and-modify", json!({ "query": {}, "remove": true, "return": "now" }), "invalid_request"),
    ] {
        let answer = post(&project, what, &body).await;
        assert_eq!(answer.refusal(), (400, code), "{what} {body}: {answer:?}");
    }
    assert_eq!(numbers(&project).await, [1, 2, 3]);
}

#[tokio::test]
async fn a_document_may_be_called_like_an_operation() {
    let world = World::start();
    let project = world.project();
    for name in ["query", "count", "distinct", "explain", "update", "delete", "find-and-modify"] {
        let path = format!("/collections/a/documents/{name}");
        let put = project.secret(Method::PUT, &path).json(&json!({ "is": name })).await;
        assert_eq!(put.status, 201, "{name}: {put:?}");
        let found = project.developer("viewer", Method::GET, &path).send().await;
        assert_eq!(found.body, json!({ "_id": name, "is": name }));
    }
}

#[tokio::test]
async fn rules_decide_about_what_matches() {
    let world = World::start();
    let project = world.project();
    project.open("a", json!({ "read": "resource.data.mine", "write": "resource.data.mine" })).await;
    project.put("a", [json!({ "_id": "m", "mine": true }), json!({ "_id": "o", "mine": false })]).await;
    let body = json!({ "query": {}, "update": { "$set": { "n": 1 } }, "many": true });
    let path = "/collections/a/documents/update";
    let refused = project.public(Method::POST, path).json(&body).await;
    let count = json!({ "query": { "n": 1 } });
    let count = project.secret(Method::POST, "/collections/a/documents/count").json(&count).await;
    let changed = count.body["count"].as_u64().unwrap();
    // Either the rules keep it from what it may not touch, or they refuse the whole.
    let outcome = (refused.status.as_u16(), changed);
    assert!(outcome == (403, 0) || outcome == (200, 1), "{outcome:?}: {refused:?}");
    let closed = json!({ "query": {}, "many": true });
    let refused = project.public(Method::POST, "/collections/b/documents/delete").json(&closed).await;
    assert_eq!(refused.refusal(), (403, "forbidden"));
}
