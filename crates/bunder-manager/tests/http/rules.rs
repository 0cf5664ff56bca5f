//! Rules for public keys.

use crate::support::World;
use http::Method;
use serde_json::json;
use service_kit::ids::EndUserId;

fn denied() -> (u16, String) {
    (403, "forbidden".to_owned())
}

#[tokio::test]
async fn without_rules_a_public_key_can_do_nothing() {
    let world = World::start().await;
    let project = world.project();
    project.put("a", "1").await;
    assert_eq!(project.public(Method::GET, "/kv/kv/a").send().await.refusal(), denied());
    assert_eq!(project.public(Method::GET, "/kv/kv/missing").send().await.refusal(), denied());
    assert_eq!(project.public(Method::PUT, "/kv/kv/a").body("2").await.refusal(), denied());
    assert_eq!(project.public(Method::DELETE, "/kv/kv/a").send().await.refusal(), denied());
    assert_eq!(project.public(Method::POST, "/kv/incr/n").json(&json!({})).await.refusal(), denied());
    assert_eq!(project.public(Method::GET, "/kv/keys").send().await.refusal(), denied());
    assert_eq!(project.get("a").await.text(), "1");
}

#[tokio::test]
async fn an_end_user_reaches_its_own_keys() {
    let world = World::start().await;
    let project = world.project();
    let rules = json!([
        { "path": "users/{uid}/**", "read": "request.auth.uid == params.uid", "write": "request.auth.uid == params.uid" },
        { "path": "news/{id}", "read": true, "write": "request.auth.claims.role == 'editor'" },
    ]);
    assert_eq!(project.set_rules(rules).await.status.as_u16(), 200);
    let (ann, bob) = (EndUserId::generate(), EndUserId::generate());
    let own = format!("/kv/kv/users/{ann}/theme");
    assert_eq!(project.user(&ann, Method::PUT, &own).body("dark").await.status.as_u16(), 201);
    assert_eq!(project.user(&ann, Method::GET, &own).send().await.text(), "dark");
    assert_eq!(project.user(&bob, Method::GET, &own).send().await.refusal(), denied());
    assert_eq!(project.public(Method::GET, &own).send().await.refusal(), denied());
    assert_eq!(project.public(Method::PUT, "/kv/kv/news/1").body("x").await.refusal(), denied());
    assert_eq!(project.user(&bob, Method::PUT, "/kv/kv/news/1").body("x").await.status.as_u16(), 201);
    assert_eq!(project.public(Method::GET, "/kv/kv/news/1").send().await.text(), "x");
    let outside = format!("/kv/kv/users/{ann}/../{bob}/theme");
    project.put(&format!("users/{bob}/theme"), "light").await;
    let missing = project.user(&ann, Method::GET, &outside).send().await;
    assert_eq!(missing.refusal(), (404, "kv_key_not_found".to_owned()), "`..` is an ordinary text");
}

#[tokio::test]
async fn a_list_is_open_where_everything_in_it_is() {
    let world = World::start().await;
    let project = world.project();
    project
        .set_rules(json!([
            { "path": "users/{uid}/**", "read": "request.auth.uid == params.uid" },
            { "path": "news/{id}", "read": true },
        ]))
        .await;
    let (ann, bob) = (EndUserId::generate(), EndUserId::generate());
    for key in [format!("users/{ann}/a/b"), format!("users/{bob}/x"), "news/1".to_owned()] {
        project.put(&key, "x").await;
    }
    let list = async |prefix: &str| {
        project.user(&ann, Method::GET, &format!("/kv/keys?prefix={prefix}")).send().await
    };
    assert_eq!(list(&format!("users/{ann}/")).await.keys(), [format!("users/{ann}/a/b")]);
    assert_eq!(list(&format!("users/{bob}/")).await.refusal(), denied());
    assert_eq!(list("users/").await.refusal(), denied());
    assert_eq!(list(&format!("users/{ann}")).await.refusal(), denied());
    assert_eq!(list("").await.refusal(), denied());
    assert_eq!(list("news/").await.keys(), ["news/1"]);
    project.put("news/1/draft", "x").await;
    assert_eq!(list("news/").await.refusal(), denied(), "one of them is not open");
}

#[tokio::test]
async fn rules_hold_at_once_and_wrong_ones_change_nothing() {
    let world = World::start().await;
    let project = world.project();
    project.put("a", "1").await;
    let read = async || project.public(Method::GET, "/kv/kv/a?key=ignored").send().await.status.as_u16();
    assert_eq!(read().await, 403);
    project.set_rules(json!([{ "path": "a", "read": "true" }])).await;
    assert_eq!(read().await, 200);
    let wrong = project.set_rules(json!([{ "path": "a", "read": "request.auth ==" }])).await;
    assert_eq!(wrong.refusal(), (400, "invalid_rule".to_owned()));
    assert!(wrong.value()["error"]["message"].as_str().unwrap().starts_with("rule 1 (`a`), `read`: line 1"));
    assert_eq!(read().await, 200);
    project.set_rules(json!([])).await;
    assert_eq!(read().await, 403);
    let shown = project.secret(Method::GET, "/kv-rules").send().await;
    assert_eq!(shown.value(), json!({ "rules": [] }));
}
