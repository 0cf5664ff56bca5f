//! End users as developers manage them.

use crate::support::{Call, EMAIL, PASSWORD, Server, person};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use service_kit::ids::{EndUserId, ProjectId};

async fn change(server: &Server, project: &ProjectId, user: &str, body: &Value) -> crate::support::Answer {
    let call = Call::new(Method::PATCH, &format!("/v1/auth/users/{user}"));
    server.send(call.json(body).secret(project)).await
}

#[tokio::test]
async fn users_are_made_found_changed_and_removed() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    let body = json!({ "email": EMAIL, "email_verified": true, "claims": { "role": "admin" } });
    let path = format!("/v1/projects/{project}/auth/users");
    let made = server.send(Call::post(&path, &body).role("admin", &project)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    assert_eq!(made.body["user"]["claims"], json!({ "role": "admin" }));
    let user = made.user_id();
    let again = server.send(Call::post("/v1/auth/users", &body).secret(&project)).await;
    assert_eq!((again.status, again.code()), (StatusCode::CONFLICT, "account_exists"));
    let found = server.send(Call::get(&format!("{path}/{user}")).role("member", &project)).await;
    assert_eq!(found.body, made.body);
    let eve = server.register(&project, "eve@example.com").await.user_id();
    assert_eq!(change(&server, &project, &eve, &json!({ "email": EMAIL })).await.code(), "account_exists");
    let renamed = change(&server, &project, &user, &json!({ "name": "Ada L", "password": PASSWORD })).await;
    assert_eq!(
        (&renamed.body["user"]["name"], &renamed.body["user"]["email"]),
        (&json!("Ada L"), &json!(EMAIL))
    );
    assert_eq!(server.log_in(&project, EMAIL, PASSWORD).await.status, StatusCode::OK);
    let gone = Call::new(Method::DELETE, &format!("{path}/{user}")).role("owner", &project);
    assert_eq!(server.send(gone).await.status, StatusCode::NO_CONTENT);
    assert_eq!(server.log_in(&project, EMAIL, PASSWORD).await.code(), "invalid_credentials");
    assert_eq!(server.around.documents.count(&project, "_system/auth/sessions"), 1);
    for id in [user.as_str(), EndUserId::generate().as_str(), "x", "eus_", "..%2f"] {
        let answer = server.send(Call::get(&format!("/v1/auth/users/{id}")).secret(&project)).await;
        assert_eq!(answer.code(), "user_not_found", "{id}");
    }
    assert_eq!(server.register(&project, EMAIL).await.body["user"]["claims"], json!({}));
}

#[tokio::test]
async fn a_disabled_user_is_out_at_once_and_comes_back_by_signing_in() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    let registered = server.register(&project, EMAIL).await;
    let (user, token) = (registered.user_id(), registered.text("access_token"));
    assert_eq!(change(&server, &project, &user, &json!({ "disabled": true })).await.status, StatusCode::OK);
    assert_eq!(server.session(&project, &token).await.code(), "token_invalid");
    let refused = server.log_in(&project, EMAIL, PASSWORD).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::FORBIDDEN, "account_disabled"));
    assert_eq!(server.log_in(&project, EMAIL, "wrong horse").await.code(), "invalid_credentials");
    assert_eq!(change(&server, &project, &user, &json!({ "disabled": false })).await.status, StatusCode::OK);
    assert_eq!(server.session(&project, &token).await.code(), "token_invalid");
    assert_eq!(server.log_in(&project, EMAIL, PASSWORD).await.status, StatusCode::OK);
}

#[tokio::test]
async fn lists_come_in_pages_and_by_the_beginning_of_the_address() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    for number in 0..5 {
        server.register(&project, &format!("ada{number}@example.com")).await;
        server.register(&project, &format!("bob{number}@example.com")).await;
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/v1/auth/users?limit=3{cursor}");
        let page = server.send(Call::get(&path).secret(&project)).await;
        seen.extend(page.body["users"].as_array().unwrap().iter().map(|user| user["id"].clone()));
        let Some(next) = page.body["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    seen.sort_by_key(ToString::to_string);
    seen.dedup();
    assert_eq!(seen.len(), 10);
    let filtered = server.send(Call::get("/v1/auth/users?email=ADA").secret(&project)).await;
    let emails: Vec<_> =
        filtered.body["users"].as_array().unwrap().iter().map(|user| &user["email"]).collect();
    assert_eq!(emails.len(), 5);
    assert!(emails.iter().all(|email| email.as_str().unwrap().starts_with("ada")));
    for query in ["limit=0", "limit=1001", "limit=x", "cursor=x", "colour=red"] {
        let answer = server.send(Call::get(&format!("/v1/auth/users?{query}")).secret(&project)).await;
        assert_eq!(answer.code(), "invalid_request", "{query}: {}", answer.body);
    }
}

#[tokio::test]
async fn reserved_large_and_misshapen_claims_are_refused() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    let user = server.register(&project, EMAIL).await.user_id();
    for claims in [
        json!({ "email_verified": true }),
        json!({ "sub": "x" }),
        json!({ "uid": "x" }),
        json!({ "big": "x".repeat(4096) }),
        json!(["a"]),
        json!("a"),
        Value::Null,
    ] {
        let call = Call::new(Method::PUT, &format!("/v1/auth/users/{user}/claims"));
        let answer = server.send(call.json(&json!({ "claims": claims })).secret(&project)).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, "invalid_request"));
    }
}

#[tokio::test]
async fn no_answer_shows_a_hash() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    server.register(&project, EMAIL).await;
    server.send(Call::post("/v1/auth/users", &person("eve@example.com")).secret(&project)).await;
    let list = server.send(Call::get("/v1/auth/users").secret(&project)).await.body.to_string();
    assert!(list.contains(EMAIL) && !list.contains("argon2") && !list.contains("epoch"), "{list}");
    let events = format!("{:?}", server.around.bus.0.lock().unwrap());
    assert!(events.contains("auth.users.created") && !events.contains(EMAIL), "{events}");
}
