//! One document at a time.

use crate::support::World;
use http::Method;
use serde_json::json;

#[tokio::test]
async fn a_document_lives_from_creation_to_removal() {
    let world = World::start();
    let project = world.project();
    let body = json!({ "_id": "a b", "n": 1, "deep": { "x": [1, null, "é"] } });
    let created = project.secret(Method::POST, "/collections/users%2F1%2Fposts/documents").json(&body).await;
    assert_eq!((created.status.as_u16(), &created.body), (201, &body));
    let path = created.header("location").strip_prefix("/v1/database").unwrap().to_owned();
    assert_eq!(path, "/collections/users%2F1%2Fposts/documents/a%20b");
    let etag = created.header("etag").to_owned();
    assert!(etag.trim_matches('"').parse::<u64>().is_ok(), "{etag}");

    let read = project.secret(Method::GET, &path).send().await;
    assert_eq!((read.status.as_u16(), &read.body, read.header("etag")), (200, &body, etag.as_str()));
    let known = project.secret(Method::GET, &path).header("if-none-match", &etag).send().await;
    assert_eq!((known.status.as_u16(), known.header("etag")), (304, etag.as_str()));

    let patched = project.secret(Method::PATCH, &path).json(&json!({ "deep.y": true })).await;
    let wanted = json!({ "_id": "a b", "n": 1, "deep": { "x": [1, null, "é"], "y": true } });
    assert_eq!((patched.status.as_u16(), &patched.body), (200, &wanted));
    assert_ne!(patched.header("etag"), etag);
    let counted = project.secret(Method::PATCH, &path).json(&json!({ "$inc": { "n": 2 } })).await;
    assert_eq!(counted.body["n"], 3);

    let replaced = project.secret(Method::PUT, &path).json(&json!({ "m": 1 })).await;
    assert_eq!((replaced.status.as_u16(), &replaced.body), (200, &json!({ "_id": "a b", "m": 1 })));
    assert_eq!(project.secret(Method::DELETE, &path).send().await.status, 204);
    for method in [Method::GET, Method::DELETE] {
        let gone = project.secret(method, &path).send().await;
        assert_eq!(gone.refusal(), (404, "document_not_found"));
    }
    let gone = project.secret(Method::PATCH, &path).json(&json!({ "a": 1 })).await;
    assert_eq!(gone.refusal(), (404, "document_not_found"));
}

#[tokio::test]
async fn a_document_without_an_id_is_given_one() {
    let world = World::start();
    let project = world.project();
    let created = project.secret(Method::POST, "/collections/a/documents").json(&json!({})).await;
    let id = created.body["_id"].as_str().unwrap();
    assert!(!id.is_empty());
    let again = project.secret(Method::POST, "/collections/a/documents").json(&created.body).await;
    assert_eq!(again.refusal(), (409, "document_exists"));
}

#[tokio::test]
async fn a_write_holds_to_its_precondition() {
    let world = World::start();
    let project = world.project();
    let path = "/collections/a/documents/x";
    let put =
        |name: &'static str, value: String| project.secret(Method::PUT, path).header(name, &value).body("{}");
    let created = put("if-none-match", "*".into()).await;
    assert_eq!(created.status, 201);
    assert_eq!(put("if-none-match", "*".into()).await.refusal(), (409, "precondition_failed"));
    let first = created.header("etag").to_owned();
    let second = put("if-match", first.clone()).await;
    assert_eq!(second.status, 200);
    assert_eq!(put("if-match", first.clone()).await.refusal(), (409, "precondition_failed"));
    assert_eq!(put("if-match", "17".into()).await.refusal(), (400, "invalid_request"));
    for method in [Method::PATCH, Method::DELETE] {
        let stale = project.secret(method, path).header("if-match", &first).body("{}").await;
        assert_eq!(stale.refusal(), (409, "precondition_failed"));
    }
    let removed = project.secret(Method::DELETE, path).header("if-match", second.header("etag")).send().await;
    assert_eq!(removed.status, 204);
}

#[tokio::test]
async fn a_document_may_be_called_query() {
    let world = World::start();
    let project = world.project();
    project.put("a", [json!({ "_id": "query", "x": 1 })]).await;
    let path = "/collections/a/documents/query";
    assert_eq!(project.secret(Method::GET, path).send().await.body["x"], 1);
    assert_eq!(project.developer("member", Method::PATCH, path).json(&json!({ "x": 2 })).await.body["x"], 2);
    assert_eq!(project.secret(Method::PUT, path).json(&json!({})).await.status, 200);
    assert_eq!(project.secret(Method::DELETE, path).send().await.status, 204);
}

#[tokio::test]
async fn of_many_that_create_one_document_one_wins() {
    let world = World::start();
    let project = world.project();
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..50 {
        let call = project.secret(Method::PUT, "/collections/a/documents/x").header("if-none-match", "*");
        calls.spawn(async move { (n, call.json(&json!({ "n": n })).await) });
    }
    let answers = calls.join_all().await;
    let winners: Vec<_> = answers.iter().filter(|(_, answer)| answer.status == 201).collect();
    assert_eq!(winners.len(), 1);
    let losers = answers.iter().filter(|(_, answer)| answer.refusal() == (409, "precondition_failed"));
    assert_eq!(losers.count(), 49);
    let kept = project.secret(Method::GET, "/collections/a/documents/x").send().await;
    assert_eq!(kept.body["n"], winners[0].0);
}

#[tokio::test]
async fn a_large_document_comes_back_whole() {
    let world = World::start();
    let project = world.project();
    let body = json!({ "_id": "x", "text": "ü".repeat(1 << 20), "list": (0..1000).collect::<Vec<_>>() });
    let created = project.secret(Method::POST, "/collections/a/documents").json(&body).await;
    assert_eq!(created.status, 201);
    let read = project.secret(Method::GET, "/collections/a/documents/x").send().await;
    assert!(read.body == body);
}
