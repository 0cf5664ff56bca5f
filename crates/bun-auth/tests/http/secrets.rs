//! Secrets stay out of logs, and out of what the audit log and events are told.

use crate::support::{From, Server, link_token, login, person, wide, with_registration};
use bun_auth::Registration;
use serde_json::json;
use std::io::Write;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_password_token_or_link_is_logged_recorded_or_published() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _logging = subscriber_guard(subscriber);
    let server = Server::set_up(with_registration(Registration::Open)).await;
    server.post("/v1/auth/register", &person("eve@example.com")).await;
    server.post("/v1/auth/login", &login("ada@example.com", "wrong s3cret")).await;
    let cookie = server.sign_in("ada@example.com", "correct horse").await;
    let token = server.token(&cookie, &["*"]).await["token"].as_str().unwrap().to_owned();
    server.me(From::Token(&token)).await;
    server.post("/v1/auth/password/forgot", &json!({ "email": "ada@example.com" })).await;
    let link = link_token(&server.mails(1).await[0].text);
    let reset = json!({ "token": link, "password": "battery staple" });
    server.post("/v1/auth/password/reset", &reset).await;
    server.post("/v1/auth/password/reset", &reset).await;
    server.database.close().await;
    server.post("/v1/auth/login", &login("ada@example.com", "battery staple")).await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("signed in") && log.contains("request failed"), "{log}");
    let told = format!("{log}{:?}{}", server.records(), server.published.text());
    let session = cookie.strip_prefix("session_token=").unwrap();
    for secret in [session, &token, &link, "correct horse", "wrong s3cret", "battery staple", "argon2id"] {
        assert!(!told.contains(secret), "{secret} is in {told}");
    }
}

fn subscriber_guard(subscriber: impl Into<tracing::Dispatch>) -> tracing::dispatcher::DefaultGuard {
    tracing::dispatcher::set_default(&subscriber.into())
}

#[tokio::test]
async fn stored_files_hold_no_token_of_a_link_or_an_api_token() {
    let server = Server::set_up(wide()).await;
    let cookie = server.sign_in("ada@example.com", "correct horse").await;
    let token = server.token(&cookie, &["*"]).await["token"].as_str().unwrap().to_owned();
    server.post("/v1/auth/password/forgot", &json!({ "email": "ada@example.com" })).await;
    let link = link_token(&server.mails(1).await[0].text);
    server.service.shutdown().await;
    for name in ["control.db", "control.db-wal"] {
        let Ok(bytes) = std::fs::read(server.directory.path().join(name)) else { continue };
        for secret in [&token, &link] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{name}");
        }
    }
}
