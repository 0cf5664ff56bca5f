//! Declaring, listing, removing and publishing over HTTP.

use crate::support::World;
use http::Method;
use serde_json::json;
use service_kit::ids::ProjectId;

#[tokio::test]
async fn topics_are_declared_listed_and_removed() {
    let world = World::start().await;
    let key = format!("sk_{}", ProjectId::generate());
    let call =
        |method: Method, path: &'static str, body: &'static str| world.with_key(&key, method, path, body);
    let declared =
        call(Method::PUT, "/v1/events/orders", r#"{"durable": true, "retention": {"max_age_seconds": 60}}"#);
    let declared = declared.await;
    assert_eq!(declared.status, 200, "{declared:?}");
    assert_eq!(declared.body["retention"], json!({"max_age_seconds": 60, "max_bytes": 256 << 20}));
    assert_eq!(declared.body["log"]["next_offset"], 0);
    let published = call(Method::POST, "/v1/events/orders", "first").await;
    assert_eq!((published.status.as_u16(), published.body), (201, json!({"offset": 0})));
    let published = call(Method::POST, "/v1/events/chat.lobby", r#"{"a": 1}"#).await;
    assert_eq!((published.status.as_u16(), published.body), (202, json!({"offset": null})));
    let page = call(Method::GET, "/v1/events?limit=1", "").await.body;
    assert_eq!(page["topics"][0]["topic"], "chat.lobby");
    assert_eq!(page["topics"][0]["durable"], false);
    assert_eq!(page["topics"][0]["published"], 1);
    assert_eq!(page["next_cursor"], "chat.lobby");
    let page = call(Method::GET, "/v1/events?limit=1&cursor=chat.lobby", "").await.body;
    assert_eq!(page["topics"][0]["topic"], "orders");
    assert_eq!(call(Method::PUT, "/v1/events/orders", r#"{"durable": false}"#).await.code(), "conflict");
    assert_eq!(call(Method::DELETE, "/v1/events/orders", "").await.status, 204);
    assert_eq!(call(Method::DELETE, "/v1/events/orders", "").await.code(), "topic_not_found");
    assert_eq!(call(Method::POST, "/v1/events/orders", "second").await.status, 202);
}

#[tokio::test]
async fn what_is_not_a_topic_is_refused() {
    let world = World::start().await;
    let key = format!("sk_{}", ProjectId::generate());
    let long = "x".repeat(10 << 10);
    for name in ["..", "a..b", "%2e%2e", "a%00b", "a%20b", "%C3%A4", "a.*", "%3E", &long] {
        for method in [Method::POST, Method::PUT, Method::DELETE] {
            let answer = world
                .with_key(&key, method.clone(), &format!("/v1/events/{name}"), r#"{"durable": true}"#)
                .await;
            assert_eq!(answer.code(), "invalid_name", "{method} {name}");
        }
    }
    let answer = world.with_key(&key, Method::POST, "/v1/events/%ff", "").await;
    assert_eq!(answer.status, 400);
    let entries = std::fs::read_dir(world.directory.path().join("events")).unwrap().count();
    assert_eq!(entries, 0, "nothing was made on disk");
}

#[tokio::test]
async fn a_topic_with_slashes_stays_in_its_place() {
    let world = World::start().await;
    let project = ProjectId::generate();
    let key = format!("sk_{project}");
    let declared =
        world.with_key(&key, Method::PUT, "/v1/events/%2Fetc%2Fpasswd", r#"{"durable": true}"#).await;
    assert_eq!(declared.body["topic"], "/etc/passwd");
    let published = world.with_key(&key, Method::POST, "/v1/events/%2Fetc%2Fpasswd", "x").await;
    assert_eq!(published.status, 201);
    let directory = world.directory.path().join("events").join(project.as_str());
    let names: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!((names.len(), names[0].len()), (1, 64));
}

#[tokio::test]
async fn limits_are_answered_with_their_codes() {
    let config = buncast::BuncastConfig {
        payload_bytes_max: 100,
        durable_topics_per_realm_max: 1,
        ..buncast::BuncastConfig::default()
    };
    let world = World::with(config).await;
    let key = format!("sk_{}", ProjectId::generate());
    let call = |method: Method, path: &'static str, body: String| {
        let (world, key) = (&world, &key);
        async move { world.with_key(key, method, path, &body).await }
    };
    assert_eq!(call(Method::POST, "/v1/events/a", "x".repeat(101)).await.code(), "body_too_large");
    assert_eq!(call(Method::POST, "/v1/events/a", "x".repeat(100)).await.status, 202);
    let durable = || r#"{"durable": true}"#.to_owned();
    assert_eq!(call(Method::PUT, "/v1/events/a", durable()).await.status, 200);
    assert_eq!(call(Method::PUT, "/v1/events/a", durable()).await.status, 200);
    assert_eq!(call(Method::PUT, "/v1/events/b", durable()).await.code(), "limit_exceeded");
    let short = r#"{"durable": true, "retention": {"max_age_seconds": 0}}"#;
    assert_eq!(call(Method::PUT, "/v1/events/a", short.to_owned()).await.code(), "invalid_request");
    let large = r#"{"durable": true, "retention": {"max_bytes": 99999999999999}}"#;
    assert_eq!(call(Method::PUT, "/v1/events/a", large.to_owned()).await.code(), "limit_exceeded");
    assert_eq!(call(Method::GET, "/v1/events?limit=0", String::new()).await.code(), "invalid_request");
    assert_eq!(call(Method::PUT, "/v1/events/a", "{\"durable\"".to_owned()).await.code(), "invalid_json");
}

#[tokio::test]
async fn the_logs_of_a_project_share_what_they_may_keep() {
    let config =
        buncast::BuncastConfig { log_bytes_per_realm_max: 1 << 20, ..buncast::BuncastConfig::default() };
    let world = World::with(config).await;
    let declare = async |key: &str, name: &str, bytes: u64| {
        let body = json!({"durable": true, "retention": {"max_bytes": bytes}}).to_string();
        world.with_key(key, Method::PUT, &format!("/v1/events/{name}"), &body).await
    };
    let key = format!("sk_{}", ProjectId::generate());
    assert_eq!(declare(&key, "a", 600 << 10).await.status, 200);
    assert_eq!(declare(&key, "b", 600 << 10).await.code(), "limit_exceeded");
    assert_eq!(declare(&key, "a", 1 << 20).await.status, 200);
    let other = format!("sk_{}", ProjectId::generate());
    assert_eq!(declare(&other, "b", 600 << 10).await.status, 200);
}
