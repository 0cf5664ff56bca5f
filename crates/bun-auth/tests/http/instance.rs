//! Status and set-up.

use crate::support::{Server, person, wide};
use bun_auth::{AuthConfig, Registration};
use http::StatusCode;
use serde_json::json;
use std::sync::Arc;

#[tokio::test]
async fn the_status_tells_whether_set_up_was_done() {
    let server = Server::start(wide()).await;
    let get = || server.with_cookie("GET", "/v1/instance/status", "a=b");
    let before = get().await.body;
    assert_eq!(
        before,
        json!({
            "deployment_mode": "self_hosted", "setup_complete": false, "registration": "invite",
            "version": env!("CARGO_PKG_VERSION"),
        })
    );
    server.post("/v1/setup", &person("ada@example.com")).await;
    assert_eq!(get().await.body["setup_complete"], true);
}

#[tokio::test]
async fn fifty_parallel_set_ups_make_one_account() {
    let server = Arc::new(Server::start(wide()).await);
    let attempts: Vec<_> = (0..50)
        .map(|number| {
            let server = server.clone();
            tokio::spawn(
                async move { server.post("/v1/setup", &person(&format!("p{number}@example.com"))).await },
            )
        })
        .collect();
    let (mut made, mut refused) = (0, 0);
    for attempt in attempts {
        let answer = attempt.await.unwrap();
        match answer.status {
            StatusCode::CREATED => made += 1,
            StatusCode::FORBIDDEN if answer.code() == "setup_done" => refused += 1,
            other => panic!("{other}: {}", answer.body),
        }
    }
    assert_eq!((made, refused), (1, 49));
    let (accounts,): (i64,) =
        sqlx::query_as("SELECT count(*) FROM auth_accounts").fetch_one(server.database.read()).await.unwrap();
    assert_eq!(accounts, 1);
}

#[tokio::test]
async fn set_up_stays_done_after_a_restart() {
    let server = Server::set_up(wide()).await;
    let config = AuthConfig { registration: Registration::Open, ..wide() };
    let server = server.restart(config).await;
    let answer = server.post("/v1/setup", &person("eve@example.com")).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::FORBIDDEN, "setup_done"));
}

#[tokio::test]
async fn the_first_account_runs_the_server() {
    let server = Server::start(wide()).await;
    let answer = server.post("/v1/setup", &person(" Ada@Example.com ")).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let user = &answer.body["user"];
    assert_eq!(user["email"], "ada@example.com");
    assert_eq!(user["is_instance_admin"], true);
    assert!(user["id"].as_str().unwrap().starts_with("usr_"));
    assert!(user["created_at"].as_str().unwrap().ends_with('Z'));
}
