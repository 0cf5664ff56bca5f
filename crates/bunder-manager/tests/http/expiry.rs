//! Expiry, with a clock that the test moves.

use crate::support::World;
use http::{Method, StatusCode};
use serde_json::json;

#[tokio::test]
async fn an_expired_key_is_gone_everywhere() {
    let world = World::start().await;
    let project = world.project();
    let set = project.secret(Method::PUT, "/kv/kv/a?ttl=10").body("1").await;
    assert_eq!(set.value()["expires_at"], "2023-11-14T22:13:30Z");
    world.pass_ms(8_500);
    assert_eq!(project.get("a").await.header("x-ttl"), "2");
    world.pass_ms(1_500);
    assert_eq!(project.get("a").await.status, StatusCode::NOT_FOUND);
    assert_eq!(project.secret(Method::GET, "/kv/keys").send().await.keys(), Vec::<String>::new());
    let removed = project.secret(Method::DELETE, "/kv/kv/a").send().await;
    assert_eq!(removed.refusal(), (404, "kv_key_not_found".to_owned()));
    let present = project.secret(Method::PUT, "/kv/kv/a").header("if-match", "*").body("2").await;
    assert_eq!(present.status, StatusCode::CONFLICT);
    let absent = project.secret(Method::PUT, "/kv/kv/a").header("if-none-match", "*").body("2").await;
    assert_eq!(absent.status, StatusCode::CREATED);
    world.pass_ms(100_000);
    assert_eq!(project.get("a").await.text(), "2", "set anew without an expiry");
}

#[tokio::test]
async fn a_counter_with_an_expiry_is_a_fixed_window() {
    let world = World::start().await;
    let project = world.project();
    let hit = async || {
        let answer = project.secret(Method::POST, "/kv/incr/hits").json(&json!({ "ttl": 60 })).await;
        answer.value()["value"].as_i64().unwrap()
    };
    assert_eq!(hit().await, 1);
    world.pass_ms(59_000);
    assert_eq!(hit().await, 2);
    world.pass_ms(1_000);
    assert_eq!(hit().await, 1);
}

#[tokio::test]
async fn expired_keys_are_swept_from_the_disk() {
    let world = World::start().await;
    let project = world.project();
    for n in 0..600 {
        project.secret(Method::PUT, &format!("/kv/kv/{n}?ttl=1")).body("x").await;
    }
    project.put("stays", "x").await;
    assert_eq!(world.service.sweep().await.unwrap(), 0);
    world.pass_ms(1_000);
    assert_eq!(world.service.sweep().await.unwrap(), 600);
    assert_eq!(world.service.sweep().await.unwrap(), 0);
    assert_eq!(project.get("stays").await.text(), "x");
}

#[tokio::test]
async fn an_expiry_that_makes_no_sense_is_refused() {
    let world = World::start().await;
    let project = world.project();
    for ttl in ["0", "-1", "x", "1.5", "99999999999999999999", "9999999999999"] {
        let answer = project.secret(Method::PUT, &format!("/kv/kv/a?ttl={ttl}")).body("1").await;
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()), "{ttl}");
    }
    let unknown = project.secret(Method::PUT, "/kv/kv/a?tl=5").body("1").await;
    assert_eq!(unknown.refusal(), (400, "invalid_request".to_owned()));
}
