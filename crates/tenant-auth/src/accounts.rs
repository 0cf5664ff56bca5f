//! Registering, signing in, signing out, changing the password. What must hold: registering with an
//! address that has an account never changes that account; an attempt on an unknown account does the same
//! work and gets the same answer as one on a known account.

use crate::error::TenantAuthError;
use crate::events::Happened;
use crate::limits::Visitor;
use crate::mails::Reason;
use crate::metrics;
use crate::project_config::{ProjectConfig, Registration};
use crate::service::TenantAuthService;
use crate::sessions::SignedIn;
use crate::standing::Live;
use crate::store::{Pending, Session, Store, User};
use credentials::{Email, Password};
use secrecy::SecretString;
use service_kit::ids::{EndUserId, ProjectId};

/// Characters of a user's name.
const NAME_CHARS_MAX: usize = 100;
/// How often making a user is tried again after another was counted first.
const TRIES_MAX: usize = 100;

/// What somebody who wants an account tells.
pub(crate) struct Applicant {
    pub(crate) email: String,
    pub(crate) password: Password,
    pub(crate) name: Option<String>,
}

/// What became of it.
pub(crate) enum Registered {
    /// The account is there and signed in.
    SignedIn(Box<SignedIn>),
    /// A mail says how to go on; the same whether the address had an account or not.
    MailSent,
}

impl TenantAuthService {
    /// Makes an account where the project is open to registration.
    pub(crate) async fn register(
        &self,
        visitor: &Visitor,
        applicant: Applicant,
    ) -> Result<Registered, TenantAuthError> {
        let project = &visitor.project;
        let config = self.config(project).await?;
        if config.registration == Registration::Closed {
            return Err(TenantAuthError::RegistrationClosed);
        }
        self.limits.account(visitor, &applicant.email)?;
        if config.require_verified_email {
            self.limits.mail(project, &applicant.email)?;
        }
        let mut user = new_user(&Email::parse(&applicant.email)?, self.clock.now_ms());
        user.name = applicant.name.as_deref().map(display_name).transpose()?;
        applicant.password.check_new(config.password_min_length as usize)?;
        user.password_hash = Some(self.hasher.hash(&applicant.password).await?);
        self.store.prepare(project).await?;
        // Before the account: without keys nobody can be signed in.
        self.keyring.needed(project).await?;
        if config.require_verified_email {
            self.register_unverified(project, &config, user).await?;
            return Ok(Registered::MailSent);
        }
        self.create_user(project, &user, None).await?;
        let signed_in = self.open_session(project, &config, user).await?;
        self.limits.signed_in(visitor, &applicant.email);
        Ok(Registered::SignedIn(Box::new(signed_in)))
    }

    /// Either way one change is committed and one mail goes out. An account that is there, verified or
    /// not, is left alone: its owner gets a link to set a password, which whoever made the account
    /// before them does not know.
    async fn register_unverified(
        &self,
        project: &ProjectId,
        config: &ProjectConfig,
        user: User,
    ) -> Result<(), TenantAuthError> {
        let (letter, link) = self.new_link(project, &user, Reason::Verify).await?;
        match self.create_user(project, &user, Some(link)).await {
            Ok(()) => self.send_link(project, config, letter),
            Err(TenantAuthError::AccountExists) => {
                let owner = self.store.user_by_email(project, &Email::parse(&user.email)?).await?;
                self.offer_link(project, config, owner.map(|kept| kept.value), Reason::RegisteredAgain)
                    .await?;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Stores a new user and counts it, together with `link` where one goes out.
    pub(crate) async fn create_user(
        &self,
        project: &ProjectId,
        user: &User,
        link: Option<(crate::store::Link, Option<u64>)>,
    ) -> Result<(), TenantAuthError> {
        for _ in 0..TRIES_MAX {
            let (count, version) = self.store.user_count(project).await?;
            let limit = self.config.users_per_project_max.get();
            if u64::try_from(count).unwrap_or(0) >= limit {
                return Err(TenantAuthError::UsersLimit(limit));
            }
            let mut writes: Vec<Pending> =
                vec![Store::put_user(user, None)?, Store::put_user_count(count + 1, version)?];
            if let Some((link, version)) = &link {
                writes.push(Store::put_link(link, *version)?);
            }
            match self.store.commit(project, writes).await {
                Err(TenantAuthError::Changed) => continue,
                committed => committed?,
            }
            self.tell(project, &user.id, Happened::Created).await;
            return Ok(());
        }
        Err(TenantAuthError::Changed)
    }

    /// Signs in.
    pub(crate) async fn log_in(
        &self,
        visitor: &Visitor,
        email: &str,
        password: &Password,
    ) -> Result<SignedIn, TenantAuthError> {
        self.limits.account(visitor, email)?;
        let project = &visitor.project;
        self.store.prepare(project).await?;
        let config = self.config(project).await?;
        let known = match Email::parse(email) {
            Ok(email) => self.store.user_by_email(project, &email).await?.map(|kept| kept.value),
            Err(_) => None,
        };
        let hash = known.as_ref().and_then(|user| user.password_hash.as_deref());
        let matches = self.hasher.verify(password, hash).await?;
        let Some(user) = known.filter(|_| matches) else {
            metrics::login("refused");
            return Err(TenantAuthError::InvalidCredentials);
        };
        if user.disabled {
            return Err(TenantAuthError::AccountDisabled);
        }
        if config.require_verified_email && !user.email_verified {
            return Err(TenantAuthError::EmailNotVerified);
        }
        let signed_in = self.open_session(project, &config, user).await?;
        metrics::login("signed_in");
        self.limits.signed_in(visitor, email);
        self.tell(project, &signed_in.user.id, Happened::SignedIn).await;
        Ok(signed_in)
    }

    /// Ends the sessions of the tokens that came along, of any kind.
    pub(crate) async fn log_out(
        &self,
        project: &ProjectId,
        tokens: impl IntoIterator<Item = SecretString>,
    ) -> Result<(), TenantAuthError> {
        for token in tokens {
            if let Some(session) = self.session_of(project, &token).await? {
                self.end_session(project, &session).await?;
            }
        }
        Ok(())
    }

    /// Changes the password of somebody who is signed in; all their other sessions end.
    pub(crate) async fn change_password(
        &self,
        visitor: &Visitor,
        live: &Live,
        change: PasswordChange,
    ) -> Result<(), TenantAuthError> {
        let project = &visitor.project;
        let config = self.config(project).await?;
        change.new_password.check_new(config.password_min_length as usize)?;
        let id = &live.known.user.id;
        self.limits.account(visitor, &live.known.user.email)?;
        let user = self.store.user(project, id).await?.ok_or(TenantAuthError::TokenInvalid)?;
        let session = self.store.session(project, &live.session.id).await?;
        let session = session.ok_or(TenantAuthError::TokenInvalid)?;
        let hash = user.value.password_hash.as_deref();
        if !self.hasher.verify(&change.current_password, hash).await? {
            return Err(TenantAuthError::InvalidCredentials);
        }
        let password_hash = Some(self.hasher.hash(&change.new_password).await?);
        let (epoch, updated_at) = (user.value.epoch + 1, self.clock.now_ms());
        let changed = User { password_hash, epoch, updated_at, ..user.value };
        let kept = Session { epoch, ..session.value };
        let writes = [
            Store::put_user(&changed, Some(user.version))?,
            Store::put_session(&kept, Some(session.version))?,
        ];
        self.store.commit(project, writes).await?;
        self.standings.forget_user(project, id);
        self.standings.forget_session(project, &kept.id);
        self.tell(project, id, Happened::PasswordChanged).await;
        Ok(())
    }
}

/// The old and the new password.
pub(crate) struct PasswordChange {
    pub(crate) current_password: Password,
    pub(crate) new_password: Password,
}

/// A user with nothing but an address.
pub(crate) fn new_user(email: &Email, now: i64) -> User {
    User {
        id: EndUserId::generate(),
        email: email.as_str().to_owned(),
        email_verified: false,
        name: None,
        password_hash: None,
        disabled: false,
        claims: "{}".to_owned(),
        epoch: 0,
        created_at: now,
        updated_at: now,
    }
}

/// A name as it is stored.
pub(crate) fn display_name(text: &str) -> Result<String, TenantAuthError> {
    let name = text.trim();
    let fits = (1..=NAME_CHARS_MAX).contains(&name.chars().count());
    if fits && !name.contains(char::is_control) {
        Ok(name.to_owned())
    } else {
        Err(TenantAuthError::InvalidName)
    }
}
