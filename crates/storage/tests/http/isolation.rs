//! Two projects with the same names never meet.

use crate::support::World;
use http::Method;
use ports::lifecycle::ProjectLifecycle;
use serde_json::json;

#[tokio::test]
async fn the_same_names_in_two_projects_are_different_objects() {
    let world = World::start().await;
    let (one, other) = (world.project(), world.project());
    one.put("a", "1").await;
    assert_eq!(other.get("a").await.status.as_u16(), 404);
    assert_eq!(other.secret(Method::DELETE, "/storage/a").send().await.status.as_u16(), 404);
    other.put("a", "2").await;
    assert_eq!((one.get("a").await.text(), other.get("a").await.text()), ("1", "2"));
    one.put("only-one", "x").await;
    assert_eq!(other.secret(Method::GET, "/storage").send().await.names(), ["a"]);
    let cursor = one.secret(Method::GET, "/storage?limit=1").send().await.value();
    let cursor = cursor["next_cursor"].as_str().unwrap();
    let page = other.secret(Method::GET, &format!("/storage?cursor={cursor}")).send().await;
    assert_eq!(page.names(), Vec::<String>::new());
    one.set_rules(json!([{ "path": "**", "read": true }])).await;
    assert_eq!(other.public(Method::GET, "/storage/a").send().await.status.as_u16(), 403);
}

#[tokio::test]
async fn a_removed_project_leaves_nothing_and_the_others_alone() {
    let world = World::start().await;
    let (one, other) = (world.project(), world.project());
    for n in 0..20 {
        one.put(&n.to_string(), "x").await;
    }
    one.set_rules(json!([{ "path": "**", "read": true }])).await;
    let body = json!({ "path": "1", "method": "GET", "expires_in": 60 });
    let signed = one.secret(Method::POST, "/signed-urls").json(&body).await.value();
    let signed = signed["url"].as_str().unwrap().trim_start_matches(crate::support::PUBLIC_URL).to_owned();
    other.put("a", "1").await;
    world.service.purge(&one.id).await.unwrap();
    world.service.purge(&one.id).await.unwrap();
    assert_eq!(world.files().len(), 1);
    assert_eq!(one.secret(Method::GET, "/storage").send().await.names(), Vec::<String>::new());
    assert_eq!(one.public(Method::GET, "/storage/1").send().await.status.as_u16(), 403);
    assert_eq!(world.call(Method::GET, &signed).send().await.status.as_u16(), 403);
    assert_eq!(one.put("a", "late").await.refusal(), (503, "unavailable".to_owned()));
    assert_eq!(world.files().len(), 1);
    assert_eq!(other.get("a").await.text(), "1");
}
