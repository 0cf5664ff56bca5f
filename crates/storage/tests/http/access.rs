//! Who may do what: nobody, each role, each kind of key.

use crate::support::World;
use http::Method;
use serde_json::json;

const READS: [(&str, &str); 2] = [("GET", "/storage/a"), ("GET", "/storage")];
const WRITES: [(&str, &str); 3] = [("PUT", "/storage/b"), ("DELETE", "/storage/b"), ("POST", "/signed-urls")];
const ADMIN: [(&str, &str); 3] =
    [("PUT", "/storage-rules"), ("GET", "/storage-rules"), ("DELETE", "/signed-urls")];

fn method(text: &str) -> Method {
    text.parse().unwrap()
}

#[tokio::test]
async fn roles_and_keys_reach_what_the_table_says() {
    let world = World::start().await;
    let project = world.project();
    project.put("a", "1").await;
    let rules = json!({ "rules": [] });
    let wanted = json!({ "path": "a", "method": "GET", "expires_in": 60 });
    for (verb, path) in READS.into_iter().chain(WRITES).chain(ADMIN) {
        let nobody = world.call(method(verb), &format!("/v1{path}")).send().await;
        assert_eq!(nobody.status.as_u16(), 401, "{verb} {path}");
        let in_project = format!("/v1/projects/{}{path}", project.id);
        assert_eq!(world.call(method(verb), &in_project).send().await.status.as_u16(), 401, "{verb} {path}");
        let foreign = project.developer("stranger", method(verb), path).send().await;
        assert_eq!(foreign.refusal(), (404, "project_not_found".to_owned()), "{verb} {path}");
        let sent = if path.contains("signed") { &wanted } else { &rules };
        let secret = project.secret(method(verb), path).json(sent).await;
        assert!(secret.status.is_success(), "{verb} {path}: {secret:?}");
        let viewer = project.developer("viewer", method(verb), path).json(sent).await.status;
        assert_eq!(viewer.is_success(), READS.contains(&(verb, path)), "{verb} {path}");
        if path == "/storage/b" {
            project.put("b", "1").await;
        }
        let member = project.developer("member", method(verb), path).json(sent).await;
        assert!(member.status.is_success(), "{verb} {path}: {member:?}");
    }
    for (verb, path) in ADMIN {
        let public = project.public(method(verb), path).json(&rules).await;
        assert_eq!(public.refusal(), (403, "forbidden".to_owned()), "{verb} {path}");
    }
}
