//! Many projects share one process: what is kept of a project is what it has open.

use crate::support::World;
use http::Method;
use serde_json::json;

const PROJECTS: usize = 500;

#[tokio::test]
async fn a_project_that_is_quiet_holds_nothing_open() {
    let world = World::start();
    for at in 0..PROJECTS {
        let project = world.project();
        let made = project.secret(Method::POST, "/collections/a/documents").json(&json!({ "n": at })).await;
        assert_eq!(made.status, 201, "{made:?}");
        let found = project.secret(Method::POST, "/collections/a/documents/query").json(&json!({})).await;
        assert_eq!(found.body["documents"][0]["n"], at, "{found:?}");
        let stream = project.secret(Method::GET, "/collections/a/subscribe").stream().await;
        drop(stream);
    }
    assert_eq!(world.server.projects_in_use(), 0);
}
