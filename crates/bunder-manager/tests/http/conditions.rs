//! Conditions and increments, also where many come at once.

use crate::support::{Project, World};
use futures_util::future::join_all;
use http::{Method, StatusCode};
use serde_json::json;

const CALLERS: usize = 50;

async fn put_if(project: &Project<'_>, header: &str, value: &str) -> (u16, String) {
    let call = project.secret(Method::PUT, "/kv/kv/a").header(header, value);
    call.body("x").await.refusal()
}

fn failed() -> (u16, String) {
    (409, "precondition_failed".to_owned())
}

#[tokio::test]
async fn conditions_hold_or_refuse() {
    let world = World::start().await;
    let project = world.project();
    assert_eq!(put_if(&project, "if-match", "*").await, failed());
    assert_eq!(put_if(&project, "if-match", "\"1\"").await, failed());
    assert_eq!(put_if(&project, "if-none-match", "*").await.0, 201);
    assert_eq!(put_if(&project, "if-none-match", "*").await, failed());
    let tag = project.get("a").await.header("etag").to_owned();
    assert_eq!(put_if(&project, "if-match", &tag).await.0, 200);
    assert_eq!(put_if(&project, "if-match", &tag).await, failed());
    assert_eq!(put_if(&project, "if-match", "*").await.0, 200);
    assert_eq!(put_if(&project, "if-match", "1").await, (400, "invalid_request".to_owned()));
    let stale = project.secret(Method::DELETE, "/kv/kv/a").header("if-match", &tag).send().await;
    assert_eq!(stale.refusal(), failed());
    let tag = project.get("a").await.header("etag").to_owned();
    let removed = project.secret(Method::DELETE, "/kv/kv/a").header("if-match", &tag).send().await;
    assert_eq!(removed.status, StatusCode::OK);
}

#[tokio::test]
async fn a_key_that_was_removed_never_gets_an_old_version_again() {
    let world = World::start().await;
    let project = world.project();
    let tag = project.put("a", "1").await.header("etag").to_owned();
    project.secret(Method::DELETE, "/kv/kv/a").send().await;
    project.put("a", "1").await;
    assert_eq!(put_if(&project, "if-match", &tag).await, failed());
}

#[tokio::test]
async fn of_many_that_create_one_does() {
    let world = World::start().await;
    let project = world.project();
    let calls = (0..CALLERS).map(|_| put_if(&project, "if-none-match", "*"));
    let answers = join_all(calls).await;
    assert_eq!(answers.iter().filter(|answer| answer.0 == 201).count(), 1);
    assert_eq!(answers.iter().filter(|answer| **answer == failed()).count(), CALLERS - 1);
}

#[tokio::test]
async fn of_many_that_compare_and_set_one_does() {
    let world = World::start().await;
    let project = world.project();
    let tag = project.put("a", "1").await.header("etag").to_owned();
    let answers = join_all((0..CALLERS).map(|_| put_if(&project, "if-match", &tag))).await;
    assert_eq!(answers.iter().filter(|answer| answer.0 == 200).count(), 1);
}

#[tokio::test]
async fn parallel_increments_are_all_counted() {
    let world = World::start().await;
    let project = world.project();
    let empty = json!({});
    let calls = (0..CALLERS).map(|_| project.secret(Method::POST, "/kv/incr/n").json(&empty));
    let mut sums: Vec<_> =
        join_all(calls).await.iter().map(|answer| answer.value()["value"].as_u64().unwrap()).collect();
    sums.sort_unstable();
    assert_eq!(sums, (1..=CALLERS as u64).collect::<Vec<_>>());
    assert_eq!(project.get("n").await.text(), "50");
}

#[tokio::test]
async fn only_integers_are_added_to() {
    let world = World::start().await;
    let project = world.project();
    let add = async |key: &str, by: i64| {
        project.secret(Method::POST, &format!("/kv/incr/{key}")).json(&json!({ "by": by })).await
    };
    assert_eq!(add("n", -5).await.value(), json!({ "value": -5 }));
    let without_body = project.secret(Method::POST, "/kv/incr/n").send().await;
    assert_eq!(without_body.value(), json!({ "value": -4 }));
    project.put("text", "five").await;
    project.put("large", &i64::MAX.to_string()).await;
    let wrong = (409, "wrong_type".to_owned());
    assert_eq!(add("text", 1).await.refusal(), wrong);
    assert_eq!(add("large", 1).await.refusal(), wrong);
    assert_eq!(project.get("large").await.text(), i64::MAX.to_string());
    assert_eq!(add("large", -1).await.value(), json!({ "value": i64::MAX - 1 }));
    let body = json!({ "by": 1, "much": 2 });
    let unknown = project.secret(Method::POST, "/kv/incr/n").json(&body).await;
    assert_eq!(unknown.refusal(), (400, "invalid_request".to_owned()));
}
