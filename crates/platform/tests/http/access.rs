//! Who may do what: the table of callers and routes.

use crate::support::{Answer, By, Server, token};
use http::StatusCode;
use ports::access::{Access as _, AccessError, Ask, Caller, Credentials};
use serde_json::json;
use service_kit::ids::ProjectId;
use std::net::IpAddr;

/// A route of a project, and the roles and key that it lets in.
#[derive(Clone, Copy)]
struct Row {
    method: &'static str,
    rest: &'static str,
    roles: &'static [&'static str],
    secret_key_may: bool,
    body: &'static str,
}

const fn row(method: &'static str, rest: &'static str, roles: &'static [&'static str]) -> Row {
    Row { method, rest, roles, secret_key_may: false, body: "" }
}

const fn with_body(row: Row, body: &'static str) -> Row {
    Row { body, ..row }
}

const fn and_secret_keys(row: Row) -> Row {
    Row { secret_key_may: true, ..row }
}

const ALL: &[&str] = &["owner", "admin", "member", "viewer"];
const ADMINS: &[&str] = &["owner", "admin"];
/// Ids of the right form that nothing has.
const NO_KEY: &str = "/keys/key_00000000000000000000000000000000";
const NO_KEY_ROTATE: &str = "/keys/key_00000000000000000000000000000000/rotate";
const NO_MEMBER: &str = "/members/usr_00000000000000000000000000000000";
const NO_INVITATION: &str = "/invitations/ivt_00000000000000000000000000000000";

const TABLE: &[Row] = &[
    and_secret_keys(row("GET", "", ALL)),
    and_secret_keys(row("GET", "/config", ALL)),
    with_body(row("PATCH", "", ADMINS), r#"{"name": "renamed"}"#),
    row("GET", "/keys", ADMINS),
    with_body(row("POST", "/keys", ADMINS), r#"{"kind": "public"}"#),
    with_body(row("POST", NO_KEY_ROTATE, ADMINS), "{}"),
    row("DELETE", NO_KEY, ADMINS),
    row("GET", "/members", ALL),
    with_body(row("POST", "/members", ADMINS), r#"{"email": "new@example.com", "role": "viewer"}"#),
    with_body(row("PATCH", NO_MEMBER, ADMINS), r#"{"role": "viewer"}"#),
    row("DELETE", NO_MEMBER, ADMINS),
    row("DELETE", NO_INVITATION, ADMINS),
    row("GET", "/audit", ADMINS),
    row("GET", "/audit/export?action=nothing", ADMINS),
    row("POST", "/leave", ALL),
    row("DELETE", "", &["owner"]),
];

async fn attempt(server: &Server, by: By<'_>, project: &str, row: &Row) -> Answer {
    let body = serde_json::from_str(row.body).ok();
    server.send(by, row.method, &format!("{project}{}", row.rest), body).await
}

/// Whether the request came past the authorisation: done, or there was nothing to do it to.
fn passed(answer: &Answer) -> bool {
    let missing = ["key_not_found", "member_not_found", "account_item_not_found"];
    answer.status.is_success() || missing.contains(&answer.code())
}

#[tokio::test]
async fn every_role_may_do_what_the_table_says_and_no_more() {
    let server = Server::start().await;
    for row in TABLE {
        for role in ["viewer", "member", "admin", "owner"] {
            let project = server.project("cities").await;
            server.join(&project, "bob", role).await;
            let answer = attempt(&server, By::Developer("bob"), &project.path, row).await;
            let (method, rest) = (row.method, row.rest);
            if row.roles.contains(&role) {
                assert!(passed(&answer), "{method} {rest} as {role}: {} {}", answer.status, answer.body);
            } else {
                assert_eq!(answer.code(), "forbidden", "{method} {rest} as {role}");
            }
        }
    }
}

#[tokio::test]
async fn keys_never_manage_their_project() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    for row in TABLE {
        let secret = attempt(&server, By::Key(&project.secret_key), &project.path, row).await;
        let wanted = if row.secret_key_may { StatusCode::OK } else { StatusCode::FORBIDDEN };
        assert_eq!(secret.status, wanted, "{} {}", row.method, row.rest);
        let public = attempt(&server, By::Key(&project.public_key), &project.path, row).await;
        assert_eq!(public.status, StatusCode::FORBIDDEN, "{} {}", row.method, row.rest);
    }
    let with_key = server.get(By::Key(&project.secret_key), "/v1/project").await;
    assert_eq!(with_key.status, StatusCode::OK);
    assert_eq!(server.get(By::Key(&project.public_key), "/v1/project").await.code(), "forbidden");
    assert_eq!(server.get(By::Developer("ada"), "/v1/project").await.code(), "unauthenticated");
}

#[tokio::test]
async fn nobody_and_false_credentials_are_told_to_sign_in() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let unknown_key = format!("sk_{}", "0".repeat(64));
    let callers = [
        By::Nobody,
        By::Developer("mallory"),
        By::Key("sk_"),
        By::Key("x"),
        By::Key(&unknown_key),
        By::Token("bb_unknown"),
        By::Token("unknown"),
    ];
    for by in callers {
        for row in TABLE {
            let answer = attempt(&server, by, &project.path, row).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{} {}", row.method, row.rest);
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
        for row in TABLE {
            let foreign = attempt(&server, by, &project.path, row).await;
            assert_eq!((foreign.status, foreign.code()), (StatusCode::NOT_FOUND, "project_not_found"));
            for path in
                [&missing, "/v1/projects/..%2F..%2Fetc", "/v1/projects/prj_'%20OR%201=1", "/v1/projects/%00"]
            {
                let answer = attempt(&server, by, path, row).await;
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
    let list = Ask::Developer { action: ports::access::Action::ProjectList };
    for ask in [list, Ask::Session] {
        let refused = server.access.authorize(&both, ask).await.unwrap_err();
        assert!(matches!(refused, AccessError::Forbidden(_)));
    }
}

#[tokio::test]
async fn a_role_seen_before_is_checked_without_the_store() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let signed_in = |name: &str| Credentials { session: Some(name.into()), ..Credentials::default() };
    let ask = Ask::Project { project: project.id(), action: ports::access::Action::KeyWrite };
    let granted = server.access.authorize(&signed_in("ada"), ask).await.unwrap();
    server.database.close().await;
    assert_eq!(server.access.authorize(&signed_in("ada"), ask).await.unwrap(), granted);
    let unread = server.access.authorize(&signed_in("eve"), ask).await.unwrap_err();
    assert!(matches!(unread, AccessError::Unavailable(_)));
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
