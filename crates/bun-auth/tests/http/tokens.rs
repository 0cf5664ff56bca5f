//! API tokens.

use crate::support::{From, Server, person, wide, with_registration};
use bun_auth::{AuthConfig, Registration};
use http::StatusCode;
use ports::access::Action;
use ports::identity::DeveloperIdentity as _;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::num::NonZeroU32;

const DAY: i64 = 24 * 60 * 60;

async fn ada() -> (Server, String) {
    let server = Server::set_up(wide()).await;
    let cookie = server.sign_in("ada@example.com", "correct horse").await;
    (server, cookie)
}

fn text(token: &Value) -> &str {
    token["token"].as_str().unwrap()
}

async fn list(server: &Server, cookie: &str) -> Vec<Value> {
    let answer = server.with_cookie("GET", "/v1/auth/tokens", cookie).await;
    answer.body["tokens"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_token_is_shown_once_and_stands_for_its_account() {
    let (server, cookie) = ada().await;
    let made = server.token(&cookie, &["account:read", "functions:write", "account:read"]).await;
    assert!(text(&made).starts_with("bb_") && text(&made).len() == 46);
    assert!(made["id"].as_str().unwrap().starts_with("tok_"));
    assert_eq!(made["scopes"], json!(["account:read", "functions:write"]));
    assert_eq!(server.me(From::Token(text(&made))).await, StatusCode::OK);
    let listed = list(&server, &cookie).await;
    assert_eq!(listed.len(), 1);
    assert!(!listed[0].to_string().contains(text(&made)));
    assert_eq!(listed[0]["id"], made["id"]);
    let record = server.records().pop().unwrap();
    assert_eq!(record.action, "POST /v1/auth/tokens");
    assert_eq!(record.target["token"], made["id"].as_str().unwrap());
}

#[tokio::test]
async fn a_token_reaches_as_far_as_its_scopes() {
    let (server, cookie) = ada().await;
    let reader = server.token(&cookie, &["account:read"]).await;
    let writer = server.token(&cookie, &["account:write"]).await;
    let other = server.token(&cookie, &["documents:write"]).await;
    let rename = json!({ "name": "Ada L." });
    for (token, reads, writes) in [(&reader, 200, 403), (&writer, 200, 200), (&other, 403, 403)] {
        assert_eq!(server.me(From::Token(text(token))).await.as_u16(), reads);
        let answer = server.ask(From::Token(text(token)), "PATCH", "/v1/auth/me", &rename).await;
        assert_eq!(answer.status.as_u16(), writes);
    }
    let holder = server.service.token_holder(&SecretString::from(text(&other))).await.unwrap().unwrap();
    assert!(holder.scopes.reaches(Action::DocumentRead) && !holder.scopes.reaches(Action::KvRead));
    assert_eq!(holder.token.as_str(), other["id"]);
}

#[tokio::test]
async fn a_token_expires_when_it_was_said_to() {
    let (server, cookie) = ada().await;
    let make = |ttl: Option<Value>| {
        let mut body = json!({ "name": "ci", "scopes": ["*"] });
        if let Some(ttl) = ttl {
            body["ttl"] = ttl;
        }
        let (server, cookie) = (&server, &cookie);
        async move { server.ask(From::Cookie(cookie), "POST", "/v1/auth/tokens", &body).await }
    };
    let hour = make(Some(json!(3600))).await.body;
    let usual = make(None).await.body;
    let endless = make(Some(Value::Null)).await.body;
    assert!(endless["expires_at"].is_null() && usual["expires_at"].is_string());
    for ttl in [json!(0), json!(-1), json!(1_000_000_000_000_i64), json!("1h"), json!(1.5)] {
        assert_eq!(make(Some(ttl.clone())).await.code(), "invalid_request", "{ttl}");
    }
    let valid = || async {
        let mut valid = Vec::new();
        for token in [&hour, &usual, &endless] {
            valid.push(server.me(From::Token(text(token))).await == StatusCode::OK);
        }
        valid
    };
    assert_eq!(valid().await, [true, true, true]);
    server.pass(3600);
    assert_eq!(valid().await, [false, true, true]);
    assert_eq!(list(&server, &cookie).await.len(), 2);
    server.pass(30 * DAY);
    assert_eq!(valid().await, [false, false, true]);
    server.pass(20 * 365 * DAY);
    assert_eq!(valid().await, [false, false, true]);
}

#[tokio::test]
async fn bad_input_is_refused_with_a_code() {
    let (server, cookie) = ada().await;
    let cases = [
        (json!({ "name": "", "scopes": ["*"] }), "invalid_name"),
        (json!({ "name": "a\nb", "scopes": ["*"] }), "invalid_name"),
        (json!({ "name": "ci", "scopes": [] }), "invalid_request"),
        (json!({ "name": "ci", "scopes": ["functions"] }), "invalid_request"),
        (json!({ "name": "ci", "scopes": ["functions:read", "root:write"] }), "invalid_request"),
        (json!({ "name": "ci", "scopes": ["functions:read documents:write"] }), "invalid_request"),
        (json!({ "name": "ci", "scopes": "*" }), "invalid_request"),
        (json!({ "name": "ci" }), "invalid_request"),
        (json!({ "name": "ci", "scopes": ["*"], "user": "usr_x" }), "invalid_request"),
        (json!({ "name": "ci", "scopes": ["*".repeat(20_000)] }), "body_too_large"),
    ];
    for (body, code) in cases {
        let answer = server.ask(From::Cookie(&cookie), "POST", "/v1/auth/tokens", &body).await;
        assert_eq!(answer.code(), code, "{}", answer.body);
    }
    assert!(list(&server, &cookie).await.is_empty());
}

#[tokio::test]
async fn a_deleted_token_opens_nothing_at_once() {
    let (server, cookie) = ada().await;
    let made = server.token(&cookie, &["*"]).await;
    assert_eq!(server.me(From::Token(text(&made))).await, StatusCode::OK);
    let path = format!("/v1/auth/tokens/{}", made["id"].as_str().unwrap());
    assert_eq!(server.with_cookie("DELETE", &path, &cookie).await.status, StatusCode::NO_CONTENT);
    assert_eq!(server.me(From::Token(text(&made))).await, StatusCode::UNAUTHORIZED);
    assert_eq!(server.with_cookie("DELETE", &path, &cookie).await.code(), "account_item_not_found");
    let server = server.restart(wide()).await;
    assert_eq!(server.me(From::Token(text(&made))).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn nobody_sees_or_deletes_the_tokens_of_others() {
    let server = Server::set_up(with_registration(Registration::Open)).await;
    let cookie = server.sign_in("ada@example.com", "correct horse").await;
    let eve = server.post("/v1/auth/register", &person("eve@example.com")).await.cookie();
    let made = server.token(&cookie, &["*"]).await;
    let path = format!("/v1/auth/tokens/{}", made["id"].as_str().unwrap());
    let foreign = server.with_cookie("DELETE", &path, &eve).await;
    let missing = "/v1/auth/tokens/tok_0123456789abcdef0123456789abcdef";
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
    assert_eq!(foreign.body, server.with_cookie("DELETE", missing, &eve).await.body);
    assert!(list(&server, &eve).await.is_empty());
    assert_eq!(server.me(From::Token(text(&made))).await, StatusCode::OK);
}

#[tokio::test]
async fn an_account_has_a_limited_number_of_tokens_and_expired_ones_do_not_count() {
    let config = AuthConfig { tokens_per_account_max: NonZeroU32::new(2).unwrap(), ..wide() };
    let server = Server::set_up(config).await;
    let cookie = server.sign_in("ada@example.com", "correct horse").await;
    let make = || {
        let (server, cookie) = (&server, &cookie);
        let body = json!({ "name": "ci", "scopes": ["*"], "ttl": 60 });
        async move { server.ask(From::Cookie(cookie), "POST", "/v1/auth/tokens", &body).await }
    };
    assert_eq!(make().await.status, StatusCode::CREATED);
    assert_eq!(make().await.status, StatusCode::CREATED);
    assert_eq!(make().await.code(), "limit_exceeded");
    server.pass(60);
    assert_eq!(make().await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_token_seen_before_is_checked_without_the_store_and_its_use_is_noted() {
    let (server, cookie) = ada().await;
    let made = server.token(&cookie, &["*"]).await;
    assert!(list(&server, &cookie).await[0]["last_used_at"].is_null());
    let token = SecretString::from(text(&made));
    let holder = server.service.token_holder(&token).await.unwrap();
    assert!(holder.is_some());
    assert!(list(&server, &cookie).await[0]["last_used_at"].is_string());
    let server = server.restart(wide()).await;
    let cookie = server.sign_in("ada@example.com", "correct horse").await;
    assert!(list(&server, &cookie).await[0]["last_used_at"].is_string());
    assert_eq!(server.service.token_holder(&token).await.unwrap(), holder);
    server.database.close().await;
    assert_eq!(server.service.token_holder(&token).await.unwrap(), holder);
    // What has not the form of a token is not looked up at all.
    assert!(server.service.token_holder(&SecretString::from("bb_x")).await.unwrap().is_none());
    let unknown = SecretString::from(format!("bb_{}", "A".repeat(43)));
    assert!(server.service.token_holder(&unknown).await.is_err());
}
