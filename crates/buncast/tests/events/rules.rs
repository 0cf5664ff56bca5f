//! What rules say about public keys and end users.

use crate::support::World;
use http::Method;
use serde_json::json;
use service_kit::ids::{EndUserId, ProjectId};

#[tokio::test]
async fn without_rules_a_public_key_may_do_nothing() {
    let world = World::start().await;
    let key = format!("pk_{}", ProjectId::generate());
    assert_eq!(world.with_key(&key, Method::POST, "/v1/events/a", "x").await.code(), "forbidden");
    assert_eq!(world.with_key(&key, Method::GET, "/v1/events/a/subscribe", "").await.code(), "forbidden");
}

#[tokio::test]
async fn rules_see_the_end_user_and_the_segments() {
    let world = World::start().await;
    let project = ProjectId::generate();
    let secret = format!("sk_{project}");
    let rules = json!({"rules": [{
        "path": "chat.{room}.>",
        "read": true,
        "write": "request.auth != null && params.room in request.auth.claims.rooms",
    }]});
    let set = world.with_key(&secret, Method::PUT, "/v1/event-rules", &rules.to_string()).await;
    assert_eq!(set.status, 200, "{set:?}");
    let public = format!("pk_{project}");
    let token = format!("Bearer {} {}", EndUserId::generate(), json!({"rooms": ["lobby"]}));
    let publish = async |path: &str, token: Option<&str>| {
        let mut headers = vec![("x-bunbase-client-key", public.as_str())];
        headers.extend(token.map(|token| ("authorization", token)));
        world.call(Method::POST, path, &headers, "x").await.status.as_u16()
    };
    assert_eq!(publish("/v1/events/chat.lobby.said", Some(&token)).await, 202);
    assert_eq!(publish("/v1/events/chat.other.said", Some(&token)).await, 403);
    assert_eq!(publish("/v1/events/chat.lobby.said", None).await, 403);
    assert_eq!(publish("/v1/events/other", Some(&token)).await, 403);
    // The rules survive a restart.
    let world = world.restart().await;
    let answer = world.with_key(&public, Method::POST, "/v1/events/chat.lobby.said", "x").await;
    assert_eq!(answer.code(), "forbidden");
    let stored = world.with_key(&secret, Method::GET, "/v1/event-rules", "").await.body;
    assert_eq!(stored["rules"][0]["path"], "chat.{room}.>");
}

#[tokio::test]
async fn a_wrong_rule_is_refused_and_changes_nothing() {
    let world = World::start().await;
    let project = ProjectId::generate();
    let secret = format!("sk_{project}");
    let good = json!({"rules": [{"path": "a", "write": true}]}).to_string();
    world.with_key(&secret, Method::PUT, "/v1/event-rules", &good).await;
    for rules in [json!([{"path": "a.>.b"}]), json!([{"path": "a", "read": "request.nothing("}])] {
        let body = json!({ "rules": rules }).to_string();
        let refused = world.with_key(&secret, Method::PUT, "/v1/event-rules", &body).await;
        assert_eq!(refused.code(), "invalid_rule", "{refused:?}");
    }
    let public = format!("pk_{project}");
    assert_eq!(world.with_key(&public, Method::POST, "/v1/events/a", "x").await.status, 202);
}
