//! `DeveloperIdentity` and `TenantIdentity`.

use crate::process::Process;
use async_trait::async_trait;
use ports::access::{Scope, ScopeSet};
use ports::identity::{Account, DeveloperIdentity, IdentityError, NewAccount, SignedIn, TokenHolder};
use ports::tenant::{EndUser, TenantError, TenantIdentity};
use rpc::Service;
use secrecy::{ExposeSecret as _, SecretString};
use service_kit::error::ErrorCode;
use service_kit::ids::{EndUserId, ProjectId, TokenId, UserId};
use std::sync::Arc;

const USER: &str = "usr_00000000000000000000000000000001";
const TOKEN: &str = "tok_00000000000000000000000000000002";
const PROJECT: &str = "prj_00000000000000000000000000000003";
const END_USER: &str = "eus_00000000000000000000000000000004";

fn account() -> Account {
    Account {
        user: UserId::parse(USER).unwrap(),
        email: "ada@example.com".to_owned(),
        name: "Ada".to_owned(),
        is_instance_admin: true,
    }
}

fn holder() -> TokenHolder {
    let scopes = ["functions:read", "*:read"].into_iter().filter_map(Scope::parse).collect::<ScopeSet>();
    TokenHolder { token: TokenId::parse(TOKEN).unwrap(), user: account().user, scopes }
}

fn refused(code: ErrorCode, message: &str) -> IdentityError {
    IdentityError::Refused { code, message: message.to_owned() }
}

/// One account, one session, one token.
pub(crate) struct FakeIdentity;

#[async_trait]
impl DeveloperIdentity for FakeIdentity {
    async fn session_user(&self, token: &SecretString) -> Result<Option<UserId>, IdentityError> {
        match token.expose_secret() {
            "session" => Ok(Some(account().user)),
            "broken" => Err(IdentityError::Unavailable("no disk".into())),
            _ => Ok(None),
        }
    }

    async fn token_holder(&self, token: &SecretString) -> Result<Option<TokenHolder>, IdentityError> {
        Ok((token.expose_secret() == "bb_good").then(holder))
    }

    async fn accounts(&self, users: &[UserId]) -> Result<Vec<Account>, IdentityError> {
        Ok(users.iter().filter(|user| user.as_str() == USER).map(|_| account()).collect())
    }

    async fn account_by_email(&self, email: &str) -> Result<Option<Account>, IdentityError> {
        match email {
            "ada@example.com" => Ok(Some(account())),
            "no address" => Err(refused(ErrorCode::InvalidRequest, "this is no e-mail address")),
            _ => Ok(None),
        }
    }

    async fn register(&self, new: NewAccount) -> Result<SignedIn, IdentityError> {
        if new.password.expose_secret().len() < 8 {
            return Err(refused(ErrorCode::WeakPassword, "too short"));
        }
        let account = Account { email: new.email, name: new.name, ..account() };
        Ok(SignedIn { account, session: "new".into() })
    }

    async fn log_in(&self, _email: &str, password: &SecretString) -> Result<SignedIn, IdentityError> {
        match password.expose_secret() {
            "right" => Ok(SignedIn { account: account(), session: "session".into() }),
            "busy" => Err(refused(ErrorCode::Overloaded, "try again")),
            _ => Err(refused(ErrorCode::InvalidCredentials, "e-mail or password is wrong")),
        }
    }
}

#[async_trait]
impl TenantIdentity for FakeIdentity {
    async fn verify(
        &self,
        project: &ProjectId,
        token: &SecretString,
    ) -> Result<Option<Arc<EndUser>>, TenantError> {
        let claims = serde_json::json!({ "n": 1, "deep": { "a": [null, true] } });
        let user =
            EndUser { id: EndUserId::parse(END_USER).unwrap(), claims: claims.as_object().unwrap().clone() };
        match token.expose_secret() {
            "jwt" if project.as_str() == PROJECT => Ok(Some(Arc::new(user))),
            "broken" => Err(TenantError("no store".into())),
            _ => Ok(None),
        }
    }
}

async fn looks_up(identity: &dyn DeveloperIdentity) {
    let token = |text: &str| SecretString::from(text);
    // The second answer comes from the client's cache.
    for _ in 0..2 {
        assert_eq!(identity.session_user(&token("session")).await.unwrap(), Some(account().user));
        assert_eq!(identity.token_holder(&token("bb_good")).await.unwrap(), Some(holder()));
    }
    assert_eq!(identity.session_user(&token("other")).await.unwrap(), None);
    assert_eq!(identity.token_holder(&token("session")).await.unwrap(), None);
    let broken = identity.session_user(&token("broken")).await;
    assert!(matches!(broken, Err(IdentityError::Unavailable(_))));
    let users = [UserId::generate(), account().user];
    assert_eq!(identity.accounts(&users).await.unwrap(), [account()]);
    assert_eq!(identity.account_by_email("ada@example.com").await.unwrap(), Some(account()));
    assert_eq!(identity.account_by_email("bob@example.com").await.unwrap(), None);
    let malformed = identity.account_by_email("no address").await.unwrap_err();
    assert!(matches!(malformed, IdentityError::Refused { code: ErrorCode::InvalidRequest, .. }));
}

async fn signs_in(identity: &dyn DeveloperIdentity) {
    let new = |password: &str| NewAccount {
        email: "bob@example.com".to_owned(),
        password: password.into(),
        name: "Bob".to_owned(),
    };
    let made = identity.register(new("long enough")).await.unwrap();
    assert_eq!((made.account.name.as_str(), made.session.expose_secret()), ("Bob", "new"));
    let weak = identity.register(new("short")).await.unwrap_err();
    assert!(matches!(weak, IdentityError::Refused { code: ErrorCode::WeakPassword, .. }));
    let signed_in = identity.log_in("ada@example.com", &"right".into()).await.unwrap();
    assert_eq!((signed_in.account, signed_in.session.expose_secret()), (account(), "session"));
    for (password, expected) in [("wrong", ErrorCode::InvalidCredentials), ("busy", ErrorCode::Overloaded)] {
        let error = identity.log_in("ada@example.com", &password.into()).await.unwrap_err();
        assert!(matches!(error, IdentityError::Refused { code, .. } if code == expected), "{error:?}");
    }
}

#[tokio::test]
async fn developers_are_the_same_on_both_sides() {
    let process = Process::start(|server| server.developer_identity(Arc::new(FakeIdentity))).await;
    let client = process.clients(Service::Platform).developer_identity().unwrap();
    for identity in [&FakeIdentity as &dyn DeveloperIdentity, &client] {
        looks_up(identity).await;
        signs_in(identity).await;
    }
}

#[tokio::test]
async fn end_users_are_the_same_on_both_sides() {
    let process = Process::start(|server| server.tenant_identity(Arc::new(FakeIdentity))).await;
    let client = process.clients(Service::Platform).tenant_identity().unwrap();
    let project = ProjectId::parse(PROJECT).unwrap();
    let expected = FakeIdentity.verify(&project, &"jwt".into()).await.unwrap();
    assert!(expected.is_some());
    for identity in [&FakeIdentity as &dyn TenantIdentity, &client] {
        for _ in 0..2 {
            assert_eq!(identity.verify(&project, &"jwt".into()).await.unwrap(), expected);
        }
        assert_eq!(identity.verify(&ProjectId::generate(), &"jwt".into()).await.unwrap(), None);
        assert_eq!(identity.verify(&project, &"forged".into()).await.unwrap(), None);
        assert!(identity.verify(&project, &"broken".into()).await.is_err());
    }
}
