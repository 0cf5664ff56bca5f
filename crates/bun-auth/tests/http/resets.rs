//! Setting a password anew with a link that came by mail.

use crate::mails::config;
use crate::support::{Answer, From, PUBLIC_URL, Server, link_token, login, post_request, wide};
use bun_auth::AuthConfig;
use http::StatusCode;
use serde_json::json;
use std::num::NonZeroU32;
use std::sync::Arc;

const FORGOT: &str = "/v1/auth/password/forgot";

async fn forgot(server: &Server, email: &str) -> Answer {
    server.post(FORGOT, &json!({ "email": email })).await
}

async fn reset(server: &Server, token: &str, password: &str) -> Answer {
    server.post("/v1/auth/password/reset", &json!({ "token": token, "password": password })).await
}

/// The token of the newest of so many mails.
async fn link(server: &Server, mails: usize) -> String {
    link_token(&server.mails(mails).await[0].text)
}

#[tokio::test]
async fn unknown_and_known_accounts_get_the_same_answer_and_only_a_known_one_gets_mail() {
    let server = Server::set_up(wide()).await;
    let known = forgot(&server, "ADA@example.com").await;
    assert_eq!(known.status, StatusCode::ACCEPTED);
    for email in ["nobody@example.com", "no address", "", "ada@example.com\r\nBcc: eve@example.com"] {
        let unknown = forgot(&server, email).await;
        assert_eq!(
            (unknown.status, &unknown.body, &unknown.headers),
            (known.status, &known.body, &known.headers)
        );
    }
    forgot(&server, "ada@example.com").await;
    let mails = server.mails(2).await;
    server.service.shutdown().await;
    assert_eq!(server.mails(2).await.len(), 2);
    assert!(mails.iter().all(|mail| mail.to == "ada@example.com"));
}

#[tokio::test]
async fn a_link_leads_to_the_address_of_the_settings_whatever_a_request_claims() {
    let server = Server::set_up(wide()).await;
    let mut request = post_request(FORGOT, json!({ "email": "ada@example.com" }).to_string());
    for name in ["host", "x-forwarded-host", "x-forwarded-proto", "forwarded", "origin", "referer"] {
        request.headers_mut().insert(name, "evil.example".parse().unwrap());
    }
    request.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    request.headers_mut().insert("sec-fetch-site", "same-origin".parse().unwrap());
    assert_eq!(server.send(request).await.status, StatusCode::ACCEPTED);
    let text = server.mails(1).await[0].text.clone();
    assert!(text.contains(&format!("\n{PUBLIC_URL}/auth/action#mode=reset_password&token=")), "{text}");
    assert!(!text.contains("evil"), "{text}");
}

#[tokio::test]
async fn a_link_sets_the_password_once_and_ends_every_session() {
    let server = Server::set_up(wide()).await;
    let cookie = server.sign_in("ada@example.com", "correct horse").await;
    assert_eq!(server.me(From::Cookie(&cookie)).await, StatusCode::OK);
    forgot(&server, "ada@example.com").await;
    let token = link(&server, 1).await;
    assert_eq!(reset(&server, &token, "short").await.code(), "weak_password");
    let done = reset(&server, &token, "battery staple").await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{}", done.body);
    assert!(!done.headers.contains_key("set-cookie"));
    assert_eq!(server.me(From::Cookie(&cookie)).await, StatusCode::UNAUTHORIZED);
    let again = reset(&server, &token, "battery staple 2").await;
    assert_eq!((again.status, again.code()), (StatusCode::BAD_REQUEST, "link_invalid"));
    let old = server.post("/v1/auth/login", &login("ada@example.com", "correct horse")).await;
    assert_eq!(old.code(), "invalid_credentials");
    server.sign_in("ada@example.com", "battery staple").await;
    server.service.shutdown().await;
    assert_eq!(server.published.topics(), ["accounts.registered", "accounts.password_reset"]);
    let recorded = server.records().into_iter().find(|record| record.action.ends_with("/password/reset"));
    assert!(recorded.unwrap().target["account"].starts_with("usr_"));
}

#[tokio::test]
async fn of_fifty_who_use_a_link_at_once_one_does() {
    let server = Arc::new(Server::set_up(wide()).await);
    forgot(&server, "ada@example.com").await;
    let token = link(&server, 1).await;
    let uses: Vec<_> = (0..50)
        .map(|number| {
            let (server, token) = (server.clone(), token.clone());
            tokio::spawn(async move {
                let password = format!("battery staple {number}");
                (reset(&server, &token, &password).await, password)
            })
        })
        .collect();
    let mut passwords = Vec::new();
    for attempt in uses {
        let (answer, password) = attempt.await.unwrap();
        match answer.status {
            StatusCode::NO_CONTENT => passwords.push(password),
            _ => assert_eq!(answer.code(), "link_invalid", "{}", answer.body),
        }
    }
    assert_eq!(passwords.len(), 1);
    server.sign_in("ada@example.com", &passwords[0]).await;
}

#[tokio::test]
async fn a_link_is_good_for_an_hour_and_until_the_password_changes() {
    let server = Server::set_up(wide()).await;
    forgot(&server, "ada@example.com").await;
    let old = link(&server, 1).await;
    server.pass(60 * 60);
    assert_eq!(reset(&server, &old, "battery staple").await.code(), "link_invalid");
    forgot(&server, "ada@example.com").await;
    let first = link(&server, 2).await;
    forgot(&server, "ada@example.com").await;
    let second = link(&server, 3).await;
    server.pass(60 * 60 - 1);
    assert_eq!(reset(&server, &first, "battery staple").await.status, StatusCode::NO_CONTENT);
    assert_eq!(reset(&server, &second, "battery staple").await.code(), "link_invalid");
    forgot(&server, "ada@example.com").await;
    let third = link(&server, 4).await;
    let cookie = server.sign_in("ada@example.com", "battery staple").await;
    let change = json!({ "current_password": "battery staple", "new_password": "correct horse" });
    let changed = server.ask(From::Cookie(&cookie), "POST", "/v1/auth/password", &change).await;
    assert_eq!(changed.status, StatusCode::NO_CONTENT);
    assert_eq!(reset(&server, &third, "battery staple").await.code(), "link_invalid");
}

#[tokio::test]
async fn what_is_no_link_is_refused_without_repeating_it() {
    let server = Server::set_up(wide()).await;
    for token in [json!("x"), json!(""), json!("' OR 1=1 --"), json!("A".repeat(43)), json!("\0")] {
        let body = json!({ "token": token, "password": "battery staple" });
        let answer = server.post("/v1/auth/password/reset", &body).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, "link_invalid"), "{token}");
    }
    let number = json!({ "token": 1234567890, "password": "battery staple" });
    let answer = server.post("/v1/auth/password/reset", &number).await;
    assert_eq!(answer.code(), "invalid_request");
    assert!(!answer.body.to_string().contains("1234567890"));
}

#[tokio::test]
async fn nobody_is_flooded_with_mail() {
    let limit = NonZeroU32::new(2).unwrap();
    let server = Server::set_up(AuthConfig { mails_per_hour_per_account: limit, ..wide() }).await;
    for _ in 0..10 {
        assert_eq!(forgot(&server, "ada@example.com").await.status, StatusCode::ACCEPTED);
    }
    server.service.shutdown().await;
    server.mailer.shutdown().await;
    assert_eq!(server.mails(2).await.len(), 2);
}

#[tokio::test]
async fn a_mail_server_that_hangs_holds_nobody_up() {
    let hanging = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mail = config(hanging.local_addr().unwrap().port());
    let timeout = std::time::Duration::from_millis(mail.timeout_ms.get());
    let server = Server::set_up_with(wide(), mail).await;
    let before = std::time::Instant::now();
    for email in ["ada@example.com", "nobody@example.com"].repeat(10) {
        assert_eq!(forgot(&server, email).await.status, StatusCode::ACCEPTED);
    }
    assert!(before.elapsed() < timeout / 4, "{:?}", before.elapsed());
}
