//! Projects: making, listing, renaming.

use crate::support::{By, Server};
use http::StatusCode;
use platform::PlatformConfig;
use serde_json::json;

const ADA: By<'_> = By::Developer("ada");

#[tokio::test]
async fn a_new_project_comes_with_both_keys_and_its_maker_owns_it() {
    let server = Server::start().await;
    let answer = server.post(ADA, "/v1/projects", json!({ "name": " My Cities " })).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let project = &answer.body["project"];
    assert_eq!((&project["name"], &project["slug"]), (&json!("My Cities"), &json!("my-cities")));
    assert_eq!(project["role"], "owner");
    assert!(answer.body["public_key"].as_str().unwrap().starts_with("pk_"));
    assert!(answer.body["secret_key"].as_str().unwrap().starts_with("sk_"));
    let path = format!("/v1/projects/{}", project["id"].as_str().unwrap());
    assert_eq!(server.get(ADA, &path).await.body, json!({ "project": project }));
    let listed = server.get(ADA, "/v1/projects").await.body;
    assert_eq!(listed, json!({ "projects": [project], "next_cursor": null }));
    let others = server.get(By::Developer("eve"), "/v1/projects").await.body;
    assert_eq!(others["projects"], json!([]));
}

#[tokio::test]
async fn slugs_are_unique_and_never_empty() {
    let server = Server::start().await;
    let mut slugs = Vec::new();
    for name in ["日本", "日本", "Cities", "cities!", "'; DROP TABLE projects; --"] {
        let answer = server.post(ADA, "/v1/projects", json!({ "name": name })).await;
        assert_eq!(answer.body["project"]["name"], name);
        slugs.push(answer.body["project"]["slug"].as_str().unwrap().to_owned());
    }
    assert_eq!((slugs[0].as_str(), slugs[2].as_str()), ("project", "cities"));
    assert_eq!(slugs[4], "drop-table-projects");
    for (slug, start) in [(&slugs[1], "project-"), (&slugs[3], "cities-")] {
        let suffix = slug.strip_prefix(start).unwrap();
        assert!(suffix.len() == 8 && suffix.bytes().all(|b| b.is_ascii_hexdigit()), "{slug}");
    }
    assert_eq!(server.count("SELECT count(*) FROM projects").await, 5);
}

#[tokio::test]
async fn names_that_cannot_be_shown_are_refused() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    for name in ["", "  ", "a\0b", "a\nb", &"x".repeat(101)] {
        for (method, path) in [("POST", "/v1/projects"), ("PATCH", &project.path)] {
            let answer = server.send(ADA, method, path, Some(json!({ "name": name }))).await;
            assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, "invalid_name"), "{name:?}");
        }
    }
    let wrong = server.post(ADA, "/v1/projects", json!({ "name": 1 })).await;
    assert_eq!(wrong.code(), "invalid_request");
}

#[tokio::test]
async fn a_renamed_project_keeps_its_slug() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let renamed = server.send(ADA, "PATCH", &project.path, Some(json!({ "name": "Towns" }))).await;
    assert_eq!(renamed.status, StatusCode::OK);
    assert_eq!(renamed.body["project"]["name"], "Towns");
    assert_eq!(renamed.body["project"]["slug"], "cities");
    assert_eq!(renamed.body["project"]["role"], "owner");
    assert_eq!(server.get(ADA, &project.path).await.body, renamed.body);
}

#[tokio::test]
async fn an_account_owns_a_limited_number_of_projects() {
    let config = PlatformConfig { projects_per_account_max: 2, ..PlatformConfig::default() };
    let server = Server::start_with(config, Vec::new()).await;
    let (first, _) = (server.project("a").await, server.project("b").await);
    let third = server.post(ADA, "/v1/projects", json!({ "name": "c" })).await;
    assert_eq!(third.code(), "limit_exceeded");
    let others = server.post(By::Developer("eve"), "/v1/projects", json!({ "name": "c" })).await;
    assert_eq!(others.status, StatusCode::CREATED);
    server.delete(ADA, &first.path).await;
    let again = server.post(ADA, "/v1/projects", json!({ "name": "c" })).await;
    assert_eq!(again.status, StatusCode::CREATED);
}

#[tokio::test]
async fn the_list_comes_in_parts() {
    let server = Server::start().await;
    for name in ["a", "b", "c"] {
        server.project(name).await;
    }
    let first = server.get(ADA, "/v1/projects?limit=2").await.body;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = server.get(ADA, &format!("/v1/projects?limit=2&cursor={cursor}")).await.body;
    let names = |body: &serde_json::Value| -> Vec<String> {
        let projects = body["projects"].as_array().unwrap();
        projects.iter().map(|project| project["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((names(&first), names(&second)), (vec!["a".into(), "b".into()], vec!["c".to_owned()]));
    assert!(second["next_cursor"].is_null());
    for query in ["limit=0", "limit=1001", "limit=x", "cursor=x", "cursor=%27%20OR%201=1"] {
        let answer = server.get(ADA, &format!("/v1/projects?{query}")).await;
        assert_eq!(answer.code(), "invalid_request", "{query}");
    }
}
