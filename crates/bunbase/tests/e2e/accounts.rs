//! Accounts, projects and keys as a user meets them.

use crate::client::PASSWORD;
use crate::server::{Data, Server};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn set_up_happens_once_and_then_registration_is_by_invitation() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let nobody = server.client();
    let status = nobody.get("/v1/instance/status").await.expect(200);
    assert_eq!(status["setup_complete"], false);
    let ada = nobody.set_up().await;
    assert_eq!(nobody.get("/v1/instance/status").await.expect(200)["setup_complete"], true);
    let account = json!({ "email": "eve@example.com", "password": PASSWORD, "name": "Eve" });
    nobody.post("/v1/setup", account.clone()).await.expect_error(403, "setup_done");
    nobody.post("/v1/auth/register", account).await.expect_error(403, "registration_closed");
    let known = json!({ "email": "ada@example.com", "password": PASSWORD, "name": "Ada" });
    nobody.post("/v1/auth/register", known).await.expect_error(403, "registration_closed");
    assert_eq!(ada.get("/v1/auth/me").await.expect(200)["user"]["email"], "ada@example.com");
    server.stop().await;
}

#[tokio::test]
async fn a_session_ends_with_logout_and_survives_a_restart_before() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let ada = server.client().set_up().await;
    server.kill().await;
    let server = Server::start(&data).await;
    let ada = ada.at(&server);
    ada.get("/v1/auth/me").await.expect(200);
    let wrong = json!({ "email": "ada@example.com", "password": "wrong password" });
    let unknown = json!({ "email": "nobody@example.com", "password": "wrong password" });
    let mut bodies = Vec::new();
    for attempt in [wrong, unknown] {
        let mut body =
            server.client().post("/v1/auth/login", attempt).await.expect_error(401, "invalid_credentials");
        body["error"]["request_id"].take();
        bodies.push(body);
    }
    assert_eq!(bodies[0], bodies[1]);
    assert!(ada.post("/v1/auth/logout", json!({})).await.status.is_success());
    ada.get("/v1/auth/me").await.expect_error(401, "unauthenticated");
    server.stop().await;
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once_and_a_deleted_project_is_gone_everywhere() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let ada = server.client().set_up().await;
    let project = ada.project("Città").await;
    let keys = format!("/v1/projects/{}/keys", project.id);
    let made = ada.post(&keys, json!({ "kind": "secret", "name": "ci" })).await.expect(201);
    let ci = server.client().with_key(made["secret"].as_str().unwrap());
    ci.get("/v1/database/collections").await.expect(200);
    let key = format!("{keys}/{}", made["key"]["id"].as_str().unwrap());
    ada.delete(&key).await.expect(204);
    ci.get("/v1/database/collections").await.expect_error(401, "unauthenticated");

    let secret = server.client().with_key(&project.secret_key);
    secret.post("/v1/database/collections/places/documents", json!({ "name": "Roma" })).await.expect(201);
    ada.deploy(&project, "hello", "v1", "export default () => new Response('hi')").await.expect(201);
    ada.delete(&format!("/v1/projects/{}", project.id)).await.expect(204);
    ada.get(&format!("/v1/projects/{}", project.id)).await.expect_error(404, "project_not_found");
    secret.get("/v1/database/collections").await.expect_error(401, "unauthenticated");
    secret.get("/v1/functions/hello").await.expect_error(401, "unauthenticated");
    let bundles = data.path().join("bundles");
    let left = || std::fs::read_dir(&bundles).map_or(0, Iterator::count);
    tokio::time::timeout(std::time::Duration::from_secs(20), async {
        while left() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the bundles are removed");
    server.stop().await;
}

#[tokio::test]
async fn another_sites_page_cannot_act_with_the_cookie() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let ada = server.client().set_up().await;
    let request = ada
        .request(Method::POST, "/v1/projects")
        .header("origin", "https://evil.example")
        .header("sec-fetch-site", "cross-site")
        .json(&json!({ "name": "x" }));
    ada.send(request).await.expect_error(403, "origin_not_allowed");
    server.stop().await;
}
