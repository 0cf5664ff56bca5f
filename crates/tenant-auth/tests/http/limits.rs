//! How much and how often.

use crate::support::{Call, EMAIL, PASSWORD, Server, login, person, wide};
use http::StatusCode;
use serde_json::json;
use service_kit::ids::ProjectId;
use std::num::{NonZeroU32, NonZeroU64};
use tenant_auth::TenantAuthConfig;

const THREE: NonZeroU32 = NonZeroU32::new(3).unwrap();

#[tokio::test]
async fn a_network_that_tries_too_often_is_told_when_to_come_back() {
    let server = Server::start().await;
    let (project, other) = (ProjectId::generate(), ProjectId::generate());
    for project in [&project, &other] {
        server.configure(project, &json!({ "rate_limit": { "per_minute": 3 } })).await;
    }
    let attempt = |project: &ProjectId, peer: &str, number: u32| {
        let body = login(&format!("p{number}@example.com"), "wrong horse");
        server.send(Call::post("/v1/auth/project/login", &body).public(project).from(peer))
    };
    for number in 0..3 {
        assert_eq!(attempt(&project, "2001:db8::1", number).await.status, StatusCode::UNAUTHORIZED);
    }
    let refused = attempt(&project, "2001:db8::2", 9).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::TOO_MANY_REQUESTS, "rate_limited"));
    let wait: u32 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
    assert_eq!(attempt(&project, "192.0.2.7", 9).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(attempt(&other, "2001:db8::2", 9).await.status, StatusCode::UNAUTHORIZED);
    let path = format!("/v1/projects/{project}/auth/password/reset");
    let guess = Call::post(&path, &json!({ "token": "x", "password": PASSWORD })).from("2001:db8::3");
    assert_eq!(server.send(guess).await.code(), "rate_limited");
    let backend = Call::post("/v1/auth/project/login", &login("x@example.com", "wrong horse"));
    let backend = server.send(backend.secret(&project).from("2001:db8::4")).await;
    assert_eq!(backend.code(), "invalid_credentials");
}

#[tokio::test]
async fn an_account_is_guarded_whether_it_exists_or_not_and_its_owner_gets_in() {
    let config = TenantAuthConfig {
        attempts_per_minute_per_account: THREE,
        attempts_per_minute_per_account_everywhere: NonZeroU32::new(5).unwrap(),
        ..wide()
    };
    let server = Server::start_with(config).await;
    let project = ProjectId::generate();
    let home = Call::post("/v1/auth/project/register", &person(EMAIL)).public(&project).from("192.0.2.200");
    assert_eq!(server.send(home).await.status, StatusCode::CREATED);
    let attempt = |email: &str, password: &str, peer: &str| {
        let call = Call::post("/v1/auth/project/login", &login(email, password));
        server.send(call.public(&project).from(peer))
    };
    let mut seen = Vec::new();
    for email in [EMAIL, "nobody@example.com"] {
        let mut codes = Vec::new();
        for number in 0..8 {
            let answer =
                attempt(&format!(" {} ", email.to_uppercase()), "wrong", &format!("198.51.100.{number}"));
            codes.push(answer.await.code().to_owned());
        }
        seen.push(codes);
    }
    assert_eq!(seen[1].iter().filter(|code| *code == "invalid_credentials").count(), 5);
    assert_eq!(seen[0].iter().filter(|code| *code == "invalid_credentials").count(), 4);
    assert_eq!(seen[0].last().unwrap(), "rate_limited");
    assert_eq!(attempt(EMAIL, PASSWORD, "192.0.2.200").await.status, StatusCode::OK);
    assert_eq!(attempt(EMAIL, "wrong", "192.0.2.200").await.code(), "invalid_credentials");
    assert_eq!(attempt(EMAIL, PASSWORD, "192.0.2.200").await.code(), "rate_limited");
}

#[tokio::test]
async fn an_address_gets_so_many_mails_whether_it_is_known_or_not() {
    let server = Server::start_with(TenantAuthConfig { mails_per_hour_per_address: THREE, ..wide() }).await;
    let project = ProjectId::generate();
    server.register(&project, EMAIL).await;
    for email in [EMAIL, "nobody@example.com"] {
        let mut statuses = Vec::new();
        for path in ["/v1/auth/project/password/forgot", "/v1/auth/project/verify-email/send"].repeat(2) {
            statuses.push(server.post(&project, path, &json!({ "email": email })).await.status.as_u16());
        }
        assert_eq!(statuses, [202, 202, 202, 429], "{email}");
    }
    assert_eq!(server.mails(EMAIL, 3).await.len(), 3);
}

#[tokio::test]
async fn a_project_has_so_many_users_and_removing_one_makes_room() {
    let config = TenantAuthConfig { users_per_project_max: NonZeroU64::new(2).unwrap(), ..wide() };
    let server = Server::start_with(config).await;
    let (project, other) = (ProjectId::generate(), ProjectId::generate());
    let first = server.register(&project, "a@example.com").await.user_id();
    server.register(&project, "b@example.com").await;
    let third = server.post(&project, "/v1/auth/project/register", &person("c@example.com")).await;
    assert_eq!((third.status, third.code()), (StatusCode::PAYLOAD_TOO_LARGE, "limit_exceeded"));
    let made = server.send(Call::post("/v1/auth/users", &person("c@example.com")).secret(&project)).await;
    assert_eq!(made.code(), "limit_exceeded");
    server.register(&other, "c@example.com").await;
    let gone = Call::new(http::Method::DELETE, &format!("/v1/auth/users/{first}")).secret(&project);
    assert_eq!(server.send(gone).await.status, StatusCode::NO_CONTENT);
    server.register(&project, "c@example.com").await;
}

#[tokio::test]
async fn when_every_place_to_hash_is_taken_others_are_told_to_wait() {
    let config = TenantAuthConfig { hash_slots: std::num::NonZeroUsize::MIN, hash_queue_max: 0, ..wide() };
    let server = Server::start_with(config).await;
    let project = ProjectId::generate();
    let calls = (0..20).map(|_| server.log_in(&project, EMAIL, "wrong horse"));
    let answers = futures_util::future::join_all(calls).await;
    let overloaded: Vec<_> = answers.iter().filter(|answer| answer.code() == "overloaded").collect();
    assert!(!overloaded.is_empty());
    assert!(overloaded.iter().all(|answer| answer.headers["retry-after"] == "1"));
    assert!(answers.iter().any(|answer| answer.code() == "invalid_credentials"));
}
