//! Refresh tokens: used once, rotated, and what happens when one is used again.

use crate::support::{Answer, EMAIL, PASSWORD, Server, wide};
use http::StatusCode;
use service_kit::ids::ProjectId;
use std::collections::HashSet;
use std::num::NonZeroU32;
use tenant_auth::TenantAuthConfig;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

fn pair(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    (answer.text("access_token"), answer.text("refresh_token"))
}

#[tokio::test]
async fn of_50_parallel_uses_all_get_the_same_pair() {
    let server = Server::start().await;
    let second = server.second().await;
    let project = ProjectId::generate();
    let token = server.register(&project, EMAIL).await.text("refresh_token");
    let calls =
        (0..50).map(|number| if number % 2 == 0 { &server } else { &second }.refresh(&project, &token));
    let answers = futures_util::future::join_all(calls).await;
    let pairs: HashSet<_> = answers.iter().map(pair).collect();
    assert_eq!(pairs.len(), 1);
    let (access, child) = pairs.into_iter().next().unwrap();
    assert_ne!(child, token);
    assert_eq!(server.session(&project, &access).await.status, StatusCode::OK);
    let grandchild = pair(&server.refresh(&project, &child).await).1;
    assert!(grandchild != child && grandchild != token);
}

#[tokio::test]
async fn within_the_grace_a_used_token_gives_the_same_child_again() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    let token = server.register(&project, EMAIL).await.text("refresh_token");
    let first = pair(&server.refresh(&project, &token).await);
    server.pass(10_000);
    assert_eq!(pair(&server.refresh(&project, &token).await), first);
    assert_eq!(server.refresh(&project, &first.1).await.status, StatusCode::OK);
}

#[tokio::test]
async fn after_the_grace_a_used_token_ends_the_whole_family() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    let token = server.register(&project, EMAIL).await.text("refresh_token");
    let other = server.log_in(&project, EMAIL, PASSWORD).await.text("refresh_token");
    let (access, child) = pair(&server.refresh(&project, &token).await);
    server.pass(10_001);
    assert_eq!(server.session(&project, &access).await.status, StatusCode::OK);
    assert_eq!(server.refresh(&project, &token).await.code(), "token_invalid");
    assert_eq!(server.session(&project, &access).await.code(), "token_invalid");
    assert_eq!(server.refresh(&project, &child).await.code(), "token_invalid");
    assert_eq!(server.refresh(&project, &other).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_older_ancestor_ends_the_family_even_within_the_grace() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    let token = server.register(&project, EMAIL).await.text("refresh_token");
    let child = pair(&server.refresh(&project, &token).await).1;
    let grandchild = pair(&server.refresh(&project, &child).await).1;
    assert_eq!(server.refresh(&project, &token).await.code(), "token_invalid");
    assert_eq!(server.refresh(&project, &grandchild).await.code(), "token_invalid");
}

#[tokio::test]
async fn a_forged_token_ends_nothing() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    let signed_in = server.register(&project, EMAIL).await;
    let token = signed_in.text("refresh_token");
    let child = pair(&server.refresh(&project, &token).await).1;
    let grandchild = pair(&server.refresh(&project, &child).await).1;
    let cookie = signed_in.cookie().split_once('=').unwrap().1.to_owned();
    let mut flipped = token.clone();
    flipped.replace_range(flipped.len() - 1.., if token.ends_with('0') { "1" } else { "0" });
    let next = grandchild.replace("_2_", "_3_");
    assert_ne!(next, grandchild);
    for forged in [flipped.as_str(), &cookie, &next, &signed_in.text("access_token"), "", "etr_"] {
        assert_eq!(server.refresh(&project, forged).await.code(), "token_invalid", "{forged}");
    }
    assert_eq!(server.refresh(&project, &grandchild).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_session_that_is_not_refreshed_ends_and_one_that_is_goes_on() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    let (kept, left) =
        (server.register(&project, EMAIL).await, server.log_in(&project, EMAIL, PASSWORD).await);
    server.pass(20 * DAY_MS);
    let kept = pair(&server.refresh(&project, &kept.text("refresh_token")).await).1;
    server.pass(10 * DAY_MS);
    assert_eq!(server.refresh(&project, &left.text("refresh_token")).await.code(), "token_invalid");
    assert_eq!(server.refresh(&project, &kept).await.status, StatusCode::OK);
}

#[tokio::test]
async fn one_session_more_than_may_be_ends_the_oldest() {
    let config = TenantAuthConfig { sessions_per_user_max: NonZeroU32::new(3).unwrap(), ..wide() };
    let server = Server::start_with(config).await;
    let project = ProjectId::generate();
    let first = server.register(&project, EMAIL).await.text("access_token");
    let mut newer = Vec::new();
    for _ in 0..3 {
        assert_eq!(server.session(&project, &first).await.status, StatusCode::OK);
        newer.push(server.log_in(&project, EMAIL, PASSWORD).await.text("access_token"));
    }
    assert_eq!(server.session(&project, &first).await.code(), "token_invalid");
    for token in newer {
        assert_eq!(server.session(&project, &token).await.status, StatusCode::OK);
    }
    assert_eq!(server.around.documents.count(&project, "_system/auth/sessions"), 3);
}

#[tokio::test]
async fn nothing_that_opens_anything_is_stored() {
    let server = Server::start().await;
    let project = ProjectId::generate();
    let signed_in = server.register(&project, EMAIL).await;
    let stored = server.around.documents.dump(&project);
    let cookie = signed_in.cookie();
    let tokens = [signed_in.text("access_token"), signed_in.text("refresh_token"), cookie];
    for secret in tokens.iter().map(|token| token.rsplit(['_', '.']).next().unwrap()).chain([PASSWORD]) {
        assert!(!stored.contains(secret));
    }
}
