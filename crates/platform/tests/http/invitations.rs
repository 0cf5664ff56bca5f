//! Invitations: one link, one person, once.

use crate::support::{Answer, By, PUBLIC_URL, Project, Server, Start};
use http::{StatusCode, header};
use mail::MailConfig;
use platform::PlatformConfig;
use serde_json::{Value, json};
use std::num::NonZeroU32;
use std::sync::atomic::Ordering;

const ADA: By<'_> = By::Developer("ada");
const BOB: By<'_> = By::Developer("bob");
const ACCEPT: &str = "/v1/invitations/accept";
/// Requests at once.
const CROWD: usize = 50;

async fn invite(server: &Server, project: &Project, email: &str, role: &str) -> Answer {
    server.post(ADA, &project.members(), json!({ "email": email, "role": role })).await
}

/// Invites somebody and gives the token out of the link.
async fn token(server: &Server, project: &Project, email: &str, role: &str) -> String {
    let answer = invite(server, project, email, role).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    let link = answer.body["link"].as_str().unwrap();
    let start = format!("{PUBLIC_URL}/auth/action#mode=accept_invitation&token=");
    link.strip_prefix(&start).unwrap().to_owned()
}

async fn accept(server: &Server, by: By<'_>, token: &str) -> Answer {
    server.post(by, ACCEPT, json!({ "token": token })).await
}

fn newcomer(token: &str) -> Value {
    json!({ "token": token, "password": "correct horse", "name": "Zoe" })
}

async fn open(server: &Server, project: &Project) -> usize {
    server.get(ADA, &project.members()).await.body["invitations"].as_array().unwrap().len()
}

#[tokio::test]
async fn the_invited_account_becomes_a_member_once() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let made = invite(&server, &project, " Bob@Example.com ", "admin").await.body;
    let token = made["link"].as_str().unwrap().rsplit_once('=').unwrap().1.to_owned();
    assert_eq!(made["invitation"]["email"], "bob@example.com");
    let listed = server.get(ADA, &project.members()).await.body;
    assert_eq!(listed["invitations"], json!([made["invitation"]]));
    assert!(!listed.to_string().contains(&token));

    let accepted = accept(&server, BOB, &token).await;
    assert_eq!(accepted.status, StatusCode::OK, "{}", accepted.body);
    assert_eq!(accepted.body["project"]["id"], project.id());
    assert_eq!(accepted.body["project"]["role"], "admin");
    assert!(!accepted.headers.contains_key(header::SET_COOKIE));
    assert_eq!(server.get(BOB, &project.keys()).await.status, StatusCode::OK);
    assert_eq!(open(&server, &project).await, 0);
    let again = accept(&server, BOB, &token).await;
    assert_eq!((again.status, again.code()), (StatusCode::BAD_REQUEST, "link_invalid"));
}

#[tokio::test]
async fn the_token_is_kept_as_a_hash_and_goes_out_by_mail() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let token = token(&server, &project, "bob@example.com", "member").await;
    server.mailer.shutdown().await;
    let mails = server.mailer.captured().await.unwrap();
    assert_eq!((mails.len(), mails[0].to.as_str()), (1, "bob@example.com"));
    assert!(
        mails[0].text.contains(&format!("{PUBLIC_URL}/auth/action#mode=accept_invitation&token={token}\n"))
    );
    assert!(mails[0].text.contains("ada@example.com") && mails[0].text.contains("cities"));
    assert!(!server.holds(&token));
}

#[tokio::test]
async fn of_fifty_at_once_one_is_let_in() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let token = token(&server, &project, "bob@example.com", "member").await;
    let attempts = (0..CROWD).map(|_| accept(&server, BOB, &token));
    let answers = futures_util::future::join_all(attempts).await;
    let let_in = answers.iter().filter(|answer| answer.status == StatusCode::OK).count();
    let refused = answers.iter().filter(|answer| answer.code() == "link_invalid").count();
    assert_eq!((let_in, refused), (1, CROWD - 1));
}

#[tokio::test]
async fn of_fifty_at_once_one_makes_an_account() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let token = token(&server, &project, "zoe@example.com", "viewer").await;
    let attempts = (0..CROWD).map(|_| server.post(By::Nobody, ACCEPT, newcomer(&token)));
    let answers = futures_util::future::join_all(attempts).await;
    let (let_in, others): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == StatusCode::OK);
    assert_eq!((let_in.len(), others.len()), (1, CROWD - 1));
    let odd = others.iter().filter(|answer| answer.code() != "link_invalid");
    let odd: Vec<_> = odd.map(|answer| (answer.status, &answer.body)).collect();
    assert!(odd.is_empty(), "{odd:?}");
    assert_eq!(server.identity.registrations.load(Ordering::SeqCst), 1);
    let cookie = let_in[0].headers[header::SET_COOKIE].to_str().unwrap();
    assert_eq!(cookie, "session_token=Zoe; HttpOnly; SameSite=Lax; Path=/; Max-Age=60; Secure");
    let seen = server.get(By::Developer("Zoe"), &project.path).await.body;
    assert_eq!(seen["project"]["role"], "viewer");
}

#[tokio::test]
async fn what_is_refused_uses_nothing_up() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let bobs = token(&server, &project, "bob@example.com", "member").await;
    let nobody = accept(&server, By::Nobody, &bobs).await;
    assert_eq!((nobody.status, nobody.code()), (StatusCode::UNAUTHORIZED, "unauthenticated"));
    assert_eq!(accept(&server, By::Developer("stale"), &bobs).await.code(), "unauthenticated");
    assert_eq!(server.post(By::Nobody, ACCEPT, newcomer(&bobs)).await.code(), "unauthenticated");
    let other = accept(&server, By::Developer("eve"), &bobs).await;
    assert_eq!((other.status, other.code()), (StatusCode::FORBIDDEN, "forbidden"));
    assert_eq!(accept(&server, BOB, &bobs).await.status, StatusCode::OK);

    let zoes = token(&server, &project, "zoe@example.com", "member").await;
    for by in [By::Nobody, By::Developer("eve")] {
        let missing = accept(&server, by, &zoes).await;
        assert_eq!((missing.status, missing.code()), (StatusCode::BAD_REQUEST, "invalid_request"));
    }
    let weak = json!({ "token": zoes, "password": "short", "name": "Zoe" });
    assert_eq!(server.post(By::Nobody, ACCEPT, weak).await.code(), "weak_password");
    assert_eq!(server.post(By::Nobody, ACCEPT, newcomer(&zoes)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn another_invitation_to_an_address_replaces_the_one_before() {
    let server = Server::start().await;
    let (project, other) = (server.project("cities").await, server.project("towns").await);
    let first = token(&server, &project, "bob@example.com", "owner").await;
    let elsewhere = token(&server, &other, "bob@example.com", "viewer").await;
    let second = token(&server, &project, "BOB@example.com", "viewer").await;
    assert_eq!(open(&server, &project).await, 1);
    assert_eq!(accept(&server, BOB, &first).await.code(), "link_invalid");
    assert_eq!(accept(&server, BOB, &second).await.body["project"]["role"], "viewer");
    assert_eq!(accept(&server, BOB, &elsewhere).await.body["project"]["id"], other.id());
}

#[tokio::test]
async fn an_invitation_ends_by_itself_and_when_it_is_taken_back() {
    let server = Server::start().await;
    let (project, other) = (server.project("cities").await, server.project("towns").await);
    let late = token(&server, &project, "bob@example.com", "member").await;
    server.execute("UPDATE project_invitations SET expires_at = 1", &[]).await;
    assert_eq!(accept(&server, BOB, &late).await.code(), "link_invalid");
    assert_eq!(open(&server, &project).await, 0);

    let made = invite(&server, &project, "bob@example.com", "member").await.body;
    let token = made["link"].as_str().unwrap().rsplit_once('=').unwrap().1;
    let path = |project: &Project| {
        format!("{}/invitations/{}", project.path, made["invitation"]["id"].as_str().unwrap())
    };
    let foreign = server.delete(ADA, &path(&other)).await;
    assert_eq!((foreign.status, foreign.code()), (StatusCode::NOT_FOUND, "account_item_not_found"));
    assert_eq!(server.delete(ADA, &path(&project)).await.status, StatusCode::NO_CONTENT);
    assert_eq!(server.delete(ADA, &path(&project)).await.body, foreign.body);
    assert_eq!(accept(&server, BOB, token).await.code(), "link_invalid");
}

#[tokio::test]
async fn whoever_is_removed_or_made_less_takes_their_invitations_along() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let invited = |role: &str, email: &str| json!({ "email": email, "role": role });
    server.join(&project, "bob", "owner").await;
    server.post(BOB, &project.members(), invited("owner", "o@example.com")).await;
    server.post(BOB, &project.members(), invited("viewer", "v@example.com")).await;
    token(&server, &project, "eve@example.com", "owner").await;
    server.patch(ADA, &project.member("bob"), json!({ "role": "admin" })).await;
    assert_eq!(open(&server, &project).await, 2);
    server.patch(ADA, &project.member("bob"), json!({ "role": "member" })).await;
    assert_eq!(open(&server, &project).await, 1);
    server.patch(ADA, &project.member("bob"), json!({ "role": "admin" })).await;
    server.post(BOB, &project.members(), invited("viewer", "v@example.com")).await;
    server.delete(ADA, &project.member("bob")).await;
    assert_eq!(open(&server, &project).await, 1);
}

#[tokio::test]
async fn a_member_is_not_invited_and_a_deleted_project_lets_nobody_in() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let member = invite(&server, &project, "ada@example.com", "viewer").await;
    assert_eq!((member.status, member.code()), (StatusCode::CONFLICT, "conflict"));
    let token = token(&server, &project, "bob@example.com", "member").await;
    server.delete(ADA, &project.path).await;
    assert_eq!(accept(&server, BOB, &token).await.code(), "link_invalid");
}

#[tokio::test]
async fn members_and_invitations_are_limited() {
    let config = PlatformConfig { members_per_project_max: 2, ..PlatformConfig::default() };
    let server = Server::start_with(config, Vec::new()).await;
    let project = server.project("cities").await;
    token(&server, &project, "bob@example.com", "member").await;
    let third = invite(&server, &project, "eve@example.com", "member").await;
    assert_eq!(third.code(), "limit_exceeded");
    token(&server, &project, "bob@example.com", "viewer").await;
    server.execute("UPDATE project_invitations SET expires_at = 1", &[]).await;
    token(&server, &project, "eve@example.com", "member").await;
}

#[tokio::test]
async fn an_account_sends_a_limited_number_of_invitations() {
    let limit = NonZeroU32::new(2).unwrap();
    let config = PlatformConfig { invitations_per_minute_per_account: limit, ..PlatformConfig::default() };
    let server = Server::start_with(config, Vec::new()).await;
    let project = server.project("cities").await;
    for _ in 0..2 {
        token(&server, &project, "bob@example.com", "member").await;
    }
    let third = invite(&server, &project, "bob@example.com", "member").await;
    assert_eq!((third.status, third.code()), (StatusCode::TOO_MANY_REQUESTS, "rate_limited"));
    assert!(third.headers.contains_key(header::RETRY_AFTER));
}

#[tokio::test]
async fn with_a_mail_server_the_link_goes_out_by_mail_only() {
    let smtp_url = Some("smtp://127.0.0.1:1".into());
    let mail = MailConfig { smtp_url, ..MailConfig::default() };
    let server = Server::start_as(Start { mail, ..Start::default() }).await;
    let project = server.project("cities").await;
    let answer = invite(&server, &project, "bob@example.com", "member").await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert!(answer.body.get("link").is_none(), "{}", answer.body);
}

#[tokio::test]
async fn an_invitation_that_cannot_be_sent_is_none() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    server.mailer.shutdown().await;
    let answer = invite(&server, &project, "bob@example.com", "member").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.body);
    assert_eq!(open(&server, &project).await, 0);
}

#[tokio::test]
async fn bad_bodies_are_refused() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    for body in [
        json!({}),
        json!({ "email": "bob@example.com" }),
        json!({ "email": "bob", "role": "member" }),
        json!({ "email": "bob@example.com\r\nBcc: eve@example.com", "role": "member" }),
        json!({ "email": "bob@example.com", "role": "root" }),
        json!({ "email": "bob@example.com", "role": "member", "link": "x" }),
    ] {
        let answer = server.post(ADA, &project.members(), body).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, "invalid_request"));
    }
    assert_eq!(server.post(By::Nobody, ACCEPT, json!({ "token": 1 })).await.code(), "invalid_request");
    for token in ["", "x", "' OR 1=1 --", &"0".repeat(64)] {
        assert_eq!(accept(&server, BOB, token).await.code(), "link_invalid");
    }
}
