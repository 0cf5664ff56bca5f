//! Access tokens: what is refused, the keys that sign them, and how soon a revocation shows.

use crate::support::{Call, EMAIL, PUBLIC_URL, Server};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use http::{Method, StatusCode};
use ports::lifecycle::ProjectLifecycle as _;
use ports::secrets::Secrets as _;
use ports::tenant::TenantIdentity as _;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use service_kit::ids::{EndUserId, ProjectId};
use std::sync::atomic::Ordering;

fn part(token: &str, number: usize) -> Value {
    serde_json::from_slice(&BASE64.decode(token.split('.').nth(number).unwrap()).unwrap()).unwrap()
}

fn encoded(value: &Value) -> String {
    BASE64.encode(value.to_string())
}

fn signed(key: &Ed25519KeyPair, header: &Value, claims: &Value) -> String {
    let text = format!("{}.{}", encoded(header), encoded(claims));
    format!("{text}.{}", BASE64.encode(key.sign(text.as_bytes())))
}

/// The key that signs a project's tokens, as only whoever holds documents and secrets can get it.
async fn signing_key(server: &Server, project: &ProjectId, kid: &str) -> Ed25519KeyPair {
    let stored = server.around.documents.document(project, "_system/auth/settings", "keys");
    let keys = stored.get_array("keys").unwrap().iter().map(|key| key.as_document().unwrap());
    let key = keys.into_iter().find(|key| key.get_str("id").unwrap() == kid).unwrap();
    let purpose = format!("end-users/signing-key/{kid}");
    let seed = server.around.secrets.open(project, &purpose, key.get_binary_generic("sealed").unwrap()).await;
    Ed25519KeyPair::from_seed_unchecked(seed.unwrap().expose_secret()).unwrap()
}

async fn jwks(server: &Server, project: &ProjectId) -> Vec<Value> {
    let answer = server.send(Call::get(&format!("/v1/projects/{project}/auth/jwks.json"))).await;
    assert_eq!(
        (answer.status, &answer.headers["cache-control"]),
        (StatusCode::OK, &"public, max-age=60".parse().unwrap())
    );
    answer.body["keys"].as_array().unwrap().clone()
}

async fn refused(server: &Server, project: &ProjectId, token: &str) -> bool {
    let answer = server.session(project, token).await;
    let verified = server.service.verify(project, &SecretString::from(token)).await.unwrap();
    assert_eq!(verified.is_none(), answer.status == StatusCode::UNAUTHORIZED);
    answer.code() == "token_invalid"
}

#[tokio::test]
async fn a_token_says_who_it_is_for_and_anybody_can_check_it_with_the_published_key() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    let registered = server.register(&project, EMAIL).await;
    let token = registered.text("access_token");
    let (header, claims) = (part(&token, 0), part(&token, 1));
    assert_eq!((&header["alg"], &header["typ"]), (&json!("EdDSA"), &json!("JWT")));
    assert_eq!(claims["iss"], format!("{PUBLIC_URL}/v1/projects/{project}/auth"));
    assert_eq!((&claims["aud"], &claims["sub"]), (&json!(project), &json!(registered.user_id())));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
    let keys = jwks(&server, &project).await;
    assert_eq!((keys.len(), &keys[0]["kid"], &keys[0]["crv"]), (1, &header["kid"], &json!("Ed25519")));
    assert!(keys[0].get("d").is_none());
    let public = UnparsedPublicKey::new(&ED25519, BASE64.decode(keys[0]["x"].as_str().unwrap()).unwrap());
    let (text, signature) = token.rsplit_once('.').unwrap();
    public.verify(text.as_bytes(), &BASE64.decode(signature).unwrap()).unwrap();
}

#[tokio::test]
async fn forged_swapped_and_foreign_tokens_stand_for_nobody() {
    let server = Server::start().await;
    let (project, other) = (ProjectId::generate(), ProjectId::generate());
    let token = server.register(&project, EMAIL).await.text("access_token");
    let foreign = server.register(&other, EMAIL).await.text("access_token");
    let (header, claims) = (part(&token, 0), part(&token, 1));
    let (kid, foreign_kid) = (header["kid"].as_str().unwrap(), part(&foreign, 0)["kid"].clone());
    let key = signing_key(&server, &project, kid).await;
    let foreign_key = signing_key(&server, &other, foreign_kid.as_str().unwrap()).await;
    let public = BASE64.decode(jwks(&server, &project).await[0]["x"].as_str().unwrap()).unwrap();
    let with = |base: &Value, field: &str, value: Value| {
        let mut changed = base.clone();
        changed[field] = value;
        changed
    };
    let without = |field: &str| {
        let mut changed = claims.clone();
        changed.as_object_mut().unwrap().remove(field);
        signed(&key, &header, &changed)
    };
    let hs256 = with(&header, "alg", json!("HS256"));
    let text = format!("{}.{}", encoded(&hs256), encoded(&claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &public), text.as_bytes());
    let none = format!("{}.{}", encoded(&with(&header, "alg", json!("none"))), encoded(&claims));
    let (head, rest) = token.split_once('.').unwrap();
    let exp = claims["exp"].as_i64().unwrap();
    assert!(!refused(&server, &project, &token).await);
    assert!(!refused(&server, &project, &signed(&key, &header, &claims)).await);
    for (what, forged) in [
        ("none", format!("{none}.")),
        ("none with a signature", format!("{none}.{}", token.rsplit_once('.').unwrap().1)),
        ("HS256 with the public key", format!("{text}.{}", BASE64.encode(tag))),
        ("EdDSA header, HMAC signature", format!("{head}.{}.{}", encoded(&claims), BASE64.encode(tag))),
        ("another project's token", foreign.clone()),
        ("another project's key", signed(&foreign_key, &header, &claims)),
        ("another project's key and kid", signed(&foreign_key, &with(&header, "kid", foreign_kid), &claims)),
        ("an unknown kid", signed(&key, &with(&header, "kid", json!("0")), &claims)),
        ("a key in the header", signed(&key, &with(&header, "jwk", json!({})), &claims)),
        ("critical extensions", signed(&key, &with(&header, "crit", json!(["exp"])), &claims)),
        ("a wrong audience", signed(&key, &header, &with(&claims, "aud", json!(other)))),
        ("many audiences", signed(&key, &header, &with(&claims, "aud", json!([project])))),
        ("a wrong issuer", signed(&key, &header, &with(&claims, "iss", json!("https://evil.example")))),
        ("an exp of text", signed(&key, &header, &with(&claims, "exp", json!(exp.to_string())))),
        ("an exp too large", signed(&key, &header, &with(&claims, "exp", json!(i64::MAX)))),
        ("an exp of null", signed(&key, &header, &with(&claims, "exp", Value::Null))),
        ("no exp", without("exp")),
        ("no sub", without("sub")),
        ("no sid", without("sid")),
        ("no aud", without("aud")),
        ("another user", signed(&key, &header, &with(&claims, "sub", json!(EndUserId::generate())))),
        (
            "a changed payload",
            format!(
                "{head}.{}.{}",
                encoded(&with(&claims, "email", json!("x@y.z"))),
                rest.rsplit_once('.').unwrap().1
            ),
        ),
        ("padding", format!("{token}=")),
        ("four parts", format!("{token}.")),
        ("two parts", token.rsplit_once('.').unwrap().0.to_owned()),
        ("nothing", "..".to_owned()),
        ("a large one", "a.".repeat(100_000)),
    ] {
        assert!(refused(&server, &project, &forged).await, "{what}");
    }
    assert!(refused(&server, &other, &token).await);
}

#[tokio::test]
async fn a_token_ends_on_time_and_its_session_goes_on() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    server.configure(&project, &json!({ "access_token_minutes": 1 })).await;
    let registered = server.register(&project, EMAIL).await;
    let token = registered.text("access_token");
    assert_eq!(registered.body["expires_in"], 60);
    server.pass(59_000 - 999);
    assert!(!refused(&server, &project, &token).await);
    server.pass(2_000);
    assert!(refused(&server, &project, &token).await);
    let renewed = server.refresh(&project, &registered.text("refresh_token")).await;
    assert!(!refused(&server, &project, &renewed.text("access_token")).await);
}

#[tokio::test]
async fn a_rotated_key_verifies_until_its_longest_token_is_over() {
    let server = Server::start().await;
    let second = server.second().await;
    let project = ProjectId::generate();
    server.configure(&project, &json!({ "access_token_minutes": 60 })).await;
    let old = server.register(&project, EMAIL).await;
    assert!(!refused(&second, &project, &old.text("access_token")).await);
    let path = format!("/v1/projects/{project}/auth/keys/rotate");
    let rotated = server.send(Call::new(Method::POST, &path).role("admin", &project)).await;
    assert_eq!(rotated.status, StatusCode::CREATED, "{}", rotated.body);
    let keys = rotated.body["keys"].as_array().unwrap();
    assert_eq!((keys.len(), &keys[0]["signs"], &keys[1]["signs"]), (2, &json!(true), &json!(false)));
    server.pass(2_000);
    let new = server.refresh(&project, &old.text("refresh_token")).await.text("access_token");
    assert_eq!(part(&new, 0)["kid"], keys[0]["kid"]);
    for server in [&server, &second] {
        assert!(!refused(server, &project, &new).await);
        assert!(!refused(server, &project, &old.text("access_token")).await);
        assert_eq!(jwks(server, &project).await.len(), 2);
    }
    server.pass(3_590_000);
    assert!(!refused(&second, &project, &new).await);
    server.pass(60_000);
    for server in [&server, &second] {
        assert_eq!(jwks(server, &project).await.len(), 1);
    }
    let key = signing_key(&server, &project, keys[1]["kid"].as_str().unwrap()).await;
    let mut claims = part(&old.text("access_token"), 1);
    claims["exp"] = json!(4_102_444_800_i64);
    assert!(refused(&server, &project, &signed(&key, &part(&old.text("access_token"), 0), &claims)).await);
}

#[tokio::test]
async fn keys_cannot_be_rotated_without_end() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    let path = format!("/v1/projects/{project}/auth/keys/rotate");
    for _ in 0..9 {
        let answer = server.send(Call::new(Method::POST, &path).role("owner", &project)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    }
    let answer = server.send(Call::new(Method::POST, &path).role("owner", &project)).await;
    assert_eq!(answer.code(), "limit_exceeded");
    server.pass(2 * 60 * 60 * 1000);
    let answer = server.send(Call::new(Method::POST, &path).role("owner", &project)).await;
    assert_eq!(answer.body["keys"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn of_50_that_need_the_first_key_one_makes_it() {
    let server = Server::start().await;
    let second = server.second().await;
    let project = ProjectId::generate();
    let calls = (0..50).map(|number| {
        let email = format!("p{number}@example.com");
        let server = if number % 2 == 0 { &server } else { &second };
        let project = &project;
        async move { server.register(project, &email).await.text("access_token") }
    });
    let tokens = futures_util::future::join_all(calls).await;
    for token in &tokens {
        assert!(!refused(&server, &project, token).await);
        assert_eq!(part(token, 0)["kid"], part(&tokens[0], 0)["kid"]);
    }
    assert_eq!(server.around.documents.count(&project, "_system/auth/users"), 50);
    assert!(server.around.secrets.seals.load(Ordering::SeqCst) <= 4);
}

#[tokio::test]
async fn what_one_process_revokes_ends_in_others_within_two_seconds() {
    let server = Server::start().await;
    let second = server.second().await;
    let project = ProjectId::generate();
    for (method, path, body) in [
        (Method::PATCH, "", json!({ "disabled": true })),
        (Method::PATCH, "", json!({ "password": "better horse" })),
        (Method::DELETE, "/sessions", Value::Null),
        (Method::DELETE, "", Value::Null),
    ] {
        let registered = server.register(&project, &format!("{}@example.com", EndUserId::generate())).await;
        let token = registered.text("access_token");
        assert!(!refused(&server, &project, &token).await && !refused(&second, &project, &token).await);
        let path = format!("/v1/auth/users/{}{path}", registered.user_id());
        let answer = server.send(Call::new(method.clone(), &path).json(&body).secret(&project)).await;
        assert!(answer.status.is_success(), "{method} {path}: {}", answer.body);
        assert!(refused(&server, &project, &token).await, "{method} {path}");
        server.pass(2_000);
        assert!(refused(&second, &project, &token).await, "{method} {path}");
        let renewed = second.refresh(&project, &registered.text("refresh_token")).await;
        assert_eq!(renewed.code(), "token_invalid", "{method} {path}");
        let cookie = Call::get("/v1/auth/session").public(&project).header("cookie", &registered.cookie());
        assert_eq!(second.send(cookie).await.code(), "token_invalid", "{method} {path}");
    }
}

#[tokio::test]
async fn claims_reach_tokens_and_rules() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    let registered = server.register(&project, EMAIL).await;
    let (token, user) = (registered.text("access_token"), registered.user_id());
    let claims = json!({ "role": "editor", "teams": ["a", "b"] });
    let call = Call::new(Method::PUT, &format!("/v1/auth/users/{user}/claims"));
    let set = server.send(call.json(&json!({ "claims": claims })).secret(&project)).await;
    assert_eq!((set.status, &set.body["user"]["claims"]), (StatusCode::OK, &claims));
    let seen = server.service.verify(&project, &SecretString::from(token)).await.unwrap().unwrap();
    assert_eq!(seen.id.as_str(), user);
    let wanted = json!({ "role": "editor", "teams": ["a", "b"], "email": EMAIL, "email_verified": false });
    assert_eq!(Value::from(seen.claims.clone()), wanted);
    let renewed = server.refresh(&project, &registered.text("refresh_token")).await;
    assert_eq!(part(&renewed.text("access_token"), 1)["claims"], claims);
}

#[tokio::test]
async fn a_removed_project_is_forgotten() {
    let server = Server::start().await;
    let (project, other) = (ProjectId::generate(), ProjectId::generate());
    let token = server.register(&project, EMAIL).await.text("access_token");
    let kept = server.register(&other, EMAIL).await.text("access_token");
    assert!(!refused(&server, &project, &token).await);
    server.around.documents.purge(&project);
    server.service.purge(&project).await.unwrap();
    assert_eq!(server.service.store(), "end-users");
    assert!(refused(&server, &project, &token).await);
    assert!(jwks(&server, &project).await.is_empty());
    assert!(!refused(&server, &other, &kept).await);
}

#[tokio::test]
async fn strangers_who_name_projects_make_nothing_there() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    assert!(jwks(&server, &project).await.is_empty());
    for (path, body) in [
        ("verify-email", json!({ "token": "x" })),
        ("password/reset", json!({ "token": "etl_x_y", "password": "better horse" })),
    ] {
        let answer = server.send(Call::post(&format!("/v1/projects/{project}/auth/{path}"), &body)).await;
        assert_eq!(answer.code(), "link_invalid", "{path}");
    }
    assert_eq!(server.around.documents.projects(), 0);
    for text in ["x", "prj_1", "..", "prj_%00"] {
        let answer = server.send(Call::get(&format!("/v1/projects/{text}/auth/jwks.json"))).await;
        assert_eq!(answer.code(), "project_not_found", "{text}");
    }
}
