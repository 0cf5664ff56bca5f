//! Projects never meet, and every resource is there for keys and for developers.

use crate::support::World;
use http::Method;
use ports::lifecycle::ProjectLifecycle;
use routes::Need;
use serde_json::json;

#[tokio::test]
async fn two_projects_with_the_same_names_never_meet() {
    let world = World::start();
    let (left, right) = (world.project(), world.project());
    left.put("posts", [json!({ "_id": "a", "of": "left" }), json!({ "_id": "only" })]).await;
    right.put("posts", [json!({ "_id": "a", "of": "right" })]).await;
    for (project, of, count) in [(&left, "left", 2), (&right, "right", 1)] {
        let read = project.secret(Method::GET, "/collections/posts/documents/a").send().await;
        assert_eq!(read.body["of"], of);
        let list = project.developer("viewer", Method::GET, "/collections/posts/documents").send().await;
        assert_eq!(list.ids().len(), count);
    }
    let foreign = right.secret(Method::GET, "/collections/posts/documents/only").send().await;
    let missing = right.secret(Method::GET, "/collections/posts/documents/none").send().await;
    assert_eq!(foreign.refusal(), missing.refusal());

    world.server.purge(&left.id).await.unwrap();
    world.server.purge(&left.id).await.unwrap();
    let collections = left.secret(Method::GET, "/collections").send().await;
    assert_eq!(collections.body["collections"], json!([]));
    let read = right.secret(Method::GET, "/collections/posts/documents/a").send().await;
    assert_eq!(read.body["of"], "right");
}

#[tokio::test]
async fn a_viewer_looks_and_a_public_key_does_not_administer() {
    let world = World::start();
    let project = world.project();
    project.put("a", [json!({ "_id": "x" })]).await;
    let read = project.developer("viewer", Method::GET, "/collections/a/documents/x").send().await;
    assert_eq!(read.status, 200);
    let refused = project.developer("viewer", Method::DELETE, "/collections/a/documents/x").send().await;
    assert_eq!(refused.refusal(), (403, "forbidden"));
    for (method, path) in [
        (Method::GET, "/collections"),
        (Method::DELETE, "/collections/a"),
        (Method::GET, "/collections/a/rules"),
        (Method::POST, "/collections/a/indexes"),
    ] {
        let refused = project.public(method, path).send().await;
        assert_eq!(refused.refusal(), (403, "forbidden"), "{path}");
    }
}

#[tokio::test]
async fn every_resource_stands_under_both_prefixes_with_the_same_need() {
    let world = World::start();
    let rows = &world.routes.rows;
    let (with_key, in_project): (Vec<_>, Vec<_>) =
        rows.iter().partition(|row| row.path.starts_with("/v1/database/"));
    assert_eq!(with_key.len(), in_project.len());
    for (key, project) in with_key.iter().zip(&in_project) {
        let (Need::Key(action), Need::Project(same)) = (key.need, project.need) else {
            panic!("{key:?} {project:?}")
        };
        assert_eq!((action, &key.method), (same, &project.method));
        let tail = key.path.strip_prefix("/v1/database").unwrap();
        assert_eq!(project.path.strip_prefix("/v1/projects/{project}/database"), Some(tail));
    }
}
