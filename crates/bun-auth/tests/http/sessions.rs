//! The cookie, and how a session ends.

use crate::support::{From, Server, login, person, post_request, wide, with_registration};
use bun_auth::{AuthConfig, Registration};
use http::StatusCode;
use ports::access::Peer;
use ports::identity::DeveloperIdentity as _;
use secrecy::SecretString;
use std::num::NonZeroU32;

async fn sign_in(server: &Server) -> String {
    server.sign_in("ada@example.com", "correct horse").await
}

async fn me(server: &Server, cookie: &str) -> StatusCode {
    server.me(From::Cookie(cookie)).await
}

#[tokio::test]
async fn the_cookie_is_kept_from_scripts_and_other_sites() {
    for (secure_cookies, ending) in [(false, "Max-Age=2592000"), (true, "Max-Age=2592000; Secure")] {
        let server = Server::set_up(AuthConfig { secure_cookies, ..wide() }).await;
        let answer = server.post("/v1/auth/login", &login("ada@example.com", "correct horse")).await;
        let cookie = answer.headers["set-cookie"].to_str().unwrap();
        let (token, rest) = cookie.strip_prefix("session_token=").unwrap().split_once("; ").unwrap();
        assert_eq!(token.len(), 64);
        assert_eq!(rest, format!("HttpOnly; SameSite=Lax; Path=/; {ending}"));
    }
}

#[tokio::test]
async fn signing_out_ends_this_session_at_once_and_no_other() {
    let server = Server::set_up(wide()).await;
    let (first, second) = (sign_in(&server).await, sign_in(&server).await);
    assert_eq!(me(&server, &first).await, StatusCode::OK);
    let out = server.with_cookie("POST", "/v1/auth/logout", &first).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    let cleared = out.headers["set-cookie"].to_str().unwrap();
    assert!(cleared.starts_with("session_token=;") && cleared.contains("Max-Age=0"), "{cleared}");
    assert_eq!(me(&server, &first).await, StatusCode::UNAUTHORIZED);
    assert_eq!(me(&server, &second).await, StatusCode::OK);
    let server = server.restart(wide()).await;
    assert_eq!(me(&server, &first).await, StatusCode::UNAUTHORIZED);
    assert_eq!(me(&server, &second).await, StatusCode::OK);
}

#[tokio::test]
async fn a_token_is_stored_as_a_hash_and_a_password_not_at_all() {
    let server = Server::set_up(wide()).await;
    let cookie = sign_in(&server).await;
    let token = cookie.strip_prefix("session_token=").unwrap().to_owned();
    server.service.shutdown().await;
    for entry in std::fs::read_dir(server.directory.path()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            continue;
        }
        let bytes = std::fs::read(entry.path()).unwrap();
        for secret in [token.as_bytes(), b"correct horse"] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret));
        }
    }
}

#[tokio::test]
async fn unknown_and_malformed_tokens_open_nothing() {
    let server = Server::set_up(wide()).await;
    for cookie in ["session_token=", "session_token=x", "session_token=' OR 1=1 --", "other=1"] {
        assert_eq!(me(&server, cookie).await, StatusCode::UNAUTHORIZED, "{cookie}");
    }
}

#[tokio::test]
async fn an_expired_session_opens_nothing_and_is_removed() {
    let server = Server::set_up(wide()).await;
    let cookie = sign_in(&server).await;
    assert_eq!(me(&server, &cookie).await, StatusCode::OK);
    server.pass(30 * 24 * 60 * 60);
    assert_eq!(me(&server, &cookie).await, StatusCode::UNAUTHORIZED);
    server.service.shutdown().await;
    assert_eq!(sessions(&server).await, 0);
}

#[tokio::test]
async fn one_session_too_many_ends_the_oldest() {
    let config = AuthConfig { sessions_per_account_max: NonZeroU32::new(2).unwrap(), ..wide() };
    let server = Server::set_up(config).await;
    let oldest = sign_in(&server).await;
    assert_eq!(me(&server, &oldest).await, StatusCode::OK);
    let (second, third) = (sign_in(&server).await, sign_in(&server).await);
    assert_eq!(me(&server, &oldest).await, StatusCode::UNAUTHORIZED);
    assert_eq!(me(&server, &second).await, StatusCode::OK);
    assert_eq!(me(&server, &third).await, StatusCode::OK);
    assert_eq!(sessions(&server).await, 2);
}

#[tokio::test]
async fn a_session_seen_before_is_checked_without_the_store() {
    let server = Server::set_up(wide()).await;
    let cookie = sign_in(&server).await;
    let token = SecretString::from(cookie.strip_prefix("session_token=").unwrap());
    let known = server.service.session_user(&token).await.unwrap();
    assert!(known.is_some());
    server.database.close().await;
    assert_eq!(server.service.session_user(&token).await.unwrap(), known);
    assert!(server.service.session_user(&SecretString::from("other")).await.is_err());
}

#[tokio::test]
async fn when_a_session_was_used_is_written_at_the_end() {
    let server = Server::set_up(wide()).await;
    let cookie = sign_in(&server).await;
    server.pass(60);
    assert_eq!(me(&server, &cookie).await, StatusCode::OK);
    server.service.shutdown().await;
    let sql = "SELECT count(*) FROM auth_sessions WHERE last_used_at >= created_at + 60000";
    let used: i64 = sqlx::query_scalar(sql).fetch_one(server.database.read()).await.unwrap();
    assert_eq!(used, 1);
}

async fn sessions(server: &Server) -> i64 {
    let sql = "SELECT count(*) FROM auth_sessions";
    sqlx::query_scalar(sql).fetch_one(server.database.read()).await.unwrap()
}

async fn list(server: &Server, cookie: &str) -> Vec<serde_json::Value> {
    let answer = server.with_cookie("GET", "/v1/auth/sessions", cookie).await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.body["sessions"].as_array().unwrap().clone()
}

#[tokio::test]
async fn sessions_are_listed_with_where_they_come_from() {
    let server = Server::set_up(wide()).await;
    let mut request = post_request("/v1/auth/login", login("ada@example.com", "correct horse").to_string());
    request.extensions_mut().insert(Peer("::ffff:192.0.2.7".parse().unwrap()));
    request.headers_mut().insert("user-agent", "x".repeat(500).parse().unwrap());
    let cookie = server.send(request).await.cookie();
    server.pass(60);
    let listed = list(&server, &cookie).await;
    assert_eq!(listed.len(), 2);
    let (this, first) = (&listed[0], &listed[1]);
    assert_eq!((&this["current"], &first["current"]), (&true.into(), &false.into()));
    assert_eq!(this["address"], "192.0.2.7");
    assert_eq!(this["user_agent"].as_str().unwrap().len(), 200);
    assert!(first["address"].is_null() && first["user_agent"].is_null());
    assert!(this["last_used_at"].as_str() > this["created_at"].as_str(), "{this}");
    assert!(this["id"].as_str().unwrap().starts_with("ses_"));
    assert_eq!(this.as_object().unwrap().len(), 6);
}

#[tokio::test]
async fn a_session_is_ended_at_once_by_its_account_only() {
    let server = Server::set_up(with_registration(Registration::Open)).await;
    let (first, second) = (sign_in(&server).await, sign_in(&server).await);
    let eve = server.post("/v1/auth/register", &person("eve@example.com")).await.cookie();
    assert_eq!(me(&server, &first).await, StatusCode::OK);
    let id = list(&server, &second).await[1]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/auth/sessions/{id}");
    let foreign = server.with_cookie("DELETE", &path, &eve).await;
    let missing = "/v1/auth/sessions/ses_0123456789abcdef0123456789abcdef";
    let missing = server.with_cookie("DELETE", missing, &eve).await;
    assert_eq!((foreign.status, foreign.code()), (StatusCode::NOT_FOUND, "account_item_not_found"));
    assert_eq!(foreign.body, missing.body);
    assert_eq!(server.with_cookie("DELETE", "/v1/auth/sessions/x", &eve).await.body, missing.body);
    assert_eq!(me(&server, &first).await, StatusCode::OK);
    assert_eq!(server.with_cookie("DELETE", &path, &second).await.status, StatusCode::NO_CONTENT);
    assert_eq!(me(&server, &first).await, StatusCode::UNAUTHORIZED);
    assert_eq!(me(&server, &second).await, StatusCode::OK);
    assert_eq!(server.with_cookie("DELETE", &path, &second).await.body, missing.body);
}

#[tokio::test]
async fn all_other_sessions_are_ended_at_once() {
    let server = Server::set_up(with_registration(Registration::Open)).await;
    let (first, second) = (sign_in(&server).await, sign_in(&server).await);
    let eve = server.post("/v1/auth/register", &person("eve@example.com")).await.cookie();
    for cookie in [&first, &second, &eve] {
        assert_eq!(me(&server, cookie).await, StatusCode::OK);
    }
    let ended = server.with_cookie("DELETE", "/v1/auth/sessions", &second).await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    assert_eq!(me(&server, &first).await, StatusCode::UNAUTHORIZED);
    assert_eq!(me(&server, &second).await, StatusCode::OK);
    assert_eq!(me(&server, &eve).await, StatusCode::OK);
    assert_eq!(list(&server, &second).await.len(), 1);
}
