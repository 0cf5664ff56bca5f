//! Routes that take the collection from the body or the query.

use crate::support::World;
use http::Method;
use serde_json::json;

#[tokio::test]
async fn the_collection_may_stand_in_the_body() {
    let world = World::start();
    let project = world.project();
    project.put("users/1/posts", [json!({ "_id": "p3", "at": 3 }), json!({ "_id": "p1", "at": 1 })]).await;
    let body = json!({ "collection": "users/1/posts", "query": {}, "sortField": "at", "sortDesc": true });
    let page = project.secret(Method::POST, "/documents/query").json(&body).await;
    assert_eq!(page.ids(), ["p3", "p1"], "{page:?}");
    let index = json!({ "collection": "users/1/posts", "field": "at" });
    let made = project.secret(Method::POST, "/indexes").json(&index).await;
    assert_eq!((made.status.as_u16(), &made.body["name"]), (201, &json!("at_1")), "{made:?}");
    let listed = project.secret(Method::GET, "/indexes?collection=users%2F1%2Fposts").send().await;
    assert_eq!(listed.body["indexes"][0]["name"], "at_1");
    let path = "/indexes?collection=users%2F1%2Fposts&field=at";
    assert_eq!(project.public(Method::DELETE, path).send().await.refusal(), (403, "forbidden"));
    assert_eq!(project.secret(Method::DELETE, path).send().await.status, 204);
    let missing = project.secret(Method::POST, "/documents/query").json(&json!({ "query": {} })).await;
    assert_eq!(missing.refusal(), (400, "invalid_request"));
    let system = project
        .secret(Method::POST, "/documents/query")
        .json(&json!({ "collection": "_system/relay" }))
        .await;
    assert_eq!(system.refusal(), (404, "collection_not_found"));
}
