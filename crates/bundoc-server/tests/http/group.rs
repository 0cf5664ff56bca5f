//! Queries and indexes over all collections that match a pattern.

use crate::support::World;
use http::Method;
use serde_json::json;

#[tokio::test]
async fn collections_of_services_are_in_no_group() {
    let world = World::start();
    let project = world.project();
    for pattern in ["_system/*", "_system/*/posts"] {
        let page = project.secret(Method::POST, "/group/query").json(&json!({ "pattern": pattern })).await;
        assert_eq!(page.refusal(), (400, "invalid_name"), "{pattern}");
    }
    let unique = json!({ "pattern": "*/posts", "field": "email", "unique": true });
    let refused = project.secret(Method::POST, "/group-indexes").json(&unique).await;
    assert_eq!(refused.refusal(), (400, "invalid_index"));
    let plain = project.secret(Method::POST, "/group/query").json(&json!({ "pattern": "users" })).await;
    assert_eq!(plain.refusal(), (400, "invalid_name"));
}
