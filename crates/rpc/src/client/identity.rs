//! `DeveloperIdentity` of another process.

use crate::MESSAGE_BYTES_MAX;
use crate::cache::{Answers, Question, QuestionBuilder};
use crate::proto::developer_identity_client::DeveloperIdentityClient as Wire;
use crate::proto::{
    AccountByEmailRequest, AccountsRequest, ApiToken, LoginRequest, RegisterRequest, SessionToken,
};
use crate::remote::{Remote, Signed};
use crate::status::from_status;
use crate::wire::identity;
use async_trait::async_trait;
use ports::identity::{Account, DeveloperIdentity, IdentityError, NewAccount, SignedIn, TokenHolder};
use secrecy::{ExposeSecret as _, SecretString};
use service_kit::ids::UserId;
use std::time::{Duration, Instant};

/// How long the user of a valid session or token is given again.
const KEPT_FOR: Duration = Duration::from_millis(500);

/// Asks bun-auth; users of valid sessions and tokens are kept for half a second.
pub struct DeveloperIdentityClient {
    remote: Remote,
    wire: Wire<Signed>,
    sessions: Answers<UserId>,
    tokens: Answers<TokenHolder>,
}

impl DeveloperIdentityClient {
    pub(crate) fn new(remote: Remote) -> Self {
        let wire = Wire::new(remote.channel()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        Self { remote, wire, sessions: Answers::new(KEPT_FOR), tokens: Answers::new(KEPT_FOR) }
    }
}

fn question(token: &SecretString) -> Question {
    QuestionBuilder::default().part(Some(token.expose_secret().as_bytes())).finish()
}

#[async_trait]
impl DeveloperIdentity for DeveloperIdentityClient {
    async fn session_user(&self, token: &SecretString) -> Result<Option<UserId>, IdentityError> {
        let question = question(token);
        if let Some(user) = self.sessions.get(&question) {
            return Ok(Some(user));
        }
        let asked = Instant::now();
        let mut wire = self.wire.clone();
        let reply =
            self.remote.call(wire.verify(SessionToken { token: token.expose_secret().to_owned() })).await;
        let user = reply.and_then(|reply| reply.user.as_deref().map(identity::get_user).transpose());
        let user = user.map_err(from_status::<IdentityError>)?;
        if let Some(user) = &user {
            self.sessions.put(question, asked, user.clone());
        }
        Ok(user)
    }

    async fn token_holder(&self, token: &SecretString) -> Result<Option<TokenHolder>, IdentityError> {
        let question = question(token);
        if let Some(holder) = self.tokens.get(&question) {
            return Ok(Some(holder));
        }
        let asked = Instant::now();
        let mut wire = self.wire.clone();
        let reply =
            self.remote.call(wire.verify_token(ApiToken { token: token.expose_secret().to_owned() })).await;
        let holder = reply.and_then(identity::get_holder).map_err(from_status::<IdentityError>)?;
        if let Some(holder) = &holder {
            self.tokens.put(question, asked, holder.clone());
        }
        Ok(holder)
    }

    async fn accounts(&self, users: &[UserId]) -> Result<Vec<Account>, IdentityError> {
        let message = AccountsRequest { users: users.iter().map(ToString::to_string).collect() };
        let mut wire = self.wire.clone();
        self.remote.call(wire.accounts(message)).await.and_then(identity::get_accounts).map_err(from_status)
    }

    async fn account_by_email(&self, email: &str) -> Result<Option<Account>, IdentityError> {
        let message = AccountByEmailRequest { email: email.to_owned() };
        let mut wire = self.wire.clone();
        let reply = self.remote.call(wire.account_by_email(message)).await;
        reply
            .and_then(identity::get_accounts)
            .map(|accounts| accounts.into_iter().next())
            .map_err(from_status)
    }

    async fn register(&self, account: NewAccount) -> Result<SignedIn, IdentityError> {
        let password = account.password.expose_secret().to_owned();
        let message = RegisterRequest { email: account.email, password, name: account.name };
        let mut wire = self.wire.clone();
        self.remote.call(wire.register(message)).await.and_then(identity::get_signed_in).map_err(from_status)
    }

    async fn log_in(&self, email: &str, password: &SecretString) -> Result<SignedIn, IdentityError> {
        let password = password.expose_secret().to_owned();
        let message = LoginRequest { email: email.to_owned(), password };
        let mut wire = self.wire.clone();
        self.remote.call(wire.login(message)).await.and_then(identity::get_signed_in).map_err(from_status)
    }
}
