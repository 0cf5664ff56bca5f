//! Registration where mail reaches people: the answer says nothing, and an account is made with a link.

use crate::mails::SmtpServer;
use crate::support::{Answer, PUBLIC_URL, Server, link_token, login, person, with_registration};
use bun_auth::Registration;
use http::StatusCode;
use serde_json::json;
use std::sync::Arc;

async fn server() -> (Server, SmtpServer) {
    let smtp = SmtpServer::start().await;
    let server = Server::set_up_mailing(with_registration(Registration::Open), &smtp).await;
    (server, smtp)
}

async fn confirm(server: &Server, token: &str) -> Answer {
    server.post("/v1/auth/register/confirm", &json!({ "token": token })).await
}

#[tokio::test]
async fn unknown_and_known_addresses_get_the_same_answer() {
    let (server, mut smtp) = server().await;
    let unknown = server.post("/v1/auth/register", &person("eve@example.com")).await;
    assert_eq!(unknown.status, StatusCode::ACCEPTED, "{}", unknown.body);
    assert!(!unknown.headers.contains_key("set-cookie"));
    let link = smtp.message().await;
    assert!(link.contains("To: eve@example.com"), "{link}");
    assert!(link.contains(&format!("{PUBLIC_URL}/auth/action#mode=confirm_registration&token=")), "{link}");
    let known = server.post("/v1/auth/register", &person("ada@example.com")).await;
    assert_eq!((known.status, &known.body), (unknown.status, &unknown.body));
    assert_eq!(known.headers, unknown.headers);
    let notice = smtp.message().await;
    assert!(notice.contains("To: ada@example.com") && !notice.contains("token="), "{notice}");
    let not_yet = server.post("/v1/auth/login", &login("eve@example.com", "correct horse")).await;
    assert_eq!(not_yet.code(), "invalid_credentials");
    assert!(smtp.is_quiet());
}

#[tokio::test]
async fn of_fifty_who_use_a_link_at_once_one_makes_the_account() {
    let (server, mut smtp) = server().await;
    server.post("/v1/auth/register", &person("eve@example.com")).await;
    let token = link_token(&smtp.message().await);
    let server = Arc::new(server);
    let uses: Vec<_> = (0..50)
        .map(|_| {
            let (server, token) = (server.clone(), token.clone());
            tokio::spawn(async move { confirm(&server, &token).await })
        })
        .collect();
    let mut made = Vec::new();
    for attempt in uses {
        let answer = attempt.await.unwrap();
        match answer.status {
            StatusCode::CREATED => made.push(answer),
            _ => assert_eq!(answer.code(), "link_invalid", "{}", answer.body),
        }
    }
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].body["user"]["email"], "eve@example.com");
    let me = server.with_cookie("GET", "/v1/auth/me", &made[0].cookie()).await;
    assert_eq!(me.body, made[0].body);
    server.sign_in("eve@example.com", "correct horse").await;
}

#[tokio::test]
async fn a_link_is_good_for_an_hour_and_makes_no_second_account() {
    let (server, mut smtp) = server().await;
    let mut tokens = Vec::new();
    for _ in 0..2 {
        server.post("/v1/auth/register", &person("eve@example.com")).await;
        tokens.push(link_token(&smtp.message().await));
    }
    assert_eq!(confirm(&server, &tokens[0]).await.status, StatusCode::CREATED);
    assert_eq!(confirm(&server, &tokens[1]).await.code(), "account_exists");
    server.post("/v1/auth/register", &person("max@example.com")).await;
    let token = link_token(&smtp.message().await);
    server.pass(60 * 60);
    assert_eq!(confirm(&server, &token).await.code(), "link_invalid");
}
