//! `Access`.

use crate::process::Process;
use async_trait::async_trait;
use ports::access::{Access, AccessError, Action, Ask, Caller, Credentials, Grant, KeyKind, Role};
use ports::audit::AuditEntry;
use ports::tenant::EndUser;
use rpc::Service;
use secrecy::ExposeSecret as _;
use service_kit::error::Classify as _;
use service_kit::ids::{EndUserId, KeyId, ProjectId, UserId};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Answers by what the key says.
#[derive(Default)]
pub(crate) struct FakeAccess {
    asked: AtomicUsize,
    recorded: Mutex<Vec<AuditEntry>>,
}

const PROJECT: &str = "prj_00000000000000000000000000000001";
const KEY: &str = "key_00000000000000000000000000000002";
const USER: &str = "usr_00000000000000000000000000000003";
const END_USER: &str = "eus_00000000000000000000000000000004";

fn project() -> ProjectId {
    ProjectId::parse(PROJECT).unwrap()
}

fn key_grant(kind: KeyKind) -> Grant {
    let caller = Caller::Key { id: KeyId::parse(KEY).unwrap(), kind };
    Grant { caller, project: Some(project()), end_user: None }
}

fn member_grant() -> Grant {
    let user = UserId::parse(USER).unwrap();
    let caller = Caller::Developer { user, role: Some(Role::Admin), token: None };
    Grant { caller, project: Some(project()), end_user: None }
}

fn end_user_grant() -> Grant {
    let mut user = EndUser { id: EndUserId::parse(END_USER).unwrap(), claims: serde_json::Map::new() };
    user.claims.insert("plan".to_owned(), "gold".into());
    Grant { end_user: Some(Arc::new(user)), ..key_grant(KeyKind::Public) }
}

#[async_trait]
impl Access for FakeAccess {
    async fn authorize(&self, credentials: &Credentials, ask: Ask<'_>) -> Result<Grant, AccessError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let text = |secret: &Option<secrecy::SecretString>| {
            secret.as_ref().map(|text| text.expose_secret().to_owned()).unwrap_or_default()
        };
        match (ask, text(&credentials.key).as_str()) {
            (Ask::Key { action }, "sk_good") if KeyKind::Secret.allows(action) => {
                Ok(key_grant(KeyKind::Secret))
            }
            (Ask::Key { .. }, "pk_good") if text(&credentials.bearer) == "jwt" => Ok(end_user_grant()),
            (Ask::Key { .. }, "pk_good") if text(&credentials.bearer) == "old" => {
                Err(AccessError::EndUserToken)
            }
            (Ask::Key { .. }, "pk_good") => Err(AccessError::Forbidden("this key may not do that")),
            (Ask::Project { project, .. }, _) if project != PROJECT => Err(AccessError::ProjectNotFound),
            (Ask::Project { .. }, _) if text(&credentials.session) == "s" => Ok(member_grant()),
            (Ask::Session | Ask::Developer { .. }, _) if text(&credentials.session) == "s" => {
                Ok(Grant { project: None, ..member_grant() })
            }
            (Ask::Operator, _) if credentials.peer == Some(IpAddr::from([127, 0, 0, 1])) => {
                Ok(Caller::Operator.into())
            }
            (_, "down") => Err(AccessError::Unavailable("the disk is gone".into())),
            _ => Err(AccessError::Unauthenticated("bring a key")),
        }
    }

    async fn record(&self, entry: AuditEntry) -> Result<(), AccessError> {
        if entry.action == "FAIL" {
            return Err(AccessError::Unavailable("the disk is full".into()));
        }
        self.recorded.lock().unwrap().push(entry);
        Ok(())
    }
}

fn with_key(key: &str) -> Credentials {
    Credentials { key: Some(key.into()), ..Credentials::default() }
}

fn with_bearer(bearer: &str) -> Credentials {
    Credentials { bearer: Some(bearer.into()), ..with_key("pk_good") }
}

const READ: Ask<'static> = Ask::Key { action: Action::DocumentRead };

/// What every implementation of this suite answers.
async fn grants(access: &dyn Access) {
    let session = Credentials { session: Some("s".into()), ..Credentials::default() };
    let local = Credentials { peer: Some(IpAddr::from([127, 0, 0, 1])), ..Credentials::default() };
    let member = Ask::Project { project: PROJECT, action: Action::KeyWrite };
    let account = Grant { project: None, ..member_grant() };
    for (credentials, ask, expected) in [
        (with_key("sk_good"), READ, key_grant(KeyKind::Secret)),
        (with_bearer("jwt"), READ, end_user_grant()),
        (session.clone(), member, member_grant()),
        (session.clone(), Ask::Session, account.clone()),
        (session, Ask::Developer { action: Action::AccountRead }, account),
        (local, Ask::Operator, Caller::Operator.into()),
    ] {
        assert_eq!(access.authorize(&credentials, ask).await.unwrap(), expected, "{ask:?}");
    }
}

async fn refuses(access: &dyn Access) {
    let foreign = Ask::Project { project: "prj_x", action: Action::KeyRead };
    for (credentials, ask, code, text) in [
        (Credentials::default(), READ, "unauthenticated", "bring a key"),
        (with_bearer("old"), READ, "token_invalid", ""),
        (with_key("pk_good"), READ, "forbidden", "this key may not do that"),
        (with_key("sk_good"), foreign, "project_not_found", ""),
        (with_key("down"), READ, "unavailable", ""),
        (with_key("sk_good"), Ask::Key { action: Action::KeyWrite }, "unauthenticated", ""),
    ] {
        let error = access.authorize(&credentials, ask).await.unwrap_err();
        assert_eq!(error.code().as_str(), code, "{ask:?}");
        assert!(error.to_string().contains(text), "{error}");
    }
}

fn entry(action: &str) -> AuditEntry {
    AuditEntry {
        caller: member_grant().caller,
        project: Some(project()),
        action: action.to_owned(),
        summary: "Make a key".to_owned(),
        target: BTreeMap::from([("key".to_owned(), KEY.to_owned())]),
        status: 201,
        address: Some("203.0.113.9".to_owned()),
        user_agent: None,
        request_id: Some("req_1".to_owned()),
    }
}

#[tokio::test]
async fn grants_and_refusals_are_the_same_on_both_sides() {
    let fake = Arc::new(FakeAccess::default());
    let process = Process::start(|server| server.access(fake.clone())).await;
    let client = process.clients(Service::Storage).access().unwrap();
    for access in [&*fake as &dyn Access, &client] {
        grants(access).await;
        refuses(access).await;
    }
}

#[tokio::test]
async fn a_grant_is_asked_for_once_and_a_refusal_each_time() {
    let fake = Arc::new(FakeAccess::default());
    let process = Process::start(|server| server.access(fake.clone())).await;
    let client = process.clients(Service::BunKms).access().unwrap();
    let asked = || fake.asked.load(Ordering::SeqCst);
    for _ in 0..10 {
        client.authorize(&with_key("sk_good"), READ).await.unwrap();
    }
    // One call takes far less than the second for which grants are kept; ten may span two of them.
    assert!(asked() <= 2, "{}", asked());
    let before = asked();
    for _ in 0..3 {
        client.authorize(&with_key("pk_good"), READ).await.unwrap_err();
    }
    assert_eq!(asked() - before, 3);
}

#[tokio::test]
async fn a_change_is_recorded_as_it_was() {
    let fake = Arc::new(FakeAccess::default());
    let process = Process::start(|server| server.access(fake.clone())).await;
    let client = process.clients(Service::Functions).access().unwrap();
    client.record(entry("POST /v1/x")).await.unwrap();
    assert_eq!(*fake.recorded.lock().unwrap(), [entry("POST /v1/x")]);
    let error = client.record(entry("FAIL")).await.unwrap_err();
    assert!(matches!(error, AccessError::Unavailable(_)));
}
