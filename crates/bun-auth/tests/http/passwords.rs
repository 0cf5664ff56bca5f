//! Changing a password.

use crate::support::{Answer, From, Server, login, wide};
use bun_auth::AuthConfig;
use http::StatusCode;
use serde_json::json;
use std::num::NonZeroU32;

async fn change(server: &Server, cookie: &str, current: &str, new: &str) -> Answer {
    let body = json!({ "current_password": current, "new_password": new });
    server.ask(From::Cookie(cookie), "POST", "/v1/auth/password", &body).await
}

#[tokio::test]
async fn a_changed_password_ends_every_other_session() {
    let server = Server::set_up(wide()).await;
    let this = server.sign_in("ada@example.com", "correct horse").await;
    let other = server.sign_in("ada@example.com", "correct horse").await;
    assert_eq!(server.me(From::Cookie(&other)).await, StatusCode::OK);
    let changed = change(&server, &this, "correct horse", "battery staple").await;
    assert_eq!(changed.status, StatusCode::NO_CONTENT, "{}", changed.body);
    assert_eq!(server.me(From::Cookie(&this)).await, StatusCode::OK);
    assert_eq!(server.me(From::Cookie(&other)).await, StatusCode::UNAUTHORIZED);
    let old = server.post("/v1/auth/login", &login("ada@example.com", "correct horse")).await;
    assert_eq!(old.code(), "invalid_credentials");
    server.sign_in("ada@example.com", "battery staple").await;
    server.service.shutdown().await;
    assert_eq!(server.published.topics(), ["accounts.registered", "accounts.password_changed"]);
    assert!(server.records().iter().any(|record| record.action == "POST /v1/auth/password"));
}

#[tokio::test]
async fn a_password_is_changed_by_whoever_knows_it_to_one_that_is_long_enough() {
    let server = Server::set_up(wide()).await;
    let cookie = server.sign_in("ada@example.com", "correct horse").await;
    let wrong = change(&server, &cookie, "wrong horse", "battery staple").await;
    assert_eq!((wrong.status, wrong.code()), (StatusCode::UNAUTHORIZED, "invalid_credentials"));
    assert_eq!(change(&server, &cookie, "correct horse", "short").await.code(), "weak_password");
    server.sign_in("ada@example.com", "correct horse").await;
}

#[tokio::test]
async fn somebody_with_a_stolen_session_cannot_guess_the_password() {
    let limit = NonZeroU32::new(3).unwrap();
    let config = AuthConfig { failures_per_minute_per_account_and_address: limit, ..wide() };
    let server = Server::set_up(config).await;
    let cookie = server.sign_in("ada@example.com", "correct horse").await;
    for _ in 0..limit.get() {
        change(&server, &cookie, "wrong horse", "battery staple").await;
    }
    let refused = change(&server, &cookie, "correct horse", "battery staple").await;
    assert_eq!((refused.status, refused.code()), (StatusCode::TOO_MANY_REQUESTS, "rate_limited"));
}
