//! The cookie, and how a session ends.

use crate::support::{Server, login, wide};
use bun_auth::AuthConfig;
use http::StatusCode;
use ports::identity::DeveloperIdentity as _;
use secrecy::SecretString;
use std::num::NonZeroU32;

async fn sign_in(server: &Server) -> String {
    let answer = server.post("/v1/auth/login", &login("ada@example.com", "correct horse")).await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.cookie()
}

async fn me(server: &Server, cookie: &str) -> StatusCode {
    server.with_cookie("GET", "/v1/auth/me", cookie).await.status
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
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
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
    let mut write = server.database.write().await.unwrap();
    sqlx::query("UPDATE auth_sessions SET expires_at = 1").execute(&mut *write).await.unwrap();
    write.commit().await.unwrap();
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
    let mut write = server.database.write().await.unwrap();
    sqlx::query("UPDATE auth_sessions SET last_used_at = 1").execute(&mut *write).await.unwrap();
    write.commit().await.unwrap();
    assert_eq!(me(&server, &cookie).await, StatusCode::OK);
    server.service.shutdown().await;
    let used: Vec<(i64,)> = sqlx::query_as("SELECT last_used_at FROM auth_sessions WHERE last_used_at > 1")
        .fetch_all(server.database.read())
        .await
        .unwrap();
    assert_eq!(used.len(), 1);
}

async fn sessions(server: &Server) -> i64 {
    let sql = "SELECT count(*) FROM auth_sessions";
    sqlx::query_scalar(sql).fetch_one(server.database.read()).await.unwrap()
}
