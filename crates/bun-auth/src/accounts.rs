//! Making accounts and signing in. What must hold: the first account is made once however many ask; an
//! attempt on an unknown account does the same work and gets the same answer as one on a known account.

use crate::config::Registration;
use crate::error::AuthError;
use crate::metrics;
use crate::service::AuthService;
use crate::store::{Account, NewAccount};
use credentials::{Email, PASSWORD_CHARS_MIN, Password};
use secrecy::SecretString;
use service_kit::clock::now_ms;
use service_kit::ids::UserId;
use std::sync::atomic::Ordering;

/// Characters of an account's name.
const NAME_CHARS_MAX: usize = 100;

/// What somebody who wants an account tells.
pub(crate) struct Applicant {
    pub(crate) email: String,
    pub(crate) password: Password,
    pub(crate) name: String,
}

/// An account with a new session.
pub(crate) struct SignedIn {
    pub(crate) account: Account,
    pub(crate) token: SecretString,
}

impl AuthService {
    /// Makes the first account, an administrator's. Once.
    pub(crate) async fn set_up(&self, applicant: Applicant) -> Result<SignedIn, AuthError> {
        let _turn = self.setup_turn.lock().await;
        if self.is_set_up() {
            return Err(AuthError::SetupDone);
        }
        let new = self.new_account(applicant).await?;
        let created = self.store.create_first_account(new).await?;
        self.set_up.store(true, Ordering::Release);
        self.enter(created.ok_or(AuthError::SetupDone)?).await
    }

    /// Makes an account where registration is open.
    pub(crate) async fn register(&self, applicant: Applicant) -> Result<SignedIn, AuthError> {
        if !self.is_set_up() || self.config.registration != Registration::Open {
            return Err(AuthError::RegistrationClosed);
        }
        self.limits.account(&Email::normal(&applicant.email))?;
        let new = self.new_account(applicant).await?;
        let created = self.store.create_account(new).await?;
        self.enter(created.ok_or(AuthError::AccountExists)?).await
    }

    /// Signs in.
    pub(crate) async fn log_in(&self, email: &str, password: &Password) -> Result<SignedIn, AuthError> {
        self.limits.account(&Email::normal(email))?;
        let known = match Email::parse(email) {
            Ok(email) => self.store.account_by_email(&email).await?,
            Err(_) => None,
        };
        let hash = known.as_ref().map(|known| known.password_hash.as_str());
        let matches = self.hasher.verify(password, hash).await?;
        match known.filter(|_| matches) {
            Some(known) => {
                metrics::login("signed_in");
                self.enter(known.account).await
            }
            None => {
                metrics::login("refused");
                Err(AuthError::InvalidCredentials)
            }
        }
    }

    /// The account of somebody who is signed in.
    pub(crate) async fn account(&self, user: &UserId) -> Result<Account, AuthError> {
        self.store.account(user).await?.ok_or(AuthError::SignedOut)
    }

    async fn new_account(&self, applicant: Applicant) -> Result<NewAccount, AuthError> {
        let email = Email::parse(&applicant.email)?;
        let name = display_name(&applicant.name)?;
        applicant.password.check_new(PASSWORD_CHARS_MIN)?;
        let password_hash = self.hasher.hash(&applicant.password).await?;
        Ok(NewAccount { id: UserId::generate(), email, name, password_hash, created_at: now_ms() })
    }

    async fn enter(&self, account: Account) -> Result<SignedIn, AuthError> {
        let token = self.sessions.open(&self.store, &account.id).await?;
        tracing::info!(account = %account.id, "signed in");
        Ok(SignedIn { account, token })
    }
}

fn display_name(text: &str) -> Result<String, AuthError> {
    let name = text.trim();
    let fits = (1..=NAME_CHARS_MAX).contains(&name.chars().count());
    if fits && !name.contains(char::is_control) { Ok(name.to_owned()) } else { Err(AuthError::InvalidName) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AuthConfig;
    use sql::{Database, Durability};
    use std::sync::Arc;

    async fn service(directory: &tempfile::TempDir) -> Arc<AuthService> {
        let database = Database::open(&directory.path().join("control.db"), Durability::Full).await.unwrap();
        AuthService::start(AuthConfig::default(), database).await.unwrap()
    }

    fn password(text: &str) -> Password {
        serde_json::from_value(text.into()).unwrap()
    }

    async fn refused(service: &AuthService, email: &str) -> (u64, String) {
        let before = service.hasher.operations();
        let error = service.log_in(email, &password("wrong password")).await.err().unwrap();
        (service.hasher.operations() - before, format!("{error:?}: {error}"))
    }

    #[tokio::test]
    async fn unknown_known_and_malformed_accounts_cost_and_answer_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let service = service(&directory).await;
        let applicant = Applicant {
            email: "ada@example.com".into(),
            password: password("correct horse"),
            name: "Ada".into(),
        };
        service.set_up(applicant).await.unwrap();
        let known = refused(&service, "ada@example.com").await;
        assert_eq!(known.0, 1);
        assert_eq!(refused(&service, "nobody@example.com").await, known);
        assert_eq!(refused(&service, "no address").await, known);
        assert!(service.log_in(" ADA@example.com", &password("correct horse")).await.is_ok());
    }

    #[test]
    fn names_are_trimmed_printable_and_short() {
        assert_eq!(display_name(" Ada Lovelace ").unwrap(), "Ada Lovelace");
        assert_eq!(display_name("日本").unwrap(), "日本");
        for text in ["", "  ", "a\0b", "a\nb", &"x".repeat(101)] {
            assert!(display_name(text).is_err(), "{text:?}");
        }
    }
}
