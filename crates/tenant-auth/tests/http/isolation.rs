//! Two projects with the same addresses and names never meet.

use crate::support::{Call, EMAIL, PASSWORD, Server, link_token, login};
use http::{Method, StatusCode};
use serde_json::json;
use service_kit::ids::ProjectId;

#[tokio::test]
async fn the_same_address_is_two_users_in_two_projects() {
    let server = Server::start().await;
    let (one, two) = (ProjectId::generate(), ProjectId::generate());
    let first = server.register(&one, EMAIL).await;
    let body = json!({ "email": EMAIL, "password": "another horse" });
    let second = server.post(&two, "/v1/auth/project/register", &body).await;
    assert_ne!(first.user_id(), second.user_id());
    assert_eq!(server.log_in(&one, EMAIL, "another horse").await.code(), "invalid_credentials");
    assert_eq!(server.log_in(&two, EMAIL, PASSWORD).await.code(), "invalid_credentials");
    for (project, other) in [(&one, &second), (&two, &first)] {
        assert_eq!(server.session(project, &other.text("access_token")).await.code(), "token_invalid");
        assert_eq!(server.refresh(project, &other.text("refresh_token")).await.code(), "token_invalid");
        let cookie = Call::get("/v1/auth/session").public(project).header("cookie", &other.cookie());
        assert_eq!(server.send(cookie).await.code(), "token_invalid");
        let path = format!("/v1/auth/users/{}", other.user_id());
        for method in [Method::GET, Method::DELETE] {
            let answer = server.send(Call::new(method, &path).secret(project)).await;
            assert_eq!(answer.code(), "user_not_found");
        }
        let list = server.send(Call::get("/v1/auth/users").secret(project)).await;
        assert_eq!(list.body["users"].as_array().unwrap().len(), 1);
    }
    let logout = json!({ "refresh_token": first.text("refresh_token") });
    server.post(&two, "/v1/auth/project/logout", &logout).await;
    assert_eq!(server.session(&one, &first.text("access_token")).await.status, StatusCode::OK);
    server.post(&one, "/v1/auth/project/password/forgot", &json!({ "email": EMAIL })).await;
    let token = link_token(&server.mails(EMAIL, 1).await[0]);
    let body = json!({ "token": token, "password": "better horse" });
    let foreign = server.post(&two, "/v1/auth/project/password/reset", &body).await;
    assert_eq!(foreign.code(), "link_invalid");
    let realms: Vec<_> =
        server.around.bus.0.lock().unwrap().iter().map(|(realm, ..)| realm.clone()).collect();
    assert_eq!(realms.len(), 2);
    assert_ne!(realms[0], realms[1]);
}

#[tokio::test]
async fn a_stale_cookie_of_another_project_does_not_keep_anybody_from_signing_in() {
    let server = Server::start().await;
    let (one, two) = (ProjectId::generate(), ProjectId::generate());
    let cookie = server.register(&one, EMAIL).await.cookie();
    server.register(&two, EMAIL).await;
    let call = Call::post("/v1/auth/project/login", &login(EMAIL, PASSWORD)).public(&two);
    assert_eq!(server.send(call.header("cookie", &cookie)).await.status, StatusCode::OK);
}
