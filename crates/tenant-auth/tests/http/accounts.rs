//! Registering, signing in and out, changing the password.

use crate::support::{Call, EMAIL, PASSWORD, Server, link_token, login, person};
use http::{StatusCode, header};
use serde_json::{Value, json};
use service_kit::ids::ProjectId;

#[tokio::test]
async fn registering_and_signing_in_answer_user_tokens_and_cookie() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    let registered = server.register(&project, " ADA@example.com").await;
    let user = &registered.body["user"];
    assert_eq!(user["email"], EMAIL);
    assert_eq!(user["id"], user["user_id"]);
    assert_eq!((&user["email_verified"], &user["name"]), (&json!(false), &json!("Ada")));
    assert_eq!((&user["project_id"], &user["claims"]), (&json!(project), &json!({})));
    assert_eq!(
        (&registered.body["token_type"], &registered.body["expires_in"]),
        (&json!("Bearer"), &json!(900))
    );
    let cookie = registered.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(
        cookie.starts_with("tenant_session_token=") && cookie.contains("; HttpOnly; SameSite=Lax; Path=/")
    );
    let signed_in = server.log_in(&project, EMAIL, PASSWORD).await;
    assert_eq!((signed_in.status, &signed_in.body["user"]), (StatusCode::OK, user));
    let by_token = server.session(&project, &signed_in.text("access_token")).await;
    let by_cookie = Call::get("/v1/auth/session").public(&project).header("cookie", &signed_in.cookie());
    assert_eq!((&by_token.body["user"], &server.send(by_cookie).await.body["user"]), (user, user));
    let nobody = server.send(Call::get("/v1/auth/session").public(&project)).await;
    assert_eq!((nobody.status, nobody.code()), (StatusCode::UNAUTHORIZED, "unauthenticated"));
    let topics: Vec<_> =
        server.around.bus.0.lock().unwrap().iter().map(|(_, topic, _)| topic.clone()).collect();
    assert_eq!(topics, ["auth.users.created", "auth.users.signed_in"]);
}

#[tokio::test]
async fn registering_again_changes_nothing_and_is_told() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    let first = server.register(&project, EMAIL).await;
    let body = json!({ "email": "Ada@Example.com", "password": "another horse", "name": "Eve" });
    let again = server.post(&project, "/v1/auth/project/register", &body).await;
    assert_eq!((again.status, again.code()), (StatusCode::CONFLICT, "account_exists"));
    assert_eq!(server.log_in(&project, EMAIL, "another horse").await.code(), "invalid_credentials");
    assert_eq!(server.log_in(&project, EMAIL, PASSWORD).await.body["user"], first.body["user"]);
}

#[tokio::test]
async fn of_50_that_register_one_address_at_once_one_gets_it() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    let body = person(EMAIL);
    let calls = (0..50).map(|_| server.post(&project, "/v1/auth/project/register", &body));
    let answers = futures_util::future::join_all(calls).await;
    let made = answers.iter().filter(|answer| answer.status == StatusCode::CREATED).count();
    assert_eq!(made, 1);
    assert!(answers.iter().all(|a| a.status == StatusCode::CREATED || a.code() == "account_exists"));
    assert_eq!(server.around.documents.count(&project, "_system/auth/users"), 1);
}

#[tokio::test]
async fn where_addresses_are_verified_first_known_and_unknown_ones_register_alike() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    server.configure(&project, &json!({ "require_verified_email": true })).await;
    let attempt = async |email: &str| {
        let before = (server.service.hash_operations(), server.around.documents.commits());
        let answer = server.post(&project, "/v1/auth/project/register", &person(email)).await;
        let after = (server.service.hash_operations(), server.around.documents.commits());
        let work = (after.0 - before.0, after.1 - before.1);
        (answer.status, answer.body, answer.headers, work)
    };
    attempt("warm@example.com").await;
    let new = attempt(EMAIL).await;
    assert_eq!((new.0, &new.3), (StatusCode::ACCEPTED, &(1, 1)));
    assert!(!new.2.contains_key(header::SET_COOKIE));
    assert_eq!(attempt(EMAIL).await, new);
    let refused = server.log_in(&project, EMAIL, PASSWORD).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::FORBIDDEN, "email_not_verified"));
    assert_eq!(server.log_in(&project, EMAIL, "wrong horse").await.code(), "invalid_credentials");
    let mails = server.mails(EMAIL, 2).await;
    assert_eq!(mails[0].subject, "You already have an account");
    let verified = json!({ "token": link_token(&mails[1]) });
    let answer = server.post(&project, "/v1/auth/project/verify-email", &verified).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(server.log_in(&project, EMAIL, PASSWORD).await.body["user"]["email_verified"], true);
    assert_eq!(attempt(EMAIL).await, new);
}

#[tokio::test]
async fn whoever_registered_a_strangers_address_first_loses_it_to_its_owner() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    server.configure(&project, &json!({ "require_verified_email": true })).await;
    let thief = json!({ "email": EMAIL, "password": "thief's horse" });
    server.post(&project, "/v1/auth/project/register", &thief).await;
    server.post(&project, "/v1/auth/project/register", &person(EMAIL)).await;
    let token = link_token(&server.mails(EMAIL, 2).await[0]);
    let reset = json!({ "token": token, "password": "owner's horse" });
    let answer = server.post(&project, "/v1/auth/project/password/reset", &reset).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(server.log_in(&project, EMAIL, "thief's horse").await.code(), "invalid_credentials");
    assert_eq!(server.log_in(&project, EMAIL, "owner's horse").await.status, StatusCode::OK);
}

#[tokio::test]
async fn unknown_and_known_accounts_sign_in_alike() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    server.register(&project, EMAIL).await;
    let no_password = json!({ "email": "nopassword@example.com" });
    server.send(Call::post("/v1/auth/users", &no_password).secret(&project)).await;
    let attempt = async |email: &str| {
        let before = server.service.hash_operations();
        let answer = server.log_in(&project, email, "wrong horse").await;
        (answer.status, answer.headers, answer.body, server.service.hash_operations() - before)
    };
    let known = attempt(EMAIL).await;
    assert_eq!((known.0, known.3), (StatusCode::UNAUTHORIZED, 1));
    for email in ["eve@example.com", "nopassword@example.com", "no address", "", "a\0b@c", "{\"$gt\":\"\"}"] {
        assert_eq!(attempt(email).await, known, "{email}");
    }
}

#[tokio::test]
async fn where_registration_is_closed_only_developers_make_users() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    server.register(&project, EMAIL).await;
    server.configure(&project, &json!({ "registration": "closed" })).await;
    for email in [EMAIL, "eve@example.com"] {
        let answer = server.post(&project, "/v1/auth/project/register", &person(email)).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::FORBIDDEN, "registration_closed"));
    }
    let made = server.send(Call::post("/v1/auth/users", &person("eve@example.com")).secret(&project)).await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert_eq!(server.log_in(&project, "eve@example.com", PASSWORD).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_new_password_ends_all_other_sessions() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    let (this, other) =
        (server.register(&project, EMAIL).await, server.log_in(&project, EMAIL, PASSWORD).await);
    let (token, other) =
        (this.text("access_token"), (other.text("access_token"), other.text("refresh_token")));
    let change = |current: &str| {
        let body = json!({ "current_password": current, "new_password": "better horse" });
        Call::post("/v1/auth/project/password", &body).public(&project)
    };
    assert_eq!(server.send(change(PASSWORD)).await.code(), "unauthenticated");
    assert_eq!(server.send(change("wrong horse").bearer(&token)).await.code(), "invalid_credentials");
    assert_eq!(server.session(&project, &other.0).await.status, StatusCode::OK);
    assert_eq!(server.send(change(PASSWORD).bearer(&token)).await.status, StatusCode::NO_CONTENT);
    assert_eq!(server.session(&project, &other.0).await.code(), "token_invalid");
    assert_eq!(server.refresh(&project, &other.1).await.code(), "token_invalid");
    assert_eq!(server.session(&project, &token).await.status, StatusCode::OK);
    assert_eq!(server.refresh(&project, &this.text("refresh_token")).await.status, StatusCode::OK);
    assert_eq!(server.log_in(&project, EMAIL, PASSWORD).await.code(), "invalid_credentials");
    assert_eq!(server.log_in(&project, EMAIL, "better horse").await.status, StatusCode::OK);
}

#[tokio::test]
async fn signing_out_ends_the_session_at_once_however_it_is_proved() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    server.register(&project, EMAIL).await;
    let bare = || Call::new(http::Method::POST, "/v1/auth/project/logout").public(&project);
    for way in ["bearer", "cookie", "refresh"] {
        let session = server.log_in(&project, EMAIL, PASSWORD).await;
        let (access, refresh) = (session.text("access_token"), session.text("refresh_token"));
        assert_eq!(server.session(&project, &access).await.status, StatusCode::OK);
        let call = match way {
            "bearer" => bare().bearer(&access),
            "cookie" => bare().header("cookie", &session.cookie()),
            _ => bare().json(&json!({ "refresh_token": refresh })),
        };
        let answer = server.send(call).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{way}");
        assert!(answer.headers[header::SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
        assert_eq!(server.session(&project, &access).await.code(), "token_invalid", "{way}");
        assert_eq!(server.refresh(&project, &refresh).await.code(), "token_invalid", "{way}");
    }
    assert_eq!(server.send(bare()).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn bad_input_is_refused_with_a_code_and_not_repeated() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    let with = |field: &str, value: Value| {
        let mut body = person(EMAIL);
        body[field] = value;
        body
    };
    let secret = "s3cret".repeat(200_000);
    for (body, code) in [
        (with("email", json!("no address")), "invalid_request"),
        (with("email", json!("a@b@c")), "invalid_request"),
        (with("email", json!({ "$gt": "" })), "invalid_request"),
        (with("password", json!("s3cret")), "weak_password"),
        (with("password", json!(secret)), "invalid_request"),
        (with("password", json!(12345678)), "invalid_request"),
        (with("name", json!("a\0b")), "invalid_name"),
        (with("disabled", json!(false)), "invalid_request"),
    ] {
        let answer = server.post(&project, "/v1/auth/project/register", &body).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, code), "{}", answer.body);
        let text = answer.body.to_string();
        assert!(!text.contains("s3cret") && !text.contains("12345678"), "{text}");
    }
    let huge = server.log_in(&project, EMAIL, &"x".repeat(1 << 20)).await;
    assert_eq!((huge.status, huge.code()), (StatusCode::BAD_REQUEST, "invalid_request"));
    let larger = server.post(&project, "/v1/auth/project/login", &login(EMAIL, &"x".repeat(3 << 20))).await;
    assert_eq!(larger.code(), "body_too_large");
}
