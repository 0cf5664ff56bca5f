//! `/collections/{c}/indexes`.

use crate::support::{Project, World};
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

const PATH: &str = "/collections/people/indexes";

/// The index, once it is no longer being built.
async fn settled(project: &Project<'_>, name: &str) -> Value {
    let settle = async {
        loop {
            let list = project.secret(Method::GET, PATH).send().await;
            let indexes = list.body["indexes"].as_array().unwrap().clone();
            let index = indexes.into_iter().find(|index| index["name"] == name).unwrap();
            if index["state"] != "building" {
                return index;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), settle).await.unwrap()
}

#[tokio::test]
async fn an_index_is_built_used_and_dropped() {
    let world = World::start();
    let project = world.project();
    project
        .put("people", (0..50).map(|n| json!({ "_id": format!("{n:02}"), "age": n % 10, "c": "de" })))
        .await;
    let body = json!({ "fields": [{ "path": "c" }, { "path": "age", "order": -1 }] });
    let created = project.secret(Method::POST, PATH).json(&body).await;
    assert_eq!(created.status, 201, "{created:?}");
    let fields = json!([{ "path": "c", "order": 1 }, { "path": "age", "order": -1 }]);
    assert_eq!((&created.body["fields"], &created.body["unique"]), (&fields, &json!(false)));
    let name = created.body["name"].as_str().unwrap().to_owned();
    assert_eq!(settled(&project, &name).await["state"], "ready");

    let query = json!({ "query": { "c": "de", "age": { "$gte": 9 } } });
    let found = project.secret(Method::POST, "/collections/people/documents/query").json(&query).await;
    assert_eq!(found.ids().len(), 5);

    let path = format!("{PATH}/{name}");
    assert_eq!(project.secret(Method::DELETE, &path).send().await.status, 204);
    let gone = project.secret(Method::DELETE, &path).send().await;
    assert_eq!(gone.refusal(), (404, "index_not_found"));
}

#[tokio::test]
async fn a_unique_index_keeps_keys_apart() {
    let world = World::start();
    let project = world.project();
    project.put("people", [json!({ "_id": "a", "mail": "x" })]).await;
    let body = json!({ "field": "mail", "unique": true, "name": "by_mail" });
    assert_eq!(project.secret(Method::POST, PATH).json(&body).await.status, 201);
    assert_eq!(settled(&project, "by_mail").await["state"], "ready");
    let twin = json!({ "_id": "b", "mail": "x" });
    let refused = project.secret(Method::POST, "/collections/people/documents").json(&twin).await;
    assert_eq!(refused.refusal(), (409, "unique_violation"));
    assert_eq!(refused.body["error"]["details"], json!({ "index_name": "by_mail" }));
}

#[tokio::test]
async fn an_index_that_makes_no_sense_is_refused() {
    let world = World::start();
    let project = world.project();
    project.open("people", json!({})).await;
    for (body, code) in [
        (json!({}), "invalid_index"),
        (json!({ "field": "a", "fields": [{ "path": "a" }] }), "invalid_index"),
        (json!({ "fields": [] }), "invalid_index"),
        (json!({ "fields": [{ "path": "a", "order": 2 }] }), "invalid_request"),
        (json!({ "fields": "a" }), "invalid_request"),
        (json!({ "field": "a", "sparse": 1 }), "invalid_request"),
        (json!({ "field": "a", "sparce": true }), "invalid_request"),
        (json!({ "field": "a", "partial": [] }), "invalid_query"),
        (json!({ "field": "a", "expire_after_seconds": -1 }), "invalid_request"),
    ] {
        let refused = project.secret(Method::POST, PATH).json(&body).await;
        assert_eq!(refused.refusal(), (400, code), "{body}");
    }
    let missing = project.secret(Method::GET, "/collections/none/indexes").send().await;
    assert_eq!(missing.refusal(), (404, "collection_not_found"));
}
