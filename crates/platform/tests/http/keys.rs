//! Keys: making, listing, revoking, and what is kept of them.

use crate::support::{By, Project, Server};
use http::StatusCode;
use platform::PlatformConfig;
use serde_json::{Value, json};

const ADA: By<'_> = By::Developer("ada");

async fn opens(server: &Server, key: &str, project: &Project) -> StatusCode {
    server.get(By::Key(key), &project.path).await.status
}

async fn create(server: &Server, project: &Project, body: Value) -> Value {
    let answer = server.post(ADA, &project.keys(), body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    answer.body
}

#[tokio::test]
async fn a_secret_key_is_shown_once_and_a_public_key_again() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let made = create(&server, &project, json!({ "kind": "secret", "name": "ci" })).await;
    let secret = made["secret"].as_str().unwrap();
    assert_eq!((&made["key"]["name"], &made["key"]["prefix"]), (&json!("ci"), &json!("sk_")));
    assert!(secret.ends_with(made["key"]["last4"].as_str().unwrap()));
    assert_eq!(opens(&server, secret, &project).await, StatusCode::OK);

    let public = create(&server, &project, json!({ "kind": "public" })).await;
    assert!(public.get("secret").is_none());
    assert_eq!(public["key"]["name"], "default");

    let listed = server.get(ADA, &project.keys()).await.body;
    let keys = listed["keys"].as_array().unwrap();
    let kinds: Vec<_> = keys.iter().map(|key| key["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["public", "secret", "secret", "public"]);
    assert_eq!(keys[0]["public_key"], project.public_key.as_str());
    assert_eq!(keys[3]["public_key"], public["key"]["public_key"]);
    assert!(!listed.to_string().contains(secret) && !listed.to_string().contains(&project.secret_key));
}

#[tokio::test]
async fn no_secret_key_is_on_disk() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    assert_eq!(opens(&server, &project.secret_key, &project).await, StatusCode::OK);
    server.service.shutdown().await;
    assert!(server.holds(&project.public_key));
    assert!(!server.holds(&project.secret_key));
}

#[tokio::test]
async fn a_revoked_key_opens_nothing_at_once() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let made = create(&server, &project, json!({ "kind": "secret" })).await;
    let secret = made["secret"].as_str().unwrap();
    assert_eq!(opens(&server, secret, &project).await, StatusCode::OK);
    let path = format!("{}/{}", project.keys(), made["key"]["id"].as_str().unwrap());
    assert_eq!(server.delete(ADA, &path).await.status, StatusCode::NO_CONTENT);
    let refused = server.get(By::Key(secret), &project.path).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::UNAUTHORIZED, "unauthenticated"));
    assert_eq!(opens(&server, &project.secret_key, &project).await, StatusCode::OK);
    assert_eq!(server.delete(ADA, &path).await.code(), "key_not_found");
}

#[tokio::test]
async fn a_key_of_another_project_is_not_found_and_stays() {
    let server = Server::start().await;
    let (project, other) = (server.project("a").await, server.project("b").await);
    let made = create(&server, &other, json!({ "kind": "secret" })).await;
    let key = made["key"]["id"].as_str().unwrap();
    let foreign = server.delete(ADA, &format!("{}/{key}", project.keys())).await;
    let missing = server.delete(ADA, &format!("{}/key_nonsense", project.keys())).await;
    assert_eq!((foreign.status, foreign.code()), (StatusCode::NOT_FOUND, "key_not_found"));
    assert_eq!(foreign.body, missing.body);
    assert_eq!(opens(&server, made["secret"].as_str().unwrap(), &other).await, StatusCode::OK);
}

#[tokio::test]
async fn keys_work_after_a_restart_and_their_last_use_is_kept() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    assert_eq!(opens(&server, &project.secret_key, &project).await, StatusCode::OK);
    let server = server.restart(PlatformConfig::default(), Vec::new()).await;
    let listed = server.get(ADA, &project.keys()).await.body;
    assert!(listed["keys"][0]["last_used_at"].is_null());
    assert!(listed["keys"][1]["last_used_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(opens(&server, &project.secret_key, &project).await, StatusCode::OK);
}

#[tokio::test]
async fn a_key_seen_before_is_checked_without_the_store() {
    use ports::access::{Access as _, Action, Ask, Credentials};
    let server = Server::start().await;
    let project = server.project("cities").await;
    let ask = Ask::Key { action: Action::DocumentRead };
    let with = |key: &str| Credentials { key: Some(key.into()), ..Credentials::default() };
    let unknown = with(&format!("sk_{}", "0".repeat(64)));
    let (secret, public) = (with(&project.secret_key), with(&project.public_key));
    let granted = server.access.authorize(&secret, ask).await.unwrap();
    let refused = server.access.authorize(&unknown, ask).await.unwrap_err().to_string();
    server.database.close().await;
    assert_eq!(server.access.authorize(&secret, ask).await.unwrap(), granted);
    assert_eq!(server.access.authorize(&unknown, ask).await.unwrap_err().to_string(), refused);
    let unread = server.access.authorize(&public, ask).await.unwrap_err();
    assert!(matches!(unread, ports::access::AccessError::Unavailable(_)));
}

#[tokio::test]
async fn a_project_has_a_limited_number_of_keys() {
    let config = PlatformConfig { keys_per_project_max: 3, ..PlatformConfig::default() };
    let server = Server::start_with(config, Vec::new()).await;
    let project = server.project("cities").await;
    create(&server, &project, json!({ "kind": "public" })).await;
    let fourth = server.post(ADA, &project.keys(), json!({ "kind": "public" })).await;
    assert_eq!(fourth.code(), "limit_exceeded");
}

#[tokio::test]
async fn bad_bodies_are_refused() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    for (body, code) in [
        (json!({}), "invalid_request"),
        (json!({ "kind": "root" }), "invalid_request"),
        (json!({ "kind": "secret", "name": 1 }), "invalid_request"),
        (json!({ "kind": "secret", "scopes": "*" }), "invalid_request"),
        (json!({ "kind": "secret", "name": "a\0b" }), "invalid_name"),
    ] {
        let answer = server.post(ADA, &project.keys(), body).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, code), "{}", answer.body);
    }
}
