//! Making accounts and changing what they show. What must hold: the first account is made once however many
//! ask.

use crate::client::Client;
use crate::error::AuthError;
use crate::events::AccountEvent;
use crate::service::AuthService;
use crate::sessions::Entering;
use crate::store::{Account, NewAccount};
use credentials::{Email, PASSWORD_CHARS_MIN, Password};
use secrecy::SecretString;
use service_kit::ids::UserId;
use std::sync::atomic::Ordering;

/// Characters of a name.
const NAME_CHARS_MAX: usize = 100;

/// What somebody who wants an account tells.
pub(crate) struct Applicant {
    pub(crate) email: String,
    pub(crate) password: Password,
    pub(crate) name: String,
}

/// An account with a new session. No `Debug`.
pub(crate) struct SignedIn {
    pub(crate) account: Account,
    pub(crate) token: SecretString,
}

impl AuthService {
    /// Makes the first account, an administrator's. Once.
    pub(crate) async fn set_up(&self, applicant: Applicant, client: &Client) -> Result<SignedIn, AuthError> {
        let _turn = self.setup_turn.lock().await;
        if self.is_set_up() {
            return Err(AuthError::SetupDone);
        }
        let new = self.new_account(applicant).await?;
        let password_hash = new.password_hash.clone();
        let created = self.store.create_first_account(new).await?;
        self.set_up.store(true, Ordering::Release);
        self.begin(created.ok_or(AuthError::SetupDone)?, &password_hash, client).await
    }

    /// Makes an account, whoever asked for it, and opens a session.
    pub(crate) async fn create(&self, new: NewAccount, client: &Client) -> Result<SignedIn, AuthError> {
        let password_hash = new.password_hash.clone();
        let created = self.store.create_account(new).await?;
        self.begin(created.ok_or(AuthError::AccountExists)?, &password_hash, client).await
    }

    /// The account of somebody who is signed in.
    pub(crate) async fn account(&self, user: &UserId) -> Result<Account, AuthError> {
        self.store.account(user).await?.ok_or(AuthError::SignedOut)
    }

    /// Gives an account another name.
    pub(crate) async fn rename(&self, user: &UserId, name: &str) -> Result<Account, AuthError> {
        self.store.rename(user, &display_name(name)?).await?.ok_or(AuthError::SignedOut)
    }

    /// Checks what an applicant told, and hashes the password.
    pub(crate) async fn new_account(&self, applicant: Applicant) -> Result<NewAccount, AuthError> {
        let email = Email::parse(&applicant.email)?;
        let name = display_name(&applicant.name)?;
        applicant.password.check_new(PASSWORD_CHARS_MIN)?;
        let password_hash = self.hasher.hash(&applicant.password).await?;
        let created_at = self.clock.now_ms();
        Ok(NewAccount { id: UserId::generate(), email, name, password_hash, created_at })
    }

    async fn begin(
        &self,
        account: Account,
        password_hash: &str,
        client: &Client,
    ) -> Result<SignedIn, AuthError> {
        self.publish(AccountEvent::Registered, &account.id);
        let token = self.open_session(Entering { account: &account.id, password_hash, client }).await?;
        Ok(SignedIn { account, token })
    }
}

/// A name as it is kept: trimmed, printable, short.
pub(crate) fn display_name(text: &str) -> Result<String, AuthError> {
    let name = text.trim();
    let fits = (1..=NAME_CHARS_MAX).contains(&name.chars().count());
    if fits && !name.contains(char::is_control) { Ok(name.to_owned()) } else { Err(AuthError::InvalidName) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_printable_and_short() {
        assert_eq!(display_name(" Ada Lovelace ").unwrap(), "Ada Lovelace");
        assert_eq!(display_name("日本").unwrap(), "日本");
        for text in ["", "  ", "a\0b", "a\nb", &"x".repeat(101)] {
            assert!(display_name(text).is_err(), "{text:?}");
        }
    }
}
