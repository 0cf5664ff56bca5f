//! Reading, setting and removing values.

use crate::support::World;
use http::{Method, StatusCode};
use serde_json::json;

#[tokio::test]
async fn a_value_is_set_read_replaced_and_removed() {
    let world = World::start().await;
    let project = world.project();
    let created = project.put("users/ann", "one").await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert_eq!(created.value()["key"], "users/ann");
    let read = project.get("users/ann").await;
    assert_eq!((read.status, read.text()), (StatusCode::OK, "one"));
    assert_eq!(read.header("etag"), created.header("etag"));
    assert_eq!(read.header("x-ttl"), "");
    assert_eq!(read.header("x-content-type-options"), "nosniff");
    let replaced = project.put("users/ann", "two").await;
    assert_eq!(replaced.status, StatusCode::OK);
    assert_ne!(replaced.header("etag"), created.header("etag"));
    let removed = project.secret(Method::DELETE, "/kv/kv/users/ann").send().await;
    assert_eq!(removed.value(), json!({ "deleted": true }));
    let missing = (404, "kv_key_not_found".to_owned());
    assert_eq!(project.get("users/ann").await.refusal(), missing);
    assert_eq!(project.secret(Method::DELETE, "/kv/kv/users/ann").send().await.refusal(), missing);
}

#[tokio::test]
async fn any_bytes_are_a_value() {
    let world = World::start().await;
    let project = world.project();
    let bytes: Vec<u8> = (0..=255).collect();
    project.secret(Method::PUT, "/kv/kv/b").body(bytes.clone()).await;
    project.put("empty", "").await;
    assert_eq!(project.get("b").await.bytes, bytes);
    let empty = project.get("empty").await;
    assert_eq!((empty.status, empty.bytes.len()), (StatusCode::OK, 0));
}

#[tokio::test]
async fn a_known_version_is_not_sent_again() {
    let world = World::start().await;
    let project = world.project();
    let tag = project.put("a", "1").await.header("etag").to_owned();
    let again = project.secret(Method::GET, "/kv/kv/a").header("if-none-match", &tag).send().await;
    assert_eq!((again.status, again.bytes.len()), (StatusCode::NOT_MODIFIED, 0));
    assert_eq!(again.header("etag"), tag);
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart() {
    let world = World::start().await;
    let id = world.project().id;
    world.project_of(id.clone()).put("a", "1").await;
    world.project_of(id.clone()).set_rules(json!([{ "path": "a", "read": "true" }])).await;
    let world = world.restart().await;
    let project = world.project_of(id);
    assert_eq!(project.get("a").await.text(), "1");
    assert_eq!(project.public(Method::GET, "/kv/kv/a").send().await.text(), "1");
}

#[tokio::test]
async fn a_stopped_store_refuses_writes() {
    let world = World::start().await;
    let project = world.project();
    project.put("a", "1").await;
    world.service.shutdown().await;
    assert_eq!(project.put("a", "2").await.refusal(), (503, "unavailable".to_owned()));
    assert_eq!(project.get("a").await.text(), "1");
}
