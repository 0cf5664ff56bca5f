//! Bodies and names that nobody should send: each gets a clear answer, none is stored.

use crate::support::World;
use http::Method;
use serde_json::json;

const DOCUMENTS: &str = "/collections/a/documents";

#[tokio::test]
async fn broken_bodies_are_refused_and_lose_nothing() {
    let world = World::start();
    let project = world.project();
    project.put("a", [json!({ "_id": "kept" })]).await;
    let deep = format!("{}1{}", "{\"a\":".repeat(1_000), "}".repeat(1_000));
    let bodies: Vec<(Vec<u8>, u16, &str)> = vec![
        (b"".to_vec(), 400, "invalid_json"),
        (b"{".to_vec(), 400, "invalid_json"),
        (b"{\"a\":1}}".to_vec(), 400, "invalid_json"),
        (b"{\"a\":\"\xff\"}".to_vec(), 400, "invalid_json"),
        (b"[]".to_vec(), 400, "invalid_document"),
        (b"1".to_vec(), 400, "invalid_document"),
        (b"{\"_id\":1}".to_vec(), 400, "invalid_document"),
        (b"{\"_id\":\"a/b\"}".to_vec(), 400, "invalid_name"),
        (b"{\"_id\":\"a\\u0000b\"}".to_vec(), 400, "invalid_name"),
        (b"{\"$set\":1}".to_vec(), 400, "invalid_document"),
        (b"{\"a\\u0000b\":1}".to_vec(), 400, "invalid_document"),
        (deep.into_bytes(), 400, "invalid_json"),
        (format!("{{\"a\":\"{}\"}}", "x".repeat(17 << 20)).into_bytes(), 413, "body_too_large"),
    ];
    for (body, status, code) in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        let refused = project.secret(Method::POST, DOCUMENTS).body(body).await;
        assert_eq!(refused.refusal(), (status, code), "{shown}: {refused:?}");
    }
    let list = project.secret(Method::GET, DOCUMENTS).send().await;
    assert_eq!(list.ids(), ["kept"]);
}

#[tokio::test]
async fn ids_and_names_in_the_path_are_checked() {
    let world = World::start();
    let project = world.project();
    project.put("a", [json!({ "_id": "kept" })]).await;
    let long = format!("{DOCUMENTS}/{}", "x".repeat(513));
    for path in ["/collections/a/documents/..%2Fb", "/collections/a/documents/a%00", &long] {
        let refused = project.secret(Method::GET, path).send().await;
        assert_eq!(refused.refusal(), (400, "invalid_name"), "{path}");
        let refused = project.secret(Method::PUT, path).body("{}").await;
        assert_eq!(refused.refusal(), (400, "invalid_name"), "{path}");
    }
}

#[tokio::test]
async fn updates_that_make_no_sense_are_refused() {
    let world = World::start();
    let project = world.project();
    project.put("a", [json!({ "_id": "x", "text": "t" })]).await;
    let path = "/collections/a/documents/x";
    for body in [
        json!([]),
        json!({ "$grow": { "a": 1 } }),
        json!({ "$set": { "a": 1 }, "b": 1 }),
        json!({ "$inc": { "text": 1 } }),
        json!({ "_id": "y" }),
        json!({ "a..b": 1 }),
    ] {
        let refused = project.secret(Method::PATCH, path).json(&body).await;
        assert_eq!(refused.refusal(), (400, "invalid_update"), "{body}: {refused:?}");
    }
    let refused = project.secret(Method::PUT, path).json(&json!({ "_id": "y" })).await;
    assert_eq!(refused.refusal(), (400, "invalid_document"));
    let kept = project.secret(Method::GET, path).send().await;
    assert_eq!(kept.body, json!({ "_id": "x", "text": "t" }));
}
