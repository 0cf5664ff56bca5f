//! `/collections/{c}/rules`, and what rules mean to callers with a public key.

use crate::support::World;
use http::Method;
use serde_json::{Value, json};

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
    let details = json!({ "operation": "read", "line": 1, "column": 5 });
    let mut told = broken.body["error"]["details"].clone();
    assert!(told.as_object_mut().unwrap().remove("reason").is_some());
    assert_eq!(told, details);
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

#[tokio::test]
async fn rules_are_asked_without_doing_anything() {
    let world = World::start();
    let project = world.project();
    project.open("posts", json!({ "read": "resource.data.owner == request.auth.uid" })).await;
    project.put("admins", [json!({ "_id": "ann" })]).await;
    let path = "/collections/posts/rules/check";
    let ask = async |body: Value| project.secret(Method::POST, path).json(&body).await;
    let own = json!({ "op": "list", "auth": { "uid": "ann" }, "resource": { "owner": "ann" } });
    let expression = "resource.data.owner == request.auth.uid";
    let allowed = json!({ "allowed": true, "rule": "read", "expression": expression });
    assert_eq!(ask(own).await.body, allowed);
    let nobody = ask(json!({ "op": "read", "auth": null, "resource": { "owner": "ann" } })).await;
    assert_eq!(nobody.body["allowed"], false);
    assert!(nobody.body["reason"].is_string(), "there is no request.auth.uid: {nobody:?}");
    let none = ask(json!({ "op": "create", "request_resource": {} })).await;
    assert_eq!((&none.body["allowed"], &none.body["rule"]), (&json!(false), &json!(null)));

    // Rules that are not saved, over other documents.
    let rules = json!({ "write": "exists('admins/' + request.auth.uid) && request.resource.data.n > 1" });
    for (uid, n, allowed) in [("ann", 2, true), ("ann", 1, false), ("bob", 2, false)] {
        let body = json!({
            "op": "update", "auth": { "uid": uid, "claims": { "x": [1] } }, "rules": rules,
            "resource": { "n": 0 }, "request_resource": { "n": n },
        });
        let verdict = ask(body).await;
        assert_eq!((&verdict.body["allowed"], &verdict.body["rule"]), (&json!(allowed), &json!("write")));
    }
    let broken = ask(json!({ "op": "read", "rules": { "read": "a ==" } })).await;
    assert_eq!(broken.refusal(), (400, "invalid_rule"));
    for body in [json!({}), json!({ "op": "write" }), json!({ "op": "read", "auth": {} }), json!([])] {
        assert_eq!(ask(body.clone()).await.refusal(), (400, "invalid_request"), "{body}");
    }
    let public = project.public(Method::POST, path).json(&json!({ "op": "read" })).await;
    assert_eq!(public.status, 403);
    let missing = project.secret(Method::POST, "/collections/none/rules/check");
    assert_eq!(missing.json(&json!({ "op": "read" })).await.refusal(), (404, "collection_not_found"));
    let documents = project.secret(Method::GET, "/collections/posts/documents").send().await;
    assert!(documents.ids().is_empty());
}

#[tokio::test]
async fn rules_look_other_documents_up_in_the_state_of_the_operation() {
    let world = World::start();
    let project = world.project();
    let rules = json!({
        "read": "get('teams/' + resource.data.team).open == true",
        "create": "exists('teams/' + request.resource.data.team)",
    });
    project.open("posts", rules).await;
    project.open("teams", json!({ "create": "true" })).await;
    let path = "/collections/posts/documents";
    let refused = project.public(Method::POST, path).json(&json!({ "_id": "a", "team": "x" })).await;
    assert_eq!(refused.refusal(), (403, "forbidden"));
    // The batch sees what it wrote before.
    let insert = |collection: &str, document: Value| json!({ "op": "insert", "collection": collection, "document": document });
    let operations = json!({ "operations": [
        insert("teams", json!({ "_id": "x", "open": true })),
        insert("posts", json!({ "_id": "a", "team": "x" })),
    ] });
    let batch = project.public(Method::POST, "/batch").json(&operations).await;
    assert_eq!(batch.status, 200, "{batch:?}");
    project.put("posts", [json!({ "_id": "b", "team": "y" })]).await;
    let list = project.public(Method::GET, path).send().await;
    assert_eq!(list.ids(), ["a"]);
    assert_eq!(project.public(Method::GET, &format!("{path}/a")).send().await.status, 200);
    assert_eq!(project.public(Method::GET, &format!("{path}/b")).send().await.status, 404);
}
