//! Accounts as the tests know them: the session of a developer is the name, and API tokens and end users
//! are told beforehand.

use async_trait::async_trait;
use ports::access::{Scope, ScopeSet};
use ports::identity::{Account, DeveloperIdentity, IdentityError, NewAccount, SignedIn, TokenHolder};
use ports::tenant::{EndUser, TenantError, TenantIdentity};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use service_kit::error::ErrorCode;
use service_kit::ids::{EndUserId, ProjectId, TokenId, UserId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

/// Developers who have an account from the start; `root` runs the server.
pub(crate) static DEVELOPERS: LazyLock<HashMap<&str, UserId>> =
    LazyLock::new(|| ["ada", "eve", "bob", "root"].map(|name| (name, UserId::generate())).into());

#[derive(Default)]
pub(crate) struct TestIdentity {
    made: Mutex<Vec<Account>>,
    tokens: Mutex<HashMap<String, TokenHolder>>,
    pub(crate) registrations: AtomicUsize,
}

impl TestIdentity {
    /// An API token of `name`.
    pub(crate) fn token(&self, name: &str, scopes: &[&str]) -> String {
        let text = format!("bb_{}", TokenId::generate());
        let scopes: ScopeSet = scopes.iter().map(|scope| Scope::parse(scope).unwrap()).collect();
        let holder = TokenHolder { token: TokenId::generate(), user: DEVELOPERS[name].clone(), scopes };
        self.tokens.lock().unwrap().insert(text.clone(), holder);
        text
    }

    /// Ends a token, as its time or its owner does.
    pub(crate) fn end_token(&self, text: &str) {
        self.tokens.lock().unwrap().remove(text).unwrap();
    }

    fn all(&self) -> Vec<Account> {
        let account = |(name, user): (&&str, &UserId)| Account {
            user: user.clone(),
            email: format!("{name}@example.com"),
            name: (*name).to_owned(),
            is_instance_admin: *name == "root",
        };
        let mut all: Vec<_> = DEVELOPERS.iter().map(account).collect();
        all.extend(self.made.lock().unwrap().iter().cloned());
        all
    }
}

#[async_trait]
impl DeveloperIdentity for TestIdentity {
    async fn session_user(&self, token: &SecretString) -> Result<Option<UserId>, IdentityError> {
        let found = self.all().into_iter().find(|account| account.name == token.expose_secret());
        Ok(found.map(|account| account.user))
    }

    async fn token_holder(&self, token: &SecretString) -> Result<Option<TokenHolder>, IdentityError> {
        Ok(self.tokens.lock().unwrap().get(token.expose_secret()).cloned())
    }

    async fn accounts(&self, users: &[UserId]) -> Result<Vec<Account>, IdentityError> {
        Ok(self.all().into_iter().filter(|account| users.contains(&account.user)).collect())
    }

    async fn account_by_email(&self, email: &str) -> Result<Option<Account>, IdentityError> {
        Ok(self.all().into_iter().find(|account| account.email == email))
    }

    async fn register(&self, account: NewAccount) -> Result<SignedIn, IdentityError> {
        self.registrations.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        let refused = |code, message: &str| Err(IdentityError::Refused { code, message: message.to_owned() });
        if account.password.expose_secret().len() < 8 {
            return refused(ErrorCode::WeakPassword, "`password` must have at least 8 characters");
        }
        if self.account_by_email(&account.email).await?.is_some() {
            return refused(ErrorCode::AccountExists, "the account is there already");
        }
        let NewAccount { email, name, .. } = account;
        let session = SecretString::from(name.clone());
        let account = Account { user: UserId::generate(), email, name, is_instance_admin: false };
        self.made.lock().unwrap().push(account.clone());
        Ok(SignedIn { account, session })
    }

    async fn log_in(&self, _email: &str, _password: &SecretString) -> Result<SignedIn, IdentityError> {
        Err(IdentityError::Refused { code: ErrorCode::InvalidCredentials, message: "wrong".to_owned() })
    }
}

/// End users: a token is `<project>/<user>`, and its end is noted.
#[derive(Default)]
pub(crate) struct TestEndUsers(Mutex<Vec<String>>);

impl TestEndUsers {
    /// A token of a new user of `project`.
    pub(crate) fn sign_in(&self, project: &str) -> String {
        let token = format!("{project}/{}", EndUserId::generate());
        self.0.lock().unwrap().push(token.clone());
        token
    }

    pub(crate) fn sign_out(&self, token: &str) {
        self.0.lock().unwrap().retain(|known| known != token);
    }
}

#[async_trait]
impl TenantIdentity for TestEndUsers {
    async fn verify(
        &self,
        project: &ProjectId,
        token: &SecretString,
    ) -> Result<Option<Arc<EndUser>>, TenantError> {
        let token = token.expose_secret();
        let user = token.strip_prefix(project.as_str()).and_then(|rest| rest.strip_prefix('/'));
        let known = self.0.lock().unwrap().iter().any(|known| known == token);
        Ok(user.filter(|_| known).map(|user| {
            let claims = json!({ "email": "u@example.com" }).as_object().unwrap().clone();
            Arc::new(EndUser { id: EndUserId::parse(user).unwrap(), claims })
        }))
    }
}
