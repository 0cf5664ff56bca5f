//! `POST …/documents/explain`.

use crate::support::World;
use http::Method;
use serde_json::json;

#[tokio::test]
async fn plans_are_for_developers_and_secret_keys() {
    let world = World::start();
    let project = world.project();
    project.open("a", json!({ "read": true })).await;
    project.put("a", (0..50).map(|n| json!({ "_id": format!("{n:02}"), "n": n }))).await;
    let body = json!({ "query": { "n": { "$lt": 5 } }, "limit": 10 });
    let path = "/collections/a/documents/explain";
    let refused = project.public(Method::POST, path).json(&body).await;
    assert_eq!(refused.refusal(), (403, "forbidden"));
    let explained = project.developer("viewer", Method::POST, path).json(&body).await;
    assert_eq!(explained.status, 200, "{explained:?}");
    let found = &explained.body;
    assert_eq!((&found["returned"], &found["plan"]["index"]), (&json!(5), &json!(null)), "{found}");
    assert_eq!(found["documents_examined"], 50, "{found}");
    assert!(found["time_ms"].as_f64().unwrap() >= 0.0);
}
