//! Changing a password by somebody who is signed in, and setting one anew with a link. What must hold: a
//! link is used once, however many try at once; afterwards no session of the account is left but the one
//! that made the change.

use crate::client::Client;
use crate::error::AuthError;
use crate::events::AccountEvent;
use crate::service::AuthService;
use crate::store::PasswordChange;
use credentials::{PASSWORD_CHARS_MIN, Password};
use secrecy::SecretString;
use service_kit::ids::UserId;
use service_kit::secret::TokenHash;

/// A wish for another password.
pub(crate) struct WantedPassword {
    pub(crate) current: Password,
    pub(crate) new: Password,
    /// The session that goes on.
    pub(crate) session: SecretString,
}

impl AuthService {
    /// Changes the password of somebody who knows it; all other sessions end.
    pub(crate) async fn change_password(
        &self,
        user: &UserId,
        wanted: WantedPassword,
        client: &Client,
    ) -> Result<(), AuthError> {
        wanted.new.check_new(PASSWORD_CHARS_MIN)?;
        let known = self.store.known_account(user).await?.ok_or(AuthError::SignedOut)?;
        let now = self.clock.now_ms();
        let attempt = self.limits.sign_in(known.account.email, client.address, now)?;
        match self.hasher.verify(&wanted.current, Some(&known.password_hash)).await {
            Ok(true) => attempt.succeeded(),
            Ok(false) => return Err(AuthError::WrongPassword),
            Err(error) => {
                attempt.undecided();
                return Err(error.into());
            }
        }
        let change = PasswordChange {
            account: user,
            old_hash: &known.password_hash,
            new_hash: &self.hasher.hash(&wanted.new).await?,
            kept: &TokenHash::of(&wanted.session),
        };
        let ended = self.store.change_password(&change).await?.ok_or(AuthError::WrongPassword)?;
        self.sessions.forget(&ended);
        tracing::info!(account = %user, "password changed");
        self.publish(AccountEvent::PasswordChanged, user.as_str());
        Ok(())
    }

    /// Sets a password with a link; all sessions end. The account it was.
    pub(crate) async fn reset_password(
        &self,
        token: &SecretString,
        password: &Password,
    ) -> Result<UserId, AuthError> {
        password.check_new(PASSWORD_CHARS_MIN)?;
        let hash = TokenHash::of(token);
        if !self.store.has_reset(&hash, self.clock.now_ms()).await? {
            return Err(AuthError::LinkInvalid);
        }
        let password_hash = self.hasher.hash(password).await?;
        let used = self.store.use_reset(&hash, &password_hash, self.clock.now_ms()).await?;
        let (account, ended) = used.ok_or(AuthError::LinkInvalid)?;
        self.sessions.forget(&ended);
        tracing::info!(%account, "password set with a link");
        self.publish(AccountEvent::PasswordReset, &account);
        UserId::parse(&account).map_err(|_| AuthError::Unreadable(account))
    }
}
