//! Registration where it is open. Where mail reaches people, the answer is the same whether there is an
//! account or not, and an account is made only by whoever can read the address's mail.

use crate::accounts::{Applicant, SignedIn};
use crate::client::Client;
use crate::config::Registration;
use crate::error::AuthError;
use crate::mailed::Wish;
use crate::service::AuthService;
use crate::store::NewAccount;
use credentials::Email;
use secrecy::SecretString;
use service_kit::ids::UserId;
use service_kit::secret::TokenHash;

/// What became of a registration. No `Debug`.
pub(crate) enum Outcome {
    /// The account was made.
    Made(SignedIn),
    /// A mail says how to go on.
    Mailed,
}

impl AuthService {
    /// Makes an account where registration is open, or sends the link that makes it.
    pub(crate) async fn register(&self, applicant: Applicant, client: &Client) -> Result<Outcome, AuthError> {
        self.is_open()?;
        let new = self.new_account(applicant).await?;
        if self.mailer.delivers() {
            self.wish(Wish::Register(Box::new(new)))?;
            return Ok(Outcome::Mailed);
        }
        Ok(Outcome::Made(self.create(new, client).await?))
    }

    /// Makes the account that a link stands for. Once.
    pub(crate) async fn confirm_registration(
        &self,
        token: &SecretString,
        client: &Client,
    ) -> Result<SignedIn, AuthError> {
        self.is_open()?;
        let now = self.clock.now_ms();
        let registered = self.store.use_registration(&TokenHash::of(token), now).await?;
        let registered = registered.ok_or(AuthError::LinkInvalid)?;
        let new = NewAccount {
            id: UserId::generate(),
            email: Email::parse(&registered.email)?,
            name: registered.name,
            password_hash: registered.password_hash,
            created_at: now,
        };
        self.create(new, client).await
    }

    fn is_open(&self) -> Result<(), AuthError> {
        match self.config.registration {
            Registration::Open if self.is_set_up() => Ok(()),
            Registration::Invite if self.is_set_up() => Err(AuthError::InvitationNeeded),
            Registration::Open | Registration::Invite | Registration::Closed => {
                Err(AuthError::RegistrationClosed)
            }
        }
    }
}
