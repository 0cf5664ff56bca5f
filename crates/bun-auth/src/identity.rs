//! What other services ask about developers.

use crate::accounts::{Applicant, SignedIn};
use crate::client::Client;
use crate::error::AuthError;
use crate::service::AuthService;
use crate::store::Account;
use async_trait::async_trait;
use credentials::{Email, Password};
use ports::identity::{self, DeveloperIdentity, IdentityError, NewAccount, TokenHolder};
use secrecy::SecretString;
use service_kit::error::{Classify as _, ErrorCode};
use service_kit::ids::UserId;

#[async_trait]
impl DeveloperIdentity for AuthService {
    async fn session_user(&self, token: &SecretString) -> Result<Option<UserId>, IdentityError> {
        self.session_holder(token).await.map_err(refused)
    }

    async fn token_holder(&self, token: &SecretString) -> Result<Option<TokenHolder>, IdentityError> {
        self.holder_of_token(token).await.map_err(refused)
    }

    async fn accounts(&self, users: &[UserId]) -> Result<Vec<identity::Account>, IdentityError> {
        let found = self.store.accounts(users).await.map_err(AuthError::from).map_err(refused)?;
        found.into_iter().map(|account| shown(account).map_err(refused)).collect()
    }

    async fn account_by_email(&self, email: &str) -> Result<Option<identity::Account>, IdentityError> {
        let email = Email::parse(email).map_err(AuthError::from).map_err(refused)?;
        let found = self.store.account_by_email(&email).await.map_err(AuthError::from).map_err(refused)?;
        found.map(|known| shown(known.account).map_err(refused)).transpose()
    }

    async fn register(&self, account: NewAccount) -> Result<identity::SignedIn, IdentityError> {
        self.register_vouched(account).await.and_then(signed_in).map_err(refused)
    }

    async fn log_in(
        &self,
        email: &str,
        password: &SecretString,
    ) -> Result<identity::SignedIn, IdentityError> {
        let password = Password::new(password.clone()).map_err(AuthError::from).map_err(refused)?;
        let entered = self.log_in(email, &password, &Client::default()).await;
        entered.and_then(signed_in).map_err(refused)
    }
}

impl AuthService {
    async fn register_vouched(&self, account: NewAccount) -> Result<SignedIn, AuthError> {
        // The first account is an administrator's, and made with `set_up` only.
        if !self.is_set_up() {
            return Err(AuthError::RegistrationClosed);
        }
        let NewAccount { email, password, name } = account;
        let applicant = Applicant { email, password: Password::new(password)?, name };
        let new = self.new_account(applicant).await?;
        self.create(new, &Client::default()).await
    }
}

fn shown(account: Account) -> Result<identity::Account, AuthError> {
    let Account { id, email, name, is_instance_admin, .. } = account;
    let user = UserId::parse(&id).map_err(|_| AuthError::Unreadable(id))?;
    Ok(identity::Account { user, email, name, is_instance_admin })
}

fn signed_in(entered: SignedIn) -> Result<identity::SignedIn, AuthError> {
    Ok(identity::SignedIn { account: shown(entered.account)?, session: entered.token })
}

fn refused(error: AuthError) -> IdentityError {
    match error.code() {
        ErrorCode::Internal => IdentityError::Unavailable(Box::new(error)),
        code => IdentityError::Refused { code, message: error.to_string() },
    }
}
