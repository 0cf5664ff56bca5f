//! How often somebody may try.

use crate::support::{Server, login, wide};
use bun_auth::AuthConfig;
use http::StatusCode;
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

#[tokio::test]
async fn an_account_is_guarded_from_many_addresses_whether_it_exists_or_not() {
    let config = AuthConfig { requests_per_minute_per_account: ATTEMPTS, ..wide() };
    let server = Server::set_up(config).await;
    let mut answers = Vec::new();
    for email in ["ada@example.com", "nobody@example.com"] {
        let mut codes = Vec::new();
        for number in 0..=ATTEMPTS.get() {
            let peer = format!("198.51.100.{number}");
            let body = login(&format!(" {} ", email.to_uppercase()), "wrong horse");
            codes.push(server.post_from(&peer, "/v1/auth/login", &body).await.code().to_owned());
        }
        answers.push(codes);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].last().unwrap(), "rate_limited");
    assert_eq!(answers[0][0], "invalid_credentials");
}
