//! How often somebody may try.

use crate::support::{From, Server, login, wide};
use bun_auth::AuthConfig;
use http::StatusCode;
use serde_json::json;
use std::num::NonZeroU32;

const ATTEMPTS: NonZeroU32 = NonZeroU32::new(3).unwrap();

#[tokio::test]
async fn an_address_that_tries_too_often_is_told_when_to_come_back() {
    let config = AuthConfig { requests_per_minute_per_address: ATTEMPTS, ..wide() };
    let server = Server::start(config).await;
    let attempt = |peer: &'static str, number: u32| {
        let body = login(&format!("p{number}@example.com"), "wrong horse");
        let server = &server;
        async move { server.post_from(peer, "/v1/auth/login", &body).await }
    };
    for number in 0..ATTEMPTS.get() {
        assert_eq!(attempt("2001:db8::1", number).await.status, StatusCode::UNAUTHORIZED);
    }
    let refused = attempt("2001:db8::2", 9).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::TOO_MANY_REQUESTS, "rate_limited"));
    let wait: u32 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
    assert_eq!(attempt("192.0.2.7", 9).await.status, StatusCode::UNAUTHORIZED);
    for path in ["/v1/setup", "/v1/auth/register"] {
        let answer = server.post_from("2001:db8::3", path, &login("a@b.c", "x")).await;
        assert_eq!(answer.code(), "rate_limited", "{path}");
    }
}

/// The codes of one wrong password after the other, from these addresses.
async fn failures(server: &Server, email: &str, peers: &[&str]) -> Vec<String> {
    let mut codes = Vec::new();
    for peer in peers {
        let body = login(&format!(" {} ", email.to_uppercase()), "wrong horse");
        codes.push(server.post_from(peer, "/v1/auth/login", &body).await.code().to_owned());
    }
    codes
}

#[tokio::test]
async fn a_stranger_who_guesses_is_stopped_and_the_owner_is_not() {
    let config = AuthConfig { failures_per_minute_per_account_and_address: ATTEMPTS, ..wide() };
    let server = Server::set_up(config).await;
    let stranger = ["198.51.100.1"; 4];
    let known = failures(&server, "ada@example.com", &stranger).await;
    assert_eq!(known, failures(&server, "nobody@example.com", &stranger).await);
    let (refused, wrong) = ("rate_limited", "invalid_credentials");
    assert_eq!(known, [wrong, wrong, wrong, refused]);
    let owner = login("ada@example.com", "correct horse");
    assert_eq!(server.post_from("198.51.100.2", "/v1/auth/login", &owner).await.status, StatusCode::OK);
    let guessed = server.post_from("198.51.100.1", "/v1/auth/login", &owner).await;
    assert_eq!(guessed.code(), refused, "even the right password is not looked at");
    assert_eq!(guessed.headers["retry-after"], "20");
    server.pass(20);
    assert_eq!(server.post_from("198.51.100.1", "/v1/auth/login", &owner).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_account_is_guarded_from_many_addresses_but_for_those_it_was_used_from() {
    let config = AuthConfig { failures_per_minute_per_account: ATTEMPTS, ..wide() };
    let server = Server::set_up(config).await;
    let owner = login("ada@example.com", "correct horse");
    assert_eq!(server.post_from("192.0.2.1", "/v1/auth/login", &owner).await.status, StatusCode::OK);
    let peers = ["198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4"];
    let known = failures(&server, "ada@example.com", &peers).await;
    assert_eq!(known.last().unwrap(), "rate_limited");
    assert_eq!(known, failures(&server, "nobody@example.com", &peers).await);
    assert_eq!(server.post_from("192.0.2.1", "/v1/auth/login", &owner).await.status, StatusCode::OK);
}

#[tokio::test]
async fn right_passwords_are_never_too_many() {
    let config = AuthConfig { failures_per_minute_per_account_and_address: ATTEMPTS, ..wide() };
    let server = Server::set_up(config).await;
    for _ in 0..10 {
        server.sign_in("ada@example.com", "correct horse").await;
    }
}

#[tokio::test]
async fn a_huge_password_is_refused_before_it_is_hashed() {
    let server = Server::set_up(wide()).await;
    let cookie = server.sign_in("ada@example.com", "correct horse").await;
    let huge = "x".repeat(1 << 20);
    let bodies = [
        ("/v1/setup", json!({ "email": "a@b.example", "password": huge, "name": "A" })),
        ("/v1/auth/register", json!({ "email": "a@b.example", "password": huge, "name": "A" })),
        ("/v1/auth/login", json!({ "email": "ada@example.com", "password": huge })),
        ("/v1/auth/password", json!({ "current_password": huge, "new_password": huge })),
        ("/v1/auth/password/reset", json!({ "token": "x", "password": huge })),
    ];
    for (path, body) in bodies {
        let answer = server.ask(From::Cookie(&cookie), "POST", path, &body).await;
        assert_eq!(
            (answer.status, answer.code()),
            (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            "{path}"
        );
    }
    let long = login("ada@example.com", &"x".repeat(1025));
    assert_eq!(server.post("/v1/auth/login", &long).await.code(), "invalid_request");
}
