//! What is answered by mail: links that set a password or make an account. Done in the background, one
//! after the other, so that neither the answer nor its time says whether there is an account. What must
//! hold: the queue is bounded; a link leads to the address of the settings, whatever a request claims; the
//! token stands behind `#`, so that it reaches no server's log.

use crate::error::AuthError;
use crate::metrics;
use crate::random_text;
use crate::service::AuthService;
use crate::store::{Account, NewAccount, NewRegistration, NewReset};
use credentials::Email;
use mail::Mail;
use secrecy::{ExposeSecret, SecretString};
use service_kit::secret::TokenHash;
use std::sync::Arc;
use tokio::sync::mpsc::Receiver;

/// Wishes that may wait; over it comes `overloaded`.
pub(crate) const WAITING_MAX: usize = 1000;
/// How long a link can be used: one hour.
const LINK_MS: i64 = 60 * 60 * 1000;

/// What somebody wants that is answered by mail. No `Debug`.
pub(crate) enum Wish {
    /// A link that sets a new password.
    Reset(Email),
    /// A link that makes this account.
    Register(Box<NewAccount>),
}

impl Wish {
    fn email(&self) -> &Email {
        match self {
            Self::Reset(email) => email,
            Self::Register(new) => &new.email,
        }
    }
}

impl AuthService {
    /// Asks for a link that sets a new password. An address that is none is an unknown one.
    pub(crate) fn forgot_password(&self, email: &str) -> Result<(), AuthError> {
        match Email::parse(email) {
            Ok(email) => self.wish(Wish::Reset(email)),
            Err(_) => Ok(()),
        }
    }

    /// Puts a wish into the queue; never waits.
    pub(crate) fn wish(&self, wish: Wish) -> Result<(), AuthError> {
        self.wishes.try_send(wish).map_err(|_| AuthError::MailQueueFull)
    }

    async fn fulfil(&self, wish: Wish) -> Result<(), AuthError> {
        if self.mails.count(wish.email()).is_err() {
            metrics::rate_limited("mail");
            return Ok(());
        }
        let known = self.store.account_by_email(wish.email()).await?.map(|known| known.account);
        match (wish, known) {
            (Wish::Reset(_), None) => Ok(()),
            (Wish::Reset(_), Some(account)) => self.send_reset(account).await,
            (Wish::Register(_), Some(account)) => {
                self.send(account.email, EXISTS_SUBJECT, exists_text(&self.public_url));
                Ok(())
            }
            (Wish::Register(new), None) => self.send_confirmation(&new).await,
        }
    }

    async fn send_reset(&self, account: Account) -> Result<(), AuthError> {
        let token = random_text::generate("")?;
        let expires_at = self.clock.now_ms() + LINK_MS;
        let token_hash = TokenHash::of(&token);
        self.store.create_reset(&NewReset { token_hash, account: &account.id, expires_at }).await?;
        self.send(account.email, RESET_SUBJECT, reset_text(&self.link("reset_password", &token)));
        Ok(())
    }

    async fn send_confirmation(&self, new: &NewAccount) -> Result<(), AuthError> {
        let token = random_text::generate("")?;
        let registration = NewRegistration {
            token_hash: TokenHash::of(&token),
            email: new.email.as_str(),
            name: &new.name,
            password_hash: &new.password_hash,
            expires_at: self.clock.now_ms() + LINK_MS,
        };
        if self.store.create_registration(&registration).await? {
            let link = self.link("confirm_registration", &token);
            self.send(new.email.as_str().to_owned(), CONFIRM_SUBJECT, confirm_text(&link));
        } else {
            tracing::error!(
                "too many registrations wait to be confirmed, one was dropped: is this an attack?"
            );
        }
        Ok(())
    }

    fn link(&self, mode: &str, token: &SecretString) -> String {
        format!("{}/auth/action#mode={mode}&token={}", self.public_url, token.expose_secret())
    }

    /// A mail that is not taken is logged and told to nobody: the answer would say whether there is an
    /// account.
    fn send(&self, to: String, subject: &str, text: String) {
        if let Err(error) = self.mailer.send(Mail::text(to, subject, text)) {
            tracing::warn!(%error, "a mail to an account was not taken");
        }
    }
}

/// Fulfils wishes until draining began and the queue is empty.
pub(crate) async fn run(service: Arc<AuthService>, mut wishes: Receiver<Wish>) {
    let _work = service.drain.work();
    loop {
        let wish = tokio::select! {
            wish = wishes.recv() => wish,
            () = service.drain.started(), if !wishes.is_closed() => {
                wishes.close();
                continue;
            }
        };
        let Some(wish) = wish else { return };
        if let Err(error) = service.fulfil(wish).await {
            tracing::warn!(%error, "a link could not be sent");
        }
    }
}

const RESET_SUBJECT: &str = "Set a new password";
const CONFIRM_SUBJECT: &str = "Confirm your e-mail address";
const EXISTS_SUBJECT: &str = "You have an account already";

fn reset_text(link: &str) -> String {
    format!(
        "Somebody asked for a new password for your BunBase account. If it was you, open this link within \
         one hour:\n\n{link}\n\nIt works once. If it was not you, ignore this mail: nothing has changed.\n"
    )
}

fn confirm_text(link: &str) -> String {
    format!(
        "Somebody wants to make a BunBase account with this e-mail address. If it was you, open this link \
         within one hour:\n\n{link}\n\nIt works once. If it was not you, ignore this mail: there will be no \
         account.\n"
    )
}

fn exists_text(public_url: &str) -> String {
    format!(
        "Somebody wanted to make a BunBase account with this e-mail address, which has one already. If it \
         was you, sign in at {public_url}, or ask for a new password there. If it was not you, ignore this \
         mail: nothing has changed.\n"
    )
}
