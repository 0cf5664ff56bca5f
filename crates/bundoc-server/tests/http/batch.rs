//! `POST /batch`.

use crate::support::World;
use http::Method;
use serde_json::json;

#[tokio::test]
async fn a_batch_says_what_each_operation_did() {
    let world = World::start();
    let project = world.project();
    project.put("a", [json!({ "_id": "old", "n": 1 }), json!({ "_id": "gone" })]).await;
    let body = json!({ "operations": [
        { "op": "insert", "collection": "b", "id": "new", "document": { "n": 1 } },
        { "op": "update", "collection": "a", "id": "old", "update": { "$inc": { "n": 1 } } },
        { "op": "replace", "collection": "a", "id": "put", "document": {}, "if_absent": true },
        { "op": "delete", "collection": "a", "id": "gone" },
    ] });
    let answer = project.developer("member", Method::POST, "/batch").json(&body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let commit = &answer.body["commit"];
    let wanted = json!([
        { "id": "new", "version": commit, "status": "created" },
        { "id": "old", "version": commit, "status": "changed" },
        { "id": "put", "version": commit, "status": "created" },
        { "id": "gone", "status": "removed" },
    ]);
    assert_eq!(answer.body["results"], wanted);
    let old = project.secret(Method::GET, "/collections/a/documents/old").send().await;
    assert_eq!((&old.body["n"], old.header("etag")), (&json!(2), format!("\"{commit}\"").as_str()));
}

#[tokio::test]
async fn a_batch_that_fails_leaves_nothing() {
    let world = World::start();
    let project = world.project();
    project.put("a", [json!({ "_id": "x", "n": 1 })]).await;
    let begin = json!({ "op": "insert", "collection": "a", "id": "new", "document": {} });
    for (failing, status, code) in [
        (json!({ "op": "insert", "collection": "a", "id": "x", "document": {} }), 409, "document_exists"),
        (json!({ "op": "update", "collection": "a", "id": "y", "update": {} }), 404, "document_not_found"),
        (
            json!({ "op": "delete", "collection": "a", "id": "x", "if_version": 9999 }),
            409,
            "precondition_failed",
        ),
        (
            json!({ "op": "update", "collection": "a", "id": "x", "update": { "$inc": 1 } }),
            400,
            "invalid_update",
        ),
        (json!({ "op": "replace", "collection": "../a", "id": "x", "document": {} }), 400, "invalid_name"),
        (json!({ "op": "replace", "collection": "a", "id": "x", "document": [] }), 400, "invalid_document"),
        (json!(["delete", "a", "x"]), 400, "invalid_request"),
        (json!({ "op": "upsert", "collection": "a", "id": "x" }), 400, "invalid_request"),
        (json!({ "op": "delete", "collection": "a", "id": "x", "document": {} }), 400, "invalid_request"),
    ] {
        let body = json!({ "operations": [begin, failing] });
        let refused = project.secret(Method::POST, "/batch").json(&body).await;
        assert_eq!(refused.refusal(), (status, code), "{failing}: {refused:?}");
        assert_eq!(refused.body["error"]["details"]["index"], 1, "{failing}");
        let list = project.secret(Method::GET, "/collections/a/documents").send().await;
        assert_eq!(list.body["documents"], json!([{ "_id": "x", "n": 1 }]), "{failing}");
    }
}

#[tokio::test]
async fn a_batch_is_neither_empty_nor_endless() {
    let world = World::start();
    let project = world.project();
    let empty = project.secret(Method::POST, "/batch").json(&json!({ "operations": [] })).await;
    assert_eq!(empty.refusal(), (400, "invalid_request"));
    let one = json!({ "op": "insert", "collection": "a", "document": {} });
    for count in [1_001, 10_001] {
        let operations = vec![one.clone(); count];
        let refused = project.secret(Method::POST, "/batch").json(&json!({ "operations": operations })).await;
        assert_eq!(refused.refusal(), (413, "limit_exceeded"), "{count}");
    }
}

#[tokio::test]
async fn rules_decide_about_each_operation() {
    let world = World::start();
    let project = world.project();
    project.open("open", json!({ "write": true })).await;
    let write = |collection: &str| json!({ "op": "insert", "collection": collection, "document": {} });
    let allowed =
        project.public(Method::POST, "/batch").json(&json!({ "operations": [write("open")] })).await;
    assert_eq!(allowed.status, 200);
    let body = json!({ "operations": [write("open"), write("closed")] });
    let refused = project.public(Method::POST, "/batch").json(&body).await;
    assert_eq!(refused.refusal(), (403, "forbidden"));
    assert_eq!(refused.body["error"]["details"]["index"], 1);
    let kept = project.secret(Method::GET, "/collections/open/documents").send().await;
    assert_eq!(kept.ids().len(), 1);
}
