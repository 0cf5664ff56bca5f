//! Queries and indexes over all collections that match a pattern.

use crate::support::{Project, World};
use http::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

async fn posts(world: &World) -> Project<'_> {
    let project = world.project();
    for (user, posts) in [("1", [3, 1]), ("2", [2, 4])] {
        let documents = posts.map(|at| json!({ "_id": format!("p{at}"), "at": at }));
        project.put(&format!("users/{user}/posts"), documents).await;
    }
    project.put("users/1/drafts", [json!({ "_id": "d", "at": 9 })]).await;
    project
}

fn places(page: &Value) -> Vec<String> {
    let documents = page["documents"].as_array().unwrap();
    let place = |found: &Value| {
        format!("{} {}", found["collection"].as_str().unwrap(), found["document"]["_id"].as_str().unwrap())
    };
    documents.iter().map(place).collect()
}

#[tokio::test]
async fn a_group_query_says_where_each_document_is() {
    let world = World::start();
    let project = posts(&world).await;
    let body = json!({ "pattern": "users/*/posts", "query": { "at": { "$gte": 2 } }, "sort": { "at": 1 }, "limit": 2 });
    let page = project.secret(Method::POST, "/group/query").json(&body).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert_eq!(places(&page.body), ["users/2/posts p2", "users/1/posts p3"]);
    let mut next = body.clone();
    next["cursor"] = page.body["next_cursor"].clone();
    let page = project.developer("viewer", Method::POST, "/group/query").json(&next).await;
    assert_eq!(
        (places(&page.body), &page.body["next_cursor"]),
        (vec!["users/2/posts p4".to_owned()], &Value::Null)
    );
}

#[tokio::test]
async fn rules_of_each_collection_decide_in_a_group() {
    let world = World::start();
    let project = world.project();
    project.open("users/1/posts", json!({ "read": true })).await;
    let project_posts = [("users/1/posts", "open"), ("users/2/posts", "closed")];
    for (collection, id) in project_posts {
        project.put(collection, [json!({ "_id": id })]).await;
    }
    let page =
        project.public(Method::POST, "/group/query").json(&json!({ "pattern": "users/*/posts" })).await;
    assert_eq!(places(&page.body), ["users/1/posts open"], "{page:?}");
}

#[tokio::test]
async fn a_group_index_is_declared_listed_and_dropped() {
    let world = World::start();
    let project = posts(&world).await;
    let body =
        json!({ "pattern": "users/*/posts", "fields": [{ "path": "at", "order": -1 }], "sparse": true });
    let made = project.secret(Method::POST, "/group-indexes").json(&body).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!((&made.body["pattern"], &made.body["name"]), (&json!("users/*/posts"), &json!("at_-1")));
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let listed = project.developer("viewer", Method::GET, "/group-indexes").send().await;
        let index = &listed.body["indexes"][0];
        assert_eq!(index["sparse"], true, "{listed:?}");
        if index["state"] == "ready" {
            break;
        }
        assert!(Instant::now() < deadline, "{listed:?}");
        tokio::task::yield_now().await;
    }
    let path = "/group-indexes/users%2F*%2Fposts/at_-1";
    assert_eq!(project.developer("viewer", Method::DELETE, path).send().await.refusal(), (403, "forbidden"));
    assert_eq!(project.secret(Method::DELETE, path).send().await.status, 204);
    assert_eq!(project.secret(Method::DELETE, path).send().await.refusal(), (404, "index_not_found"));
}

#[tokio::test]
async fn collections_of_services_are_in_no_group() {
    let world = World::start();
    let project = posts(&world).await;
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

#[tokio::test]
async fn a_pattern_may_stand_in_the_body() {
    let world = World::start();
    let project = posts(&world).await;
    let group = json!({ "collection": "users/*/posts", "query": { "at": 4 } });
    let page = project.secret(Method::POST, "/documents/query").json(&group).await;
    assert_eq!(places(&page.body), ["users/2/posts p4"], "{page:?}");
}
