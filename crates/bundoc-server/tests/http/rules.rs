//! `/collections/{c}/rules`, and what rules mean to callers with a public key.

use crate::support::World;
use http::Method;
use serde_json::json;

#[tokio::test]
async fn rules_are_replaced_as_a_whole() {
    let world = World::start();
    let project = world.project();
    project.open("posts", json!({ "read": true })).await;
    let rules = json!({ "rules": { "list": "resource.data.open == true", "write": false } });
    let replaced = project.secret(Method::PUT, "/collections/posts/rules").json(&rules).await;
    let wanted = json!({ "rules": { "list": "resource.data.open == true", "write": "false" } });
    assert_eq!((replaced.status.as_u16(), &replaced.body), (200, &wanted));
    let read = project.secret(Method::GET, "/collections/posts/rules").send().await;
    assert_eq!(read.body, wanted);
    let missing = project.secret(Method::GET, "/collections/none/rules").send().await;
    assert_eq!(missing.refusal(), (404, "collection_not_found"));
}

#[tokio::test]
async fn a_rule_that_is_none_says_why() {
    let world = World::start();
    let project = world.project();
    project.open("posts", json!({})).await;
    let path = "/collections/posts/rules";
    let broken = project.secret(Method::PUT, path).json(&json!({ "rules": { "read": "a ==" } })).await;
    assert_eq!(broken.refusal(), (400, "invalid_rule"));
    assert_eq!(broken.body["error"]["details"]["operation"], "read");
    for rules in [json!({ "raed": true }), json!({ "read": 1 }), json!([])] {
        let refused = project.secret(Method::PUT, path).json(&json!({ "rules": rules })).await;
        assert_eq!(refused.refusal(), (400, "invalid_request"), "{rules}");
    }
}

#[tokio::test]
async fn a_public_key_finds_everything_closed_and_learns_nothing() {
    let world = World::start();
    let project = world.project();
    project.put("closed", [json!({ "_id": "a", "x": 1 })]).await;
    let calls = [
        (Method::GET, "/documents", ""),
        (Method::POST, "/documents/query", "{}"),
        (Method::POST, "/documents", "{}"),
        (Method::GET, "/documents/a", ""),
        (Method::PUT, "/documents/a", "{}"),
        (Method::PATCH, "/documents/a", "{}"),
        (Method::DELETE, "/documents/a", ""),
    ];
    for (method, path, body) in calls {
        let mut answers = Vec::new();
        for collection in ["closed", "missing"] {
            let call = project.public(method.clone(), &format!("/collections/{collection}{path}"));
            let answer = call.body(body).await;
            let text = answer.body.to_string().replace(collection, "…");
            assert!(matches!(answer.status.as_u16(), 403 | 404), "{method} {path}: {answer:?}");
            answers.push((answer.status, text));
        }
        assert_eq!(answers[0], answers[1], "{method} {path}");
    }
    let kept = project.secret(Method::GET, "/collections/closed/documents/a").send().await;
    assert_eq!(kept.body, json!({ "_id": "a", "x": 1 }));
    let listed = project.secret(Method::GET, "/collections").send().await;
    assert_eq!(listed.body["collections"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn rules_open_what_they_allow_and_no_more() {
    let world = World::start();
    let project = world.project();
    let rules = json!({
        "read": "resource.data.open == true",
        "create": "request.resource.data.open == true",
    });
    project.open("posts", rules).await;
    project.put("posts", (0..20).map(|n| json!({ "_id": format!("p{n:02}"), "open": n % 2 == 0 }))).await;

    let open = project.public(Method::GET, "/collections/posts/documents/p00").send().await;
    assert_eq!(open.status, 200);
    let denied = project.public(Method::GET, "/collections/posts/documents/p01").send().await;
    let missing = project.public(Method::GET, "/collections/posts/documents/p99").send().await;
    assert_eq!(denied.refusal(), missing.refusal());

    let list = project.public(Method::GET, "/collections/posts/documents").send().await;
    assert_eq!(list.ids().len(), 10);
    assert!(list.ids().iter().all(|id| id[1..].parse::<u32>().unwrap() % 2 == 0));

    let path = "/collections/posts/documents";
    let created = project.public(Method::POST, path).json(&json!({ "open": true })).await;
    assert_eq!(created.status, 201);
    let refused = project.public(Method::POST, path).json(&json!({ "open": false })).await;
    assert_eq!(refused.refusal(), (403, "forbidden"));
    let refused = project.public(Method::DELETE, "/collections/posts/documents/p00").send().await;
    assert_eq!(refused.refusal(), (403, "forbidden"));
    let everything = project.secret(Method::GET, path).send().await;
    assert_eq!(everything.ids().len(), 21);
}
