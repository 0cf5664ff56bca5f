//! Event streams over a real listener.

use crate::durable::{declare, key};
use crate::support::{Stream, World, project};
use http::Method;
use ports::events::Realm;
use serde_json::{Value, json};
use std::net::SocketAddr;

fn secret(realm: &Realm) -> String {
    format!("x-bunbase-client-key: {}", key(realm))
}

async fn subscribe(address: SocketAddr, path: &str, headers: &[String]) -> Stream {
    let mut stream = Stream::open(address, &format!("/v1/events/{path}"), headers).await;
    stream.until("event: connected\n").await;
    stream.until("\n\n").await;
    stream
}

/// The `data` of the next event, and what stands before it.
async fn next(stream: &mut Stream) -> (String, Value) {
    let head = stream.until("data: ").await;
    let data = stream.until("\n\n").await;
    // Where a chunk of HTTP begins, its size stands in between.
    let head = head.lines().filter(|line| line.starts_with("id:") || line.starts_with("event:"));
    (head.collect::<Vec<_>>().join("\n"), serde_json::from_str(&data).unwrap())
}

#[tokio::test]
async fn a_stream_says_what_it_is_and_brings_events_as_they_come() {
    let world = World::start().await;
    let (address, realm) = (world.listen().await, project());
    let path = "/v1/events/chat.*/subscribe";
    let mut stream = Stream::open(address, path, &[secret(&realm)]).await;
    let head = stream.until("\r\n\r\n").await.to_lowercase();
    assert!(
        head.starts_with("http/1.1 200") && head.contains("content-type: text/event-stream\r\n"),
        "{head}"
    );
    assert!(head.contains("cache-control: no-store\r\n"), "{head}");
    let (head, data) = next(&mut stream).await;
    assert_eq!((head.trim_end(), data), ("event: connected", json!({"topic": "chat.*"})));
    world.publish(&realm, "chat.lobby", "{\"text\":\n\"hi\"}").await;
    world.publish(&realm, "other", "not for you").await;
    world.publish(&realm, "chat.b", "no json").await;
    let (head, data) = next(&mut stream).await;
    assert_eq!(head.trim_end(), "event: message");
    assert_eq!((&data["topic"], &data["data"]), (&json!("chat.lobby"), &json!({"text": "hi"})));
    assert!(data["published_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(next(&mut stream).await.1["data_base64"], "bm8ganNvbg==");
}

#[tokio::test]
async fn a_durable_stream_goes_on_where_it_was_lost() {
    let world = World::start().await;
    let (address, realm) = (world.listen().await, project());
    declare(&world, &realm, "orders").await;
    for number in 0..5 {
        world.publish(&realm, "orders", &number.to_string()).await;
    }
    let mut stream = subscribe(address, "orders/subscribe?from=3", &[secret(&realm)]).await;
    for number in [3, 4] {
        let (head, data) = next(&mut stream).await;
        assert_eq!(head.trim_end(), format!("id: {number}\nevent: message"));
        assert_eq!((&data["data"], &data["offset"]), (&json!(number), &json!(number)));
    }
    let headers = [secret(&realm), "last-event-id: 1".to_owned()];
    let mut stream = subscribe(address, "orders/subscribe?from=0", &headers).await;
    assert_eq!(next(&mut stream).await.1["offset"], 2);
    let mut stream = subscribe(address, "orders/subscribe?from=100", &[secret(&realm)]).await;
    stream.until("event: resync\n").await;
    let memory = world.with_key(&key(&realm), Method::GET, "/v1/events/memory/subscribe?from=0", "").await;
    assert_eq!(memory.code(), "topic_not_durable");
}

#[tokio::test]
async fn a_revoked_key_ends_its_stream() {
    let world = World::start().await;
    let (address, realm) = (world.listen().await, project());
    let mut stream = subscribe(address, "a/subscribe", &[secret(&realm)]).await;
    world.access.revoke(&key(&realm));
    let text = stream.until("\n\n").await;
    assert!(text.contains("event: close\ndata: {\"reason\":\"revoked\"}"), "{text}");
    stream.until("0\r\n\r\n").await;
}

#[tokio::test]
async fn a_rule_that_is_taken_back_ends_its_streams() {
    let world = World::start().await;
    let (address, realm) = (world.listen().await, project());
    let Realm::Project(id) = &realm else { panic!("a project") };
    let set = async |rules: Value| {
        let body = json!({ "rules": rules }).to_string();
        assert_eq!(world.with_key(&key(&realm), Method::PUT, "/v1/event-rules", &body).await.status, 200);
    };
    set(json!([{"path": "chat.{room}", "read": "params.room != 'secret'"}])).await;
    // The key stands in the address, as browsers have to send it.
    let address_of = |topic: &str| format!("{topic}/subscribe?key=pk_{id}");
    let mut one = subscribe(address, &address_of("chat.lobby"), &[]).await;
    let mut pattern = subscribe(address, &address_of("chat.*"), &[]).await;
    let mut refused = Stream::open(address, &format!("/v1/events/{}", address_of("chat.secret")), &[]).await;
    refused.until("HTTP/1.1 403").await;
    // A pattern brings what the rules open, and nothing else.
    world.publish(&realm, "chat.secret", "1").await;
    world.publish(&realm, "chat.lobby", "2").await;
    assert_eq!(next(&mut pattern).await.1["data"], 2);
    assert_eq!(next(&mut one).await.1["data"], 2);
    set(json!([])).await;
    one.until("event: close\ndata: {\"reason\":\"revoked\"}").await;
}

#[tokio::test]
async fn streams_end_when_the_server_drains_or_the_project_goes() {
    let world = World::start().await;
    let (address, realm, other) = (world.listen().await, project(), project());
    let mut removed = subscribe(address, "a/subscribe", &[secret(&realm)]).await;
    let mut drained = subscribe(address, "a/subscribe", &[secret(&other)]).await;
    let Realm::Project(id) = &realm else { panic!("a project") };
    ports::lifecycle::ProjectLifecycle::purge(&*world.service, id).await.unwrap();
    removed.until("event: close\ndata: {\"reason\":\"removed\"}").await;
    world.drain.start();
    drained.until("event: close\ndata: {\"reason\":\"shutting_down\"}").await;
    drained.until("0\r\n\r\n").await;
}
