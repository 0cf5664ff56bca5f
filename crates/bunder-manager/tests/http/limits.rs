//! Limits of values and projects.

use crate::support::World;
use bunder_manager::KvConfig;
use http::{Method, StatusCode};
use serde_json::json;
use sqlx::Executor as _;
use std::num::{NonZeroU64, NonZeroUsize};

fn config(keys: u64, bytes: u64) -> KvConfig {
    KvConfig {
        keys_per_project_max: NonZeroU64::new(keys).unwrap(),
        bytes_per_project_max: NonZeroU64::new(bytes).unwrap(),
        ..KvConfig::default()
    }
}

fn limit_exceeded() -> (u16, String) {
    (413, "limit_exceeded".to_owned())
}

#[tokio::test]
async fn a_value_is_a_mebibyte_at_the_most() {
    let world = World::start().await;
    let project = world.project();
    let put = async |bytes: usize| project.secret(Method::PUT, "/kv/kv/a").body(vec![1; bytes]).await;
    assert_eq!(put(1 << 20).await.status, StatusCode::CREATED);
    assert_eq!(put((1 << 20) + 1).await.refusal(), (413, "body_too_large".to_owned()));
    assert_eq!(project.get("a").await.bytes.len(), 1 << 20);
}

#[tokio::test]
async fn a_project_has_so_many_keys() {
    let world = World::with(config(2, 1_000)).await;
    let (project, other) = (world.project(), world.project());
    project.put("a", "1").await;
    project.put("b", "1").await;
    assert_eq!(project.put("c", "1").await.refusal(), limit_exceeded());
    let counted = project.secret(Method::POST, "/kv/incr/c").json(&json!({})).await;
    assert_eq!(counted.refusal(), limit_exceeded());
    assert_eq!(project.put("b", "2").await.status, StatusCode::OK);
    assert_eq!(other.put("a", "1").await.status, StatusCode::CREATED);
    project.secret(Method::DELETE, "/kv/kv/a").send().await;
    assert_eq!(project.put("c", "1").await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_project_has_so_many_bytes() {
    let world = World::with(config(10, 100)).await;
    let project = world.project();
    let long = "x".repeat(99);
    assert_eq!(project.put("a", &long).await.status, StatusCode::CREATED);
    assert_eq!(project.put("b", "").await.refusal(), limit_exceeded());
    assert_eq!(project.put("a", &format!("{long}x")).await.refusal(), limit_exceeded());
    assert_eq!(project.put("a", "short").await.status, StatusCode::OK);
    assert_eq!(project.put("b", "1").await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn expired_keys_are_not_in_the_way() {
    let world = World::with(config(1, 1_000)).await;
    let project = world.project();
    project.secret(Method::PUT, "/kv/kv/a?ttl=1").body("1").await;
    assert_eq!(project.put("b", "1").await.refusal(), limit_exceeded());
    world.pass_ms(1_000);
    assert_eq!(project.put("b", "1").await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_full_queue_answers_overloaded() {
    let queue_max = NonZeroUsize::new(2).unwrap();
    let world = World::with(KvConfig { queue_max, ..KvConfig::default() }).await;
    let project = world.project();
    let calls = (0..50).map(|n| {
        let project = &project;
        async move { project.put(&n.to_string(), "1").await.refusal() }
    });
    let answers = futures_util::future::join_all(calls).await;
    assert!(answers.iter().any(|answer| answer.0 == 201));
    assert!(answers.iter().any(|answer| *answer == (503, "overloaded".to_owned())));
    assert!(answers.iter().all(|answer| matches!(answer.0, 201 | 503)));
}

#[tokio::test]
async fn a_full_disk_loses_nothing() {
    let world = World::start().await;
    let project = world.project();
    project.put("kept", "1").await;
    let mut write = world.database.write().await.unwrap();
    write.execute("PRAGMA max_page_count = 1").await.unwrap();
    write.commit().await.unwrap();
    assert_eq!(project.put("a", &"x".repeat(100_000)).await.refusal(), (503, "disk_full".to_owned()));
    assert_eq!(project.get("a").await.status, StatusCode::NOT_FOUND);
    assert_eq!(project.get("kept").await.text(), "1");
    assert_eq!(
        project.put("a", &"x".repeat(100_000)).await.status,
        StatusCode::CREATED,
        "there is room again"
    );
}

#[tokio::test]
async fn one_write_that_does_not_fit_takes_no_other_with_it() {
    let world = World::start().await;
    let project = world.project();
    project.put("kept", "1").await;
    let mut write = world.database.write().await.unwrap();
    write.execute("PRAGMA max_page_count = 1").await.unwrap();
    write.commit().await.unwrap();
    let large = "x".repeat(100_000);
    let puts = (0..20).map(|n| {
        let value = if n == 10 { large.as_str() } else { "x" };
        let project = &project;
        async move { project.put(&n.to_string(), value).await.status }
    });
    let statuses = futures_util::future::join_all(puts).await;
    let kept = statuses.iter().enumerate().filter(|(_, status)| **status == StatusCode::CREATED);
    let kept: Vec<_> = kept.map(|(n, _)| n).collect();
    assert!((0..20).filter(|n| *n != 10).all(|n| kept.contains(&n)), "{statuses:?}");
    for n in kept {
        assert_eq!(project.get(&n.to_string()).await.status, StatusCode::OK);
    }
}
