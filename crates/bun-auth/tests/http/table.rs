//! Every route: nobody, a wrong cookie, a wrong token, a token instead of a session, too narrow scopes, the
//! right one.

use crate::support::{From, Server, wide};
use http::{Method, StatusCode};
use ports::access::Action;
use routes::Need;
use serde_json::{Value, json};

/// A body that the route refuses or takes, but only after it has let the caller in.
fn body(method: &Method) -> Value {
    if *method == Method::POST || *method == Method::PATCH { json!({ "name": "Ada" }) } else { Value::Null }
}

#[tokio::test]
async fn every_route_lets_in_whom_it_is_for_and_nobody_else() {
    let server = Server::set_up(wide()).await;
    let cookie = server.sign_in("ada@example.com", "correct horse").await;
    let everything = server.token(&cookie, &["*"]).await["token"].as_str().unwrap().to_owned();
    let narrow = server.token(&cookie, &["functions:write"]).await["token"].as_str().unwrap().to_owned();
    let reader = server.token(&cookie, &["*:read"]).await["token"].as_str().unwrap().to_owned();
    let forged = format!("bb_{}", "A".repeat(43));
    let mut protected = 0;
    for row in server.rows.clone() {
        let method = row.method.unwrap();
        let path = row.path.replace("{session}", "ses_x").replace("{token}", "tok_x");
        let status = |from| {
            let (server, method, path) = (&server, &method, &path);
            async move { server.ask(from, method.as_str(), path, &body(method)).await.status }
        };
        let (taken, narrowly, reading) = match row.need {
            Need::Nobody => continue,
            Need::Session => (false, false, false),
            Need::Developer(action) => (true, false, action == Action::AccountRead),
            other => panic!("{other:?} {path}"),
        };
        protected += 1;
        for stranger in [From::Nobody, From::Cookie("session_token=x")] {
            assert_eq!(status(stranger).await, StatusCode::UNAUTHORIZED, "{method} {path}");
        }
        let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
        assert!(refused.contains(&status(From::Token(&forged)).await), "{method} {path}");
        for (token, may) in [(&everything, taken), (&narrow, narrowly), (&reader, reading)] {
            let is_refused = status(From::Token(token)).await == StatusCode::FORBIDDEN;
            assert_eq!(is_refused, !may, "{method} {path}");
        }
        // Signing out ends the session that the others are asked with.
        if path != "/v1/auth/logout" {
            assert!(!refused.contains(&status(From::Cookie(&cookie)).await), "{method} {path}");
        }
    }
    assert_eq!(protected, 10);
}

#[tokio::test]
async fn another_sites_page_changes_nothing_with_the_visitors_cookie() {
    let server = Server::set_up(wide()).await;
    let cookie = server.sign_in("ada@example.com", "correct horse").await;
    for row in server.rows.clone() {
        let method = row.method.unwrap();
        if method == Method::GET {
            continue;
        }
        let request = http::Request::builder()
            .method(&method)
            .uri(row.path.replace(['{', '}'], ""))
            .header("cookie", &cookie)
            .header("origin", "https://evil.example")
            .header("host", "bunbase.example.org")
            .body(axum::body::Body::empty());
        let answer = server.send(request.unwrap()).await;
        assert_eq!(answer.code(), "origin_not_allowed", "{method} {}", row.path);
    }
}
