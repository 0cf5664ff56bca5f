//! API tokens: what their scopes reach, that they never reach further than the role, and what no token may
//! do.

use crate::support::{By, Server};
use http::StatusCode;
use ports::access::{Access as _, AccessError, Action, Ask, Caller, Credentials, Role};
use serde_json::json;

const ADA: By<'_> = By::Developer("ada");

/// Areas of this service: a route of each, and the scopes that just reach it.
const AREAS: &[(&str, &str, &str, &str)] = &[
    ("GET", "", "", "projects:read"),
    ("GET", "/config", "", "projects:read"),
    ("PATCH", "", r#"{"name": "renamed"}"#, "projects:write"),
    ("GET", "/members", "", "members:read"),
    ("POST", "/members", r#"{"email": "new@example.com", "role": "viewer"}"#, "members:write"),
    ("GET", "/keys", "", "keys:read"),
    ("POST", "/keys", r#"{"kind": "secret"}"#, "keys:write"),
    ("GET", "/audit", "", "audit:read"),
];

async fn attempt(server: &Server, token: &str, project: &str, route: (&str, &str, &str)) -> StatusCode {
    let (method, rest, body) = route;
    let body = serde_json::from_str(body).ok();
    server.send(By::Token(token), method, &format!("{project}{rest}"), body).await.status
}

fn bearer(token: &str) -> Credentials {
    Credentials { bearer: Some(token.into()), ..Credentials::default() }
}

#[tokio::test]
async fn each_area_needs_its_scope() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let token = |scopes: &[&str]| server.identity.token("ada", scopes);
    for &(method, rest, body, scope) in AREAS {
        let route = (method, rest, body);
        let others: Vec<_> =
            AREAS.iter().map(|area| area.3).filter(|other| other[..4] != scope[..4]).collect();
        let (area, level) = scope.split_once(':').unwrap();
        let lower = format!("{area}:read");
        let reaching = [token(&[scope]), token(&["*"]), token(&[&format!("{area}:write")])];
        for token in &reaching {
            let status = attempt(&server, token, &project.path, route).await;
            assert!(status.is_success(), "{method} {rest}: {status}");
        }
        let mut short = vec![token(&[]), token(&others)];
        if level == "write" {
            short.extend([token(&[&lower]), token(&["*:read"])]);
        }
        for token in &short {
            let status = attempt(&server, token, &project.path, route).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{method} {rest}");
        }
    }
}

#[tokio::test]
async fn lists_and_new_projects_need_scopes_too() {
    let server = Server::start().await;
    let reads = server.identity.token("ada", &["projects:read"]);
    let writes = server.identity.token("ada", &["projects:write"]);
    let other = server.identity.token("ada", &["functions:write"]);
    let create = |token| server.post(By::Token(token), "/v1/projects", json!({ "name": "a" }));
    assert_eq!(create(&writes).await.status, StatusCode::CREATED);
    assert_eq!(server.get(By::Token(&reads), "/v1/projects").await.status, StatusCode::OK);
    for refused in
        [create(&reads).await, create(&other).await, server.get(By::Token(&other), "/v1/projects").await]
    {
        assert_eq!(refused.code(), "forbidden");
    }
    let owned = server.get(ADA, "/v1/projects").await.body;
    assert_eq!(owned["projects"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_token_reaches_no_further_than_the_role() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let token = server.identity.token("bob", &["*"]);
    let foreign = server.get(By::Token(&token), &project.path).await;
    assert_eq!((foreign.status, foreign.code()), (StatusCode::NOT_FOUND, "project_not_found"));
    server.join(&project, "bob", "viewer").await;
    assert_eq!(server.get(By::Token(&token), &project.path).await.status, StatusCode::OK);
    let rename = server.patch(By::Token(&token), &project.path, json!({ "name": "x" })).await;
    assert_eq!(rename.code(), "forbidden");
    let narrow = server.identity.token("bob", &["keys:read"]);
    assert_eq!(server.get(By::Token(&narrow), &project.path).await.code(), "forbidden");
}

#[tokio::test]
async fn an_ended_token_opens_nothing_at_once() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let token = server.identity.token("ada", &["*"]);
    assert_eq!(server.get(By::Token(&token), &project.path).await.status, StatusCode::OK);
    server.identity.end_token(&token);
    for path in [project.path.as_str(), "/v1/projects"] {
        let refused = server.get(By::Token(&token), path).await;
        assert_eq!((refused.status, refused.code()), (StatusCode::UNAUTHORIZED, "unauthenticated"));
    }
}

#[tokio::test]
async fn a_token_decides_before_a_session() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let token = server.identity.token("ada", &["functions:read"]);
    let both = By::TokenAndSession(&token, "ada");
    assert_eq!(server.get(both, &project.path).await.code(), "forbidden");
    let unknown = By::TokenAndSession("bb_unknown", "ada");
    assert_eq!(server.get(unknown, &project.path).await.code(), "unauthenticated");
    let not_a_token = By::TokenAndSession("an end user's", "ada");
    assert_eq!(server.get(not_a_token, &project.path).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_for_sessions_refuses_every_token_and_key() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let token = server.identity.token("ada", &["*"]);
    let session = Credentials { session: Some("ada".into()), ..Credentials::default() };
    let with_key = Credentials { key: Some(project.secret_key.as_str().into()), ..session.clone() };
    let with_token = Credentials { session: Some("ada".into()), ..bearer(&token) };
    let granted = server.access.authorize(&session, Ask::Session).await.unwrap();
    assert!(matches!(granted.caller, Caller::Developer { role: None, token: None, .. }));
    for credentials in [with_key, with_token, bearer(&token), bearer("bb_unknown")] {
        let refused = server.access.authorize(&credentials, Ask::Session).await.unwrap_err();
        let AccessError::Forbidden(text) = refused else { panic!("{refused}") };
        assert!(text.contains("sign in"), "{text}");
    }
    for credentials in [Credentials::default(), bearer("an end user's")] {
        let refused = server.access.authorize(&credentials, Ask::Session).await.unwrap_err();
        assert!(matches!(refused, AccessError::Unauthenticated(_)));
    }
}

#[tokio::test]
async fn a_grant_says_which_token_it_was() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let token = server.identity.token("ada", &["*"]);
    let ask = Ask::Project { project: project.id(), action: Action::ProjectDelete };
    let grant = server.access.authorize(&bearer(&token), ask).await.unwrap();
    let Caller::Developer { role, token, .. } = grant.caller else { panic!("{:?}", grant.caller) };
    assert_eq!(role, Some(Role::Owner));
    assert!(token.is_some());
}
