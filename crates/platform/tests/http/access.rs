//! Who may do what: the table of callers and routes.

use crate::support::{By, DEVELOPERS, Project, Server, token};
use http::StatusCode;
use ports::access::{Access as _, AccessError, Ask, Caller, Credentials};
use serde_json::json;
use service_kit::ids::ProjectId;
use std::net::IpAddr;

/// A route of a project, and the roles and key that it lets in.
const TABLE: &[(&str, &str, &[&str], bool)] = &[
    ("GET", "", &["owner", "admin", "member", "viewer"], true),
    ("PATCH", "", &["owner", "admin"], false),
    ("GET", "/keys", &["owner", "admin"], false),
    ("POST", "/keys", &["owner", "admin"], false),
    ("DELETE", "/keys/key_none", &["owner", "admin"], false),
    ("DELETE", "", &["owner"], false),
];

async fn attempt(server: &Server, by: By<'_>, project: &Project, route: (&str, &str)) -> StatusCode {
    let (method, rest) = route;
    let body = match (method, rest) {
        ("PATCH", _) => Some(json!({ "name": "renamed" })),
        ("POST", _) => Some(json!({ "kind": "public" })),
        _ => None,
    };
    server.send(by, method, &format!("{}{rest}", project.path), body).await.status
}

/// Whether the request came past the authorisation.
fn passed(status: StatusCode, rest: &str) -> bool {
    status.is_success() || (status == StatusCode::NOT_FOUND && rest == "/keys/key_none")
}

#[tokio::test]
async fn every_role_may_do_what_the_table_says_and_no_more() {
    let server = Server::start().await;
    for &(method, rest, roles, _) in TABLE {
        for role in ["viewer", "member", "admin", "owner"] {
            let project = server.project("cities").await;
            let sql =
                "INSERT INTO project_members (project, account, role, created_at) VALUES ($1, $2, $3, 0)";
            server.execute(sql, &[project.id(), DEVELOPERS["bob"].as_str(), role]).await;
            let status = attempt(&server, By::Developer("bob"), &project, (method, rest)).await;
            if roles.contains(&role) {
                assert!(passed(status, rest), "{method} {rest} as {role}: {status}");
            } else {
                assert_eq!(status, StatusCode::FORBIDDEN, "{method} {rest} as {role}");
            }
        }
    }
}

#[tokio::test]
async fn keys_never_manage_their_project() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    for &(method, rest, _, secret_may) in TABLE {
        let secret = attempt(&server, By::Key(&project.secret_key), &project, (method, rest)).await;
        let wanted = if secret_may { StatusCode::OK } else { StatusCode::FORBIDDEN };
        assert_eq!(secret, wanted, "{method} {rest}");
        let public = attempt(&server, By::Key(&project.public_key), &project, (method, rest)).await;
        assert_eq!(public, StatusCode::FORBIDDEN, "{method} {rest}");
    }
}

#[tokio::test]
async fn nobody_and_false_credentials_are_told_to_sign_in() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let unknown_key = format!("sk_{}", "0".repeat(64));
    let callers = [By::Nobody, By::Developer("mallory"), By::Key("sk_"), By::Key("x"), By::Key(&unknown_key)];
    for by in callers {
        for &(method, rest, _, _) in TABLE {
            let status = attempt(&server, by, &project, (method, rest)).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {rest}");
        }
    }
    for by in [By::Nobody, By::Developer("mallory")] {
        assert_eq!(server.get(by, "/v1/projects").await.code(), "unauthenticated");
        let create = server.post(by, "/v1/projects", json!({ "name": "x" })).await;
        assert_eq!(create.code(), "unauthenticated");
    }
    assert_eq!(server.get(By::Key(&project.secret_key), "/v1/projects").await.code(), "forbidden");
}

#[tokio::test]
async fn a_foreign_project_answers_like_a_missing_and_a_malformed_one() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let other = server.post(By::Developer("eve"), "/v1/projects", json!({ "name": "other" })).await.body;
    let others_key = other["secret_key"].as_str().unwrap();
    let missing = format!("/v1/projects/{}", ProjectId::generate());
    for by in [By::Developer("eve"), By::Key(others_key)] {
        for &(method, rest, _, _) in TABLE {
            let body = (method == "PATCH").then(|| json!({ "name": "stolen" }));
            let body = if method == "POST" { Some(json!({ "kind": "secret" })) } else { body };
            let foreign = server.send(by, method, &format!("{}{rest}", project.path), body.clone()).await;
            assert_eq!((foreign.status, foreign.code()), (StatusCode::NOT_FOUND, "project_not_found"));
            for path in
                [&missing, "/v1/projects/..%2F..%2Fetc", "/v1/projects/prj_'%20OR%201=1", "/v1/projects/%00"]
            {
                let answer = server.send(by, method, &format!("{path}{rest}"), body.clone()).await;
                assert_eq!((answer.status, &answer.body), (foreign.status, &foreign.body), "{path}");
            }
        }
    }
    assert_eq!(server.get(By::Developer("ada"), &project.path).await.body["project"]["name"], "cities");
}

#[tokio::test]
async fn a_key_decides_before_a_session() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let credentials = |key: &str| Credentials {
        session: Some("ada".into()),
        key: Some(key.into()),
        ..Credentials::default()
    };
    let both = credentials(&project.public_key);
    let action = ports::access::Action::ProjectDelete;
    let ask = Ask::Project { project: project.id(), action };
    let refused = server.access.authorize(&both, ask).await.unwrap_err();
    assert!(matches!(refused, AccessError::Forbidden(_)));
    let refused = server.access.authorize(&both, Ask::Developer).await.unwrap_err();
    assert!(matches!(refused, AccessError::Forbidden(_)));
}

#[tokio::test]
async fn operators_come_from_the_machine_or_with_the_token() {
    let server = Server::start().await;
    let from = |peer: &str, bearer: Option<&str>| Credentials {
        peer: peer.parse::<IpAddr>().ok(),
        bearer: bearer.map(Into::into),
        ..Credentials::default()
    };
    let shown = secrecy::ExposeSecret::expose_secret(&token()).to_owned();
    for credentials in [
        from("127.0.0.1", None),
        from("::1", None),
        from("::ffff:127.0.0.1", None),
        from("192.0.2.1", Some(&shown)),
        from("unknown", Some(&shown)),
    ] {
        let grant = server.access.authorize(&credentials, Ask::Operator).await.unwrap();
        assert_eq!(grant.caller, Caller::Operator);
    }
    for credentials in [from("192.0.2.1", None), from("192.0.2.1", Some("wrong")), from("unknown", None)] {
        let refused = server.access.authorize(&credentials, Ask::Operator).await.unwrap_err();
        assert!(matches!(refused, AccessError::Unauthenticated(_)));
    }
}

#[tokio::test]
async fn credentials_are_not_shown_in_debug_text() {
    let credentials = Credentials { key: Some("sk_0123".into()), ..Credentials::default() };
    assert!(!format!("{credentials:?}").contains("0123"));
}
