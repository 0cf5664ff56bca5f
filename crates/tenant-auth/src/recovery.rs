//! Links: to verify an address, to set a new password. What must hold: a link works once, however many
//! try at the same time, and only while the user has the address that it was sent to; a wish for an
//! unknown address does the same work and gets the same answer as one for a known address.

use crate::error::TenantAuthError;
use crate::events::Happened;
use crate::limits::Visitor;
use crate::mails::{Letter, Reason};
use crate::project_config::ProjectConfig;
use crate::service::TenantAuthService;
use crate::store::{Kept, Link, Store, User};
use crate::tokens::{LinkBinding, Purpose, link_user};
use credentials::{Email, Password};
use service_kit::ids::ProjectId;
use service_kit::secret::NoRandomness;

const HOUR_MS: i64 = 60 * 60 * 1000;
/// How often a change is tried again after another came first.
const TRIES_MAX: usize = 8;

impl Purpose {
    /// How long its links work.
    fn life_ms(self) -> i64 {
        match self {
            Self::VerifyEmail => 24 * HOUR_MS,
            Self::ResetPassword => HOUR_MS,
        }
    }
}

/// A link that works now, and its user.
struct Usable {
    link: Kept<Link>,
    user: Kept<User>,
}

impl TenantAuthService {
    /// Sends a link to the owner of an address, where there is one.
    pub(crate) async fn ask_for_link(
        &self,
        visitor: &Visitor,
        email: &str,
        reason: Reason,
    ) -> Result<(), TenantAuthError> {
        let project = &visitor.project;
        self.limits.mail(project, email)?;
        let email = Email::parse(email)?;
        self.store.prepare(project).await?;
        let config = self.config(project).await?;
        let user = self.store.user_by_email(project, &email).await?.map(|kept| kept.value);
        let wanted = user.filter(|user| reason != Reason::Verify || !user.email_verified);
        self.offer_link(project, &config, wanted, reason).await
    }

    /// Writes down a link and sends it to `user`; without one the same is done for nobody.
    pub(crate) async fn offer_link(
        &self,
        project: &ProjectId,
        config: &ProjectConfig,
        user: Option<User>,
        reason: Reason,
    ) -> Result<(), TenantAuthError> {
        let Some(user) = user else {
            let link = Link::new(None, reason.purpose(), nonce()?, 0);
            self.keyring.needed(project).await?;
            self.store.link(project, None, reason.purpose()).await?;
            return self.store.commit(project, [Store::put_link(&link, None)?]).await;
        };
        for _ in 0..TRIES_MAX {
            let (letter, (link, version)) = self.new_link(project, &user, reason).await?;
            match self.store.commit(project, [Store::put_link(&link, version)?]).await {
                Err(TenantAuthError::Changed) => continue,
                committed => committed?,
            }
            self.send_link(project, config, letter);
            return Ok(());
        }
        Err(TenantAuthError::Changed)
    }

    /// A link, not yet stored, and the mail that carries it. While the link before has half of its life
    /// left it is sent again, so that nobody can make links useless by asking for others.
    pub(crate) async fn new_link(
        &self,
        project: &ProjectId,
        user: &User,
        reason: Reason,
    ) -> Result<(Letter, (Link, Option<u64>)), TenantAuthError> {
        let purpose = reason.purpose();
        let keys = self.keyring.needed(project).await?;
        let before = self.store.link(project, Some(&user.id), purpose).await?;
        let version = before.as_ref().map(|kept| kept.version);
        let now = self.clock.now_ms();
        let lasting = before
            .map(|kept| kept.value)
            .filter(|link| link.email == user.email && link.expires_at - now > purpose.life_ms() / 2);
        let link = match lasting {
            Some(link) => link,
            None => Link::new(Some(user), purpose, nonce()?, now + purpose.life_ms()),
        };
        let binding = LinkBinding { nonce: &link.nonce, email: &link.email };
        let token = keys.tokens.link(purpose, &user.id, binding);
        Ok((Letter { to: user.email.clone(), reason, token }, (link, version)))
    }

    /// Verifies the address that a link was sent to.
    pub(crate) async fn verify_email(&self, project: &ProjectId, token: &str) -> Result<(), TenantAuthError> {
        for _ in 0..TRIES_MAX {
            let usable = self.usable(project, token, Purpose::VerifyEmail).await?;
            let user = User { email_verified: true, ..usable.user.value.clone() };
            match self.use_up(project, &usable, user).await {
                Err(TenantAuthError::Changed) => continue,
                used => used?,
            }
            self.tell(project, &usable.user.value.id, Happened::EmailVerified).await;
            return Ok(());
        }
        Err(TenantAuthError::LinkInvalid)
    }

    /// Sets a new password. All sessions end, and the address counts as verified: the link was sent there.
    pub(crate) async fn reset_password(
        &self,
        project: &ProjectId,
        token: &str,
        password: &Password,
    ) -> Result<(), TenantAuthError> {
        let config = self.config(project).await?;
        password.check_new(config.password_min_length as usize)?;
        self.usable(project, token, Purpose::ResetPassword).await?;
        let hash = self.hasher.hash(password).await?;
        for _ in 0..TRIES_MAX {
            let usable = self.usable(project, token, Purpose::ResetPassword).await?;
            let before = usable.user.value.clone();
            let (password_hash, epoch) = (Some(hash.clone()), before.epoch + 1);
            let user = User { password_hash, epoch, email_verified: true, ..before };
            match self.use_up(project, &usable, user).await {
                Err(TenantAuthError::Changed) => continue,
                used => used?,
            }
            self.tell(project, &usable.user.value.id, Happened::PasswordChanged).await;
            return Ok(());
        }
        Err(TenantAuthError::LinkInvalid)
    }

    /// The link of a token, where it works.
    async fn usable(
        &self,
        project: &ProjectId,
        token: &str,
        purpose: Purpose,
    ) -> Result<Usable, TenantAuthError> {
        let id = link_user(token).ok_or(TenantAuthError::LinkInvalid)?;
        let keys = self.keyring.known(project).await?.ok_or(TenantAuthError::LinkInvalid)?;
        let link = self.store.link(project, Some(&id), purpose).await?.ok_or(TenantAuthError::LinkInvalid)?;
        let user = self.store.user(project, &id).await?.ok_or(TenantAuthError::LinkInvalid)?;
        let binding = LinkBinding { nonce: &link.value.nonce, email: &link.value.email };
        let works = keys.tokens.is_link(token, purpose, &id, binding)
            && link.value.email == user.value.email
            && link.value.expires_at > self.clock.now_ms();
        if works { Ok(Usable { link, user }) } else { Err(TenantAuthError::LinkInvalid) }
    }

    /// Removes the link and changes the user, both or neither.
    async fn use_up(
        &self,
        project: &ProjectId,
        usable: &Usable,
        mut user: User,
    ) -> Result<(), TenantAuthError> {
        user.updated_at = self.clock.now_ms();
        let writes = [Store::use_link(&usable.link), Store::put_user(&user, Some(usable.user.version))?];
        self.store.commit(project, writes).await?;
        self.standings.forget_user(project, &user.id);
        Ok(())
    }
}

fn nonce() -> Result<String, TenantAuthError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(hex::encode(bytes))
}
