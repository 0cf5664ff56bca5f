//! Putting, reading and removing objects.

use crate::support::World;
use http::{Method, StatusCode};
use serde_json::json;

#[tokio::test]
async fn an_object_is_put_read_replaced_and_removed() {
    let world = World::start().await;
    let project = world.project();
    let put = project.secret(Method::PUT, "/storage/docs/a.txt").header("content-type", "text/plain");
    let put = put.body("hello").await;
    assert_eq!(put.status, StatusCode::CREATED);
    let etag = "\"2cf24dba5fb0a30e26e83b2ac5b9e29e\"";
    assert_eq!(put.value(), json!({ "key": "docs/a.txt", "size": 5, "etag": etag }));
    let read = project.get("docs/a.txt").await;
    assert_eq!((read.status, read.text()), (StatusCode::OK, "hello"));
    assert_eq!((read.header("etag"), read.header("content-type")), (etag, "text/plain"));
    assert_eq!((read.header("content-length"), read.header("accept-ranges")), ("5", "bytes"));
    assert_eq!(read.header("last-modified"), "Tue, 14 Nov 2023 22:13:20 GMT");
    project.put("docs/a.txt", "other").await;
    assert_eq!(project.get("docs/a.txt").await.header("content-type"), "application/octet-stream");
    assert_eq!(world.files().len(), 1, "the old bytes are gone");
    let removed = project.secret(Method::DELETE, "/storage/docs/a.txt").send().await;
    assert_eq!(removed.value(), json!({ "deleted": true }));
    assert!(world.files().is_empty());
    let missing = (404, "object_not_found".to_owned());
    assert_eq!(project.get("docs/a.txt").await.refusal(), missing);
    assert_eq!(project.secret(Method::DELETE, "/storage/docs/a.txt").send().await.refusal(), missing);
}

#[tokio::test]
async fn the_headers_are_there_without_the_bytes() {
    let world = World::start().await;
    let project = world.project();
    project.put("a", "hello").await;
    let head = project.secret(Method::HEAD, "/storage/a").send().await;
    assert_eq!((head.status, head.bytes.len()), (StatusCode::OK, 0));
    assert_eq!(head.header("content-length"), "5");
    assert_eq!(head.header("etag"), project.get("a").await.header("etag"));
    let missing = project.secret(Method::HEAD, "/storage/b").send().await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_stored_page_does_not_act_as_the_server() {
    let world = World::start().await;
    let project = world.project();
    let put = project.secret(Method::PUT, "/storage/x.html").header("content-type", "text/html");
    put.body("<script>alert(document.cookie)</script>").await;
    let page = project.get("x.html").await;
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert!(page.header("content-security-policy").contains("sandbox"));
    assert_eq!(page.header("content-disposition"), "attachment; filename*=UTF-8''x.html");
}

#[tokio::test]
async fn large_and_empty_objects_come_back_as_they_were() {
    let world = World::start().await;
    let project = world.project();
    let large: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    project.secret(Method::PUT, "/storage/large").body(large.clone()).await;
    project.put("empty", "").await;
    assert!(project.get("large").await.bytes == large);
    let empty = project.get("empty").await;
    assert_eq!((empty.status, empty.header("content-length")), (StatusCode::OK, "0"));
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart() {
    let world = World::start().await;
    let id = world.project().id;
    world.project_of(id.clone()).put("a", "1").await;
    let world = world.restart().await;
    let project = world.project_of(id);
    world.service.sweep_orphans().await.unwrap();
    assert_eq!(project.get("a").await.text(), "1");
    world.service.shutdown().await;
    assert_eq!(project.put("a", "2").await.refusal(), (503, "unavailable".to_owned()));
    assert_eq!(project.get("a").await.text(), "1");
}

#[tokio::test]
async fn a_reader_keeps_what_it_began_to_read() {
    let world = World::start().await;
    let project = world.project();
    let old = vec![1_u8; 1 << 20];
    project.secret(Method::PUT, "/storage/a").body(old.clone()).await;
    let response = project.secret(Method::GET, "/storage/a").open(axum::body::Body::empty()).await;
    project.put("a", "new").await;
    let read = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    assert!(read == old);
    assert_eq!(project.get("a").await.text(), "new");
}
