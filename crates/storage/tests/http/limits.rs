//! Limits of objects and projects, and a disk that is full.

use crate::support::World;
use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Method, StatusCode};
use sqlx::Executor as _;
use std::io;
use std::num::{NonZeroU64, NonZeroUsize};
use storage::StorageConfig;

fn config(object: u64, objects: u64, bytes: u64) -> StorageConfig {
    StorageConfig {
        object_bytes_max: NonZeroU64::new(object).unwrap(),
        objects_per_project_max: NonZeroU64::new(objects).unwrap(),
        bytes_per_project_max: NonZeroU64::new(bytes).unwrap(),
        ..StorageConfig::default()
    }
}

fn limit_exceeded() -> (u16, String) {
    (413, "limit_exceeded".to_owned())
}

#[tokio::test]
async fn an_object_has_so_many_bytes() {
    let world = World::with(config(1_000, 10, 10_000)).await;
    let project = world.project();
    assert_eq!(project.put("a", &"x".repeat(1_000)).await.status, StatusCode::CREATED);
    let announced = project.secret(Method::PUT, "/storage/b").header("content-length", "1001");
    assert_eq!(announced.body("x".repeat(1_001)).await.refusal(), (413, "body_too_large".to_owned()));
    let endless = stream::repeat_with(|| io::Result::Ok(Bytes::from_static(&[0; 400])));
    let answer = project.secret(Method::PUT, "/storage/b").stream(Body::from_stream(endless)).await;
    assert_eq!(answer.refusal(), limit_exceeded());
    assert_eq!(world.files().len(), 1);
}

#[tokio::test]
async fn a_project_has_so_many_objects_and_bytes() {
    let world = World::with(config(1_000, 2, 1_500)).await;
    let (project, other) = (world.project(), world.project());
    project.put("a", &"x".repeat(1_000)).await;
    assert_eq!(project.put("b", &"x".repeat(501)).await.refusal(), limit_exceeded());
    let announced = project.secret(Method::PUT, "/storage/b").header("content-length", "501");
    let never_read = stream::pending::<io::Result<Bytes>>();
    assert_eq!(announced.stream(Body::from_stream(never_read)).await.refusal(), limit_exceeded());
    assert_eq!(project.put("b", &"x".repeat(500)).await.status, StatusCode::CREATED);
    assert_eq!(project.put("c", "").await.refusal(), limit_exceeded());
    assert_eq!(project.put("a", &"y".repeat(1_000)).await.status, StatusCode::CREATED, "in place of the old");
    assert_eq!(other.put("a", &"x".repeat(1_000)).await.status, StatusCode::CREATED);
    project.secret(Method::DELETE, "/storage/a").send().await;
    assert_eq!(project.put("c", "x").await.status, StatusCode::CREATED);
    assert_eq!(world.files().len(), 3);
}

#[tokio::test]
async fn uploads_at_the_same_time_share_what_is_left() {
    let world = World::with(config(1_000, 100, 1_500)).await;
    let project = world.project();
    let text = "x".repeat(1_000);
    let puts = (0..10).map(|n| {
        let (project, text) = (&project, &text);
        async move { project.put(&n.to_string(), text).await.refusal() }
    });
    let answers = futures_util::future::join_all(puts).await;
    assert!(answers.iter().filter(|answer| answer.0 == 201).count() <= 1);
    assert!(answers.iter().all(|answer| answer.0 == 201 || *answer == limit_exceeded()));
    assert!(world.files().len() <= 1);
    assert!(project.put("again", &text[..500]).await.status.is_success());
}

#[tokio::test]
async fn more_transfers_than_there_may_be_are_refused() {
    let transfers_max = NonZeroUsize::new(2).unwrap();
    let world = World::with(StorageConfig { transfers_max, ..StorageConfig::default() }).await;
    let project = world.project();
    project.put("a", "1").await;
    let reading = project.secret(Method::GET, "/storage/a").open(Body::empty()).await;
    assert_eq!(project.get("a").await.refusal(), (503, "overloaded".to_owned()));
    assert_eq!(project.put("b", "1").await.refusal(), (503, "overloaded".to_owned()));
    let mut body = reading.into_body().into_data_stream();
    while body.next().await.is_some() {}
    drop(body);
    assert_eq!(project.get("a").await.text(), "1");
}

#[tokio::test]
async fn a_full_disk_loses_nothing() {
    let world = World::start().await;
    let project = world.project();
    project.put("kept", "1").await;
    let mut write = world.database.write().await.unwrap();
    write.execute("PRAGMA max_page_count = 1").await.unwrap();
    write.commit().await.unwrap();
    let long = "x".repeat(900);
    let mut stored = 1;
    let refusal = loop {
        let answer = project.put(&format!("{long}{stored}"), "x").await;
        if answer.status != StatusCode::CREATED {
            break answer.refusal();
        }
        stored += 1;
        assert!(stored < 1_000);
    };
    assert_eq!(refusal, (503, "disk_full".to_owned()));
    assert_eq!(world.files().len(), stored);
    assert_eq!(project.get("kept").await.text(), "1");
    assert_eq!(project.put("after", "1").await.status, StatusCode::CREATED);
}
