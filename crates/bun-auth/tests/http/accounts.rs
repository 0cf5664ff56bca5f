//! Registration and signing in.

use crate::support::{From, Server, login, person, post_request, wide, with_registration};
use bun_auth::Registration;
use http::{Request, StatusCode};
use serde_json::json;

#[tokio::test]
async fn where_registration_is_not_open_everybody_gets_the_same_answer() {
    for (mode, hint) in [(Registration::Invite, "invitation"), (Registration::Closed, "ask whoever runs it")]
    {
        let server = Server::set_up(with_registration(mode)).await;
        let known = server.post("/v1/auth/register", &person("ada@example.com")).await;
        let unknown = server.post("/v1/auth/register", &person("eve@example.com")).await;
        assert_eq!((known.status, known.code()), (StatusCode::FORBIDDEN, "registration_closed"));
        assert_eq!(known.body, unknown.body);
        assert!(known.body.to_string().contains(hint), "{}", known.body);
        assert!(!known.headers.contains_key("set-cookie"));
    }
}

#[tokio::test]
async fn before_set_up_nobody_registers() {
    let server = Server::start(with_registration(Registration::Open)).await;
    let answer = server.post("/v1/auth/register", &person("eve@example.com")).await;
    assert_eq!(answer.code(), "registration_closed");
    assert_eq!(server.post("/v1/setup", &person("ada@example.com")).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn where_registration_is_open_an_address_gets_one_ordinary_account() {
    let server = Server::set_up(with_registration(Registration::Open)).await;
    let answer = server.post("/v1/auth/register", &person("eve@example.com")).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.body["user"]["is_instance_admin"], false);
    let me = server.with_cookie("GET", "/v1/auth/me", &answer.cookie()).await;
    assert_eq!(me.body, answer.body);
    let again = server.post("/v1/auth/register", &person("EVE@example.com")).await;
    assert_eq!((again.status, again.code()), (StatusCode::CONFLICT, "account_exists"));
}

#[tokio::test]
async fn unknown_and_known_accounts_answer_alike() {
    let server = Server::set_up(wide()).await;
    let known = server.post("/v1/auth/login", &login("ada@example.com", "wrong horse")).await;
    assert_eq!((known.status, known.code()), (StatusCode::UNAUTHORIZED, "invalid_credentials"));
    for email in ["eve@example.com", "no address", "", "' OR 1=1 --", "a\0b@c"] {
        let unknown = server.post("/v1/auth/login", &login(email, "wrong horse")).await;
        assert_eq!((unknown.status, &unknown.body), (known.status, &known.body), "{email}");
        assert_eq!(unknown.headers, known.headers);
    }
    let right = server.post("/v1/auth/login", &login("ADA@example.com", "correct horse")).await;
    assert_eq!(right.status, StatusCode::OK);
}

#[tokio::test]
async fn bad_input_is_refused_with_a_code() {
    let server = Server::start(wide()).await;
    let with = |field: &str, value: serde_json::Value| {
        let mut body = person("ada@example.com");
        body[field] = value;
        body
    };
    let cases = [
        (with("email", json!("no address")), "invalid_request"),
        (with("email", json!(1)), "invalid_request"),
        (with("password", json!("short12")), "weak_password"),
        (with("password", json!("x".repeat(1025))), "invalid_request"),
        (with("password", json!(12345678)), "invalid_request"),
        (with("name", json!("")), "invalid_name"),
        (with("name", json!("a\0b")), "invalid_name"),
        (with("name", json!("x".repeat(101))), "invalid_name"),
        (with("role", json!("admin")), "invalid_request"),
        (with("name", json!("x".repeat(20_000))), "body_too_large"),
    ];
    for (body, code) in cases {
        let answer = server.post("/v1/setup", &body).await;
        assert_eq!(answer.code(), code, "{}", answer.body);
        assert!(!answer.body.to_string().contains("12345678"));
    }
    let broken = server.send(post_request("/v1/setup", "{\"email\":")).await;
    assert_eq!(broken.code(), "invalid_json");
    let no_type = Request::post("/v1/setup").body("{}".into()).unwrap();
    assert_eq!(server.send(no_type).await.code(), "unsupported_media_type");
    let status = server.with_cookie("GET", "/v1/instance/status", "a=b").await;
    assert_eq!(status.body["setup_complete"], false);
}

#[tokio::test]
async fn another_sites_page_cannot_sign_a_visitor_in() {
    let server = Server::set_up(wide()).await;
    let mut request = post_request("/v1/auth/login", login("ada@example.com", "correct horse").to_string());
    request.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
    assert_eq!(server.send(request).await.code(), "origin_not_allowed");
}

#[tokio::test]
async fn a_name_is_changed_by_its_account() {
    let server = Server::set_up(wide()).await;
    let cookie = server.sign_in("ada@example.com", "correct horse").await;
    let rename = |name: serde_json::Value| {
        let (server, cookie, body) = (&server, &cookie, json!({ "name": name }));
        async move { server.ask(From::Cookie(cookie), "PATCH", "/v1/auth/me", &body).await }
    };
    let renamed = rename(json!(" Ada Lovelace ")).await;
    assert_eq!((renamed.status, &renamed.body["user"]["name"]), (StatusCode::OK, &json!("Ada Lovelace")));
    for name in [json!(""), json!("a\nb"), json!("x".repeat(101))] {
        assert_eq!(rename(name).await.code(), "invalid_name");
    }
    let admin = json!({ "name": "Ada", "is_instance_admin": true });
    let refused = server.ask(From::Cookie(&cookie), "PATCH", "/v1/auth/me", &admin).await;
    assert_eq!(refused.code(), "invalid_request");
    assert_eq!(server.with_cookie("GET", "/v1/auth/me", &cookie).await.body, renamed.body);
}

#[tokio::test]
async fn what_happens_to_accounts_is_recorded_and_published() {
    let server = Server::set_up(with_registration(Registration::Open)).await;
    server.post("/v1/auth/register", &person("eve@example.com")).await;
    server.post("/v1/auth/login", &login("eve@example.com", "wrong horse")).await;
    server.sign_in("eve@example.com", "correct horse").await;
    server.service.shutdown().await;
    let records = server.records();
    let actions: Vec<_> = records.iter().map(|record| record.action.as_str()).collect();
    assert_eq!(actions, ["POST /v1/setup", "POST /v1/auth/register", "POST /v1/auth/login"]);
    let accounts: Vec<_> = records.iter().map(|record| record.target["account"].clone()).collect();
    assert_eq!(accounts[1], accounts[2]);
    assert_eq!(server.published.topics(), ["accounts.registered", "accounts.registered"]);
    assert!(server.published.text().contains(&accounts[1]));
    assert!(!server.published.text().contains("horse"));
}
