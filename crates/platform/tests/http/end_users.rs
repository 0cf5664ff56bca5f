//! End users beside project keys.

use crate::identity::TestEndUsers;
use crate::support::{Project, Server};
use ports::access::{Access as _, AccessError, Action, Ask, Caller, Credentials, Grant, KeyKind};
use std::sync::Arc;

const READ: Ask<'_> = Ask::Key { action: Action::DocumentRead };

async fn start() -> (Server, Arc<TestEndUsers>, Project) {
    let server = Server::start().await;
    let users = Arc::new(TestEndUsers::default());
    server.access.bind_end_users(users.clone());
    let project = server.project("cities").await;
    (server, users, project)
}

fn with(key: &str, bearer: Option<&str>, cookie: Option<&str>) -> Credentials {
    Credentials {
        key: Some(key.into()),
        bearer: bearer.map(Into::into),
        end_user_session: cookie.map(Into::into),
        ..Credentials::default()
    }
}

fn uid(grant: &Grant) -> Option<String> {
    grant.end_user.as_ref().map(|user| user.id.to_string())
}

fn id_in(token: &str) -> Option<String> {
    token.split_once('/').map(|(_, id)| id.to_owned())
}

#[tokio::test]
async fn a_valid_token_or_session_is_seen_beside_either_kind_of_key() {
    let (server, users, project) = start().await;
    let token = users.sign_in(project.id());
    let in_project = Ask::Project { project: project.id(), action: Action::DocumentRead };
    for key in [&project.public_key, &project.secret_key] {
        for credentials in [with(key, Some(&token), None), with(key, None, Some(&token))] {
            for ask in [READ, in_project] {
                let grant = server.access.authorize(&credentials, ask).await.unwrap();
                assert_eq!(uid(&grant), id_in(&token));
                assert_eq!(grant.project.as_ref().unwrap().as_str(), project.id());
                assert_eq!(grant.is_ruled(), key == &project.public_key);
            }
        }
        let alone = server.access.authorize(&with(key, None, None), READ).await.unwrap();
        assert_eq!(uid(&alone), None);
    }
}

#[tokio::test]
async fn a_bad_token_is_refused_and_a_stale_cookie_ignored() {
    let (server, users, project) = start().await;
    let (other, token) = (server.project("towns").await, users.sign_in(project.id()));
    let foreign = users.sign_in(other.id());
    let ended = users.sign_in(project.id());
    users.sign_out(&ended);
    for key in [&project.public_key, &project.secret_key] {
        for bad in ["", "x", foreign.as_str(), ended.as_str()] {
            let refused =
                server.access.authorize(&with(key, Some(bad), Some(&token)), READ).await.unwrap_err();
            assert!(matches!(refused, AccessError::EndUserToken), "{bad}: {refused}");
            let grant = server.access.authorize(&with(key, None, Some(bad)), READ).await.unwrap();
            assert_eq!(uid(&grant), None, "{bad}");
        }
    }
}

#[tokio::test]
async fn an_ended_session_is_refused_at_once() {
    let (server, users, project) = start().await;
    let token = users.sign_in(project.id());
    let credentials = with(&project.public_key, Some(&token), None);
    server.access.authorize(&credentials, READ).await.unwrap();
    users.sign_out(&token);
    let refused = server.access.authorize(&credentials, READ).await.unwrap_err();
    assert!(matches!(refused, AccessError::EndUserToken));
}

#[tokio::test]
async fn an_end_user_gives_a_key_no_more_rights_and_a_developers_token_none() {
    let (server, users, project) = start().await;
    let token = users.sign_in(project.id());
    let admin = Ask::Key { action: Action::DatabaseAdmin };
    let refused = server.access.authorize(&with(&project.public_key, Some(&token), None), admin).await;
    assert!(matches!(refused.unwrap_err(), AccessError::Forbidden(_)));
    let developers = server.identity.token("ada", &["*"]);
    let beside = with(&project.public_key, Some(&developers), None);
    let grant = server.access.authorize(&beside, READ).await.unwrap();
    assert!(matches!(grant.caller, Caller::Key { kind: KeyKind::Public, .. }));
    assert_eq!(uid(&grant), None);
    assert!(server.access.authorize(&beside, admin).await.is_err());
}

#[tokio::test]
async fn an_end_user_without_a_key_is_nobody() {
    let (server, users, project) = start().await;
    let token = users.sign_in(project.id());
    let in_project = Ask::Project { project: project.id(), action: Action::DocumentRead };
    let bearer = Credentials { bearer: Some(token.as_str().into()), ..Credentials::default() };
    let cookie = Credentials { end_user_session: Some(token.as_str().into()), ..Credentials::default() };
    for credentials in [bearer, cookie] {
        for ask in [READ, in_project, Ask::Developer { action: Action::ProjectList }] {
            let refused = server.access.authorize(&credentials, ask).await.unwrap_err();
            assert!(matches!(refused, AccessError::Unauthenticated(_)));
        }
    }
}

#[tokio::test]
async fn without_end_users_no_token_is_valid() {
    let server = Server::start().await;
    let project = server.project("cities").await;
    let refused =
        server.access.authorize(&with(&project.public_key, Some("x"), None), READ).await.unwrap_err();
    assert!(matches!(refused, AccessError::EndUserToken));
    let grant = server.access.authorize(&with(&project.public_key, None, Some("x")), READ).await.unwrap();
    assert_eq!(uid(&grant), None);
}
