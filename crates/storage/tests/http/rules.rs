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
    assert_eq!(project.public(Method::GET, "/storage/a").send().await.refusal(), denied());
    assert_eq!(project.public(Method::GET, "/storage/missing").send().await.refusal(), denied());
    assert_eq!(project.public(Method::HEAD, "/storage/a").send().await.status.as_u16(), 403);
    assert_eq!(project.public(Method::PUT, "/storage/a").body("2").await.refusal(), denied());
    assert_eq!(project.public(Method::DELETE, "/storage/a").send().await.refusal(), denied());
    assert_eq!(project.public(Method::GET, "/storage").send().await.refusal(), denied());
    assert_eq!(project.get("a").await.text(), "1");
}

#[tokio::test]
async fn an_end_user_reaches_its_own_objects() {
    let world = World::start().await;
    let project = world.project();
    let own = "request.auth.uid == params.uid";
    project
        .set_rules(json!([
            { "path": "users/{uid}/**", "read": own, "write": own },
            { "path": "public/**", "read": true },
        ]))
        .await;
    let (ann, bob) = (EndUserId::generate(), EndUserId::generate());
    let photo = format!("/storage/users/{ann}/photo");
    assert_eq!(project.user(&ann, Method::PUT, &photo).body("png").await.status.as_u16(), 201);
    assert_eq!(project.user(&ann, Method::GET, &photo).send().await.text(), "png");
    assert_eq!(project.user(&bob, Method::GET, &photo).send().await.refusal(), denied());
    assert_eq!(project.public(Method::GET, &photo).send().await.refusal(), denied());
    assert_eq!(project.user(&bob, Method::PUT, "/storage/public/x").body("x").await.refusal(), denied());
    project.put("public/x", "x").await;
    project.put("public/y/z", "x").await;
    assert_eq!(project.public(Method::GET, "/storage/public/x").send().await.text(), "x");
    let list = async |query: &str| project.user(&ann, Method::GET, &format!("/storage?{query}")).send().await;
    assert_eq!(list(&format!("prefix=users/{ann}/")).await.names(), [format!("users/{ann}/photo")]);
    assert_eq!(list(&format!("prefix=users/{bob}/")).await.refusal(), denied());
    assert_eq!(list("prefix=users/&delimiter=/").await.refusal(), denied());
    assert_eq!(list("").await.refusal(), denied());
    let public = list("prefix=public/&delimiter=/&key=ignored").await;
    assert_eq!(
        (public.names(), &public.value()["prefixes"]),
        (vec!["public/x".into()], &json!(["public/y/"]))
    );
}

#[tokio::test]
async fn rules_hold_at_once_and_wrong_ones_change_nothing() {
    let world = World::start().await;
    let project = world.project();
    project.put("a", "1").await;
    let read = async || project.public(Method::GET, "/storage/a").send().await.status.as_u16();
    project.set_rules(json!([{ "path": "a", "read": "true" }])).await;
    assert_eq!(read().await, 200);
    let wrong = project.set_rules(json!([{ "path": "a/**/b", "read": "true" }])).await;
    assert_eq!(wrong.refusal(), (400, "invalid_rule".to_owned()));
    assert_eq!(read().await, 200);
    project.set_rules(json!([])).await;
    assert_eq!(read().await, 403);
    assert_eq!(project.secret(Method::GET, "/storage-rules").send().await.value(), json!({ "rules": [] }));
}
