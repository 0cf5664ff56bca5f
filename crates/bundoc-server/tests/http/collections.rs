//! `/collections` and `/collections/{c}`.

use crate::support::World;
use http::Method;
use serde_json::json;

#[tokio::test]
async fn a_collection_lives_from_creation_to_removal() {
    let world = World::start();
    let project = world.project();
    let body = json!({ "name": "users/1/posts", "rules": { "read": true } });
    let created = project.secret(Method::POST, "/collections").json(&body).await;
    let wanted =
        json!({ "name": "users/1/posts", "documents": 0, "rules": { "read": "true" }, "indexes": [] });
    assert_eq!((created.status.as_u16(), &created.body), (201, &wanted));

    let again = project.secret(Method::POST, "/collections").json(&body).await;
    assert_eq!(again.refusal(), (409, "collection_exists"));

    project.put("users/1/posts", [json!({ "_id": "a" }), json!({ "_id": "b" })]).await;
    let path = "/collections/users%2F1%2Fposts";
    let read = project.secret(Method::GET, path).send().await;
    assert_eq!((read.status.as_u16(), &read.body["documents"]), (200, &json!(2)));

    let change = json!({ "rules": { "list": "false" } });
    let changed = project.secret(Method::PATCH, path).json(&change).await;
    assert_eq!(changed.body["rules"], json!({ "list": "false" }));
    let unchanged = project.secret(Method::PATCH, path).json(&json!({})).await;
    assert_eq!(unchanged.body, changed.body);

    assert_eq!(project.secret(Method::DELETE, path).send().await.status, 204);
    for method in [Method::GET, Method::DELETE] {
        let gone = project.secret(method, path).send().await;
        assert_eq!(gone.refusal(), (404, "collection_not_found"));
    }
    let gone = project.secret(Method::GET, &format!("{path}/documents/a")).send().await;
    assert_eq!(gone.status, 404);
}

#[tokio::test]
async fn the_list_has_pages_and_a_prefix() {
    let world = World::start();
    let project = world.project();
    for name in ["a", "users", "users/1/posts", "users/2/posts", "z"] {
        project.open(name, json!({})).await;
    }
    let names = |body: &serde_json::Value| {
        let names = body["collections"].as_array().unwrap().iter();
        names.map(|info| info["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let some = project.secret(Method::GET, "/collections?prefix=users%2F").send().await;
    assert_eq!(names(&some.body), ["users/1/posts", "users/2/posts"]);

    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = project.secret(Method::GET, &format!("/collections?limit=2{cursor}")).send().await;
        found.extend(names(&page.body));
        let Some(next) = page.body["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={}", next.replace('/', "%2F"));
    }
    assert_eq!(found, ["a", "users", "users/1/posts", "users/2/posts", "z"]);
}

#[tokio::test]
async fn names_and_parameters_that_break_a_rule_are_refused() {
    let world = World::start();
    let project = world.project();
    for name in ["", "../etc", "a/../b", "a//b", "/a", "a\u{0}b", &"x".repeat(256)] {
        let refused = project.secret(Method::POST, "/collections").json(&json!({ "name": name })).await;
        assert_eq!(refused.refusal(), (400, "invalid_name"), "{name:?}");
    }
    for path in ["/collections/..%2F..%2Fetc", "/collections/a%00b", "/collections/a%2F%2Fb/documents"] {
        let refused = project.secret(Method::GET, path).send().await;
        assert_eq!(refused.refusal(), (400, "invalid_name"), "{path}");
    }
    for query in ["limit=0", "limit=-1", "limit=abc", "limit=1e9", "limit=1001", "lmit=1"] {
        let refused = project.secret(Method::GET, &format!("/collections?{query}")).send().await;
        assert_eq!(refused.refusal(), (400, "invalid_request"), "{query}");
    }
    let refused =
        project.secret(Method::POST, "/collections").json(&json!({ "name": "a", "rulez": {} })).await;
    assert_eq!(refused.refusal(), (400, "invalid_request"));
    assert!(refused.body["error"]["message"].as_str().unwrap().contains("rulez"));
    let listed = project.secret(Method::POST, "/collections").json(&json!(["a"])).await;
    assert_eq!(listed.refusal(), (400, "invalid_request"));
}
