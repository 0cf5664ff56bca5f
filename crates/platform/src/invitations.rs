//! Inviting people into a project. An invitation is a link that lets whoever holds it, and nobody else,
//! into the project once: its token goes out by mail, and is kept here as a hash.

use crate::error::PlatformError;
use crate::members::{Member, may_name};
use crate::projects::{developer_of, project_of};
use crate::service::PlatformService;
use crate::store::{Acceptance, InvitationRow, NewInvitation, ProjectRow};
use credentials::Email;
use mail::Mail;
use ports::access::{Caller, Grant, Role};
use ports::identity::NewAccount;
use secrecy::{ExposeSecret, SecretString};
use service_kit::clock::{now_ms, rfc3339};
use service_kit::ids::{InvitationId, ProjectId, UserId};
use service_kit::secret::{TokenHash, generate};
use std::error::Error;

/// How long an invitation stays reserved for whoever is making an account with it; a stop in between
/// gives it free after that.
const CLAIM_MS: i64 = 60_000;
/// Fixed, because a name that somebody chose could be made to look like another message.
const SUBJECT: &str = "You are invited to a project on BunBase";

/// A new invitation.
pub(crate) struct Invited {
    pub(crate) invitation: InvitationRow,
    /// The link, where no mail is set up that could bring it.
    pub(crate) link: Option<SecretString>,
}

/// Somebody who opened the link of an invitation.
pub(crate) struct Guest {
    pub(crate) token: SecretString,
    /// The session that came along.
    pub(crate) session: Option<SecretString>,
    /// For the account to be made, where there is none.
    pub(crate) password: Option<SecretString>,
    pub(crate) name: Option<String>,
}

/// An accepted invitation.
pub(crate) struct Accepted {
    pub(crate) project: ProjectRow,
    pub(crate) project_id: ProjectId,
    pub(crate) account: UserId,
    /// The session, where an account was made.
    pub(crate) session: Option<SecretString>,
}

impl PlatformService {
    /// The members of a project, and the invitations that can still be accepted.
    pub(crate) async fn people(
        &self,
        grant: &Grant,
    ) -> Result<(Vec<Member>, Vec<InvitationRow>), PlatformError> {
        let invitations = self.access.store.invitations(project_of(grant)?, now_ms()).await?;
        Ok((self.list_members(grant).await?, invitations))
    }

    /// Invites an address; an older invitation to it ends.
    pub(crate) async fn invite(
        &self,
        grant: &Grant,
        email: &str,
        role: Role,
    ) -> Result<Invited, PlatformError> {
        let email = Email::parse(email)?;
        let (project, inviter) = (project_of(grant)?, developer_of(grant)?);
        if let Caller::Developer { role: Some(own), .. } = grant.caller {
            may_name(own, role)?;
        }
        self.invitations.count(inviter)?;
        let account = self.access.identity.account_by_email(email.as_str()).await?;
        let token = generate("")?;
        let now = now_ms();
        let new = NewInvitation {
            id: InvitationId::generate(),
            project,
            email: email.as_str(),
            account: account.as_ref().map(|account| &account.user),
            role,
            hash: TokenHash::of(&token),
            invited_by: inviter,
            created_at: now,
            expires_at: self.config.invitation_end(now),
            members_max: self.config.members_per_project_max,
        };
        self.access.store.create_invitation(&new).await?;
        let link = SecretString::from(format!(
            "{}/auth/action#mode=accept_invitation&token={}",
            self.public_url,
            token.expose_secret()
        ));
        if let Err(error) = self.send_invitation(&new, &link).await {
            self.access.store.delete_invitation(project, &new.id).await?;
            return Err(error);
        }
        tracing::info!(%project, invitation = %new.id, role = role.as_str(), "member invited");
        Ok(Invited { invitation: (&new).into(), link: (!self.mailer.delivers()).then_some(link) })
    }

    async fn send_invitation(
        &self,
        new: &NewInvitation<'_>,
        link: &SecretString,
    ) -> Result<(), PlatformError> {
        let found = self.access.store.project(new.project).await?;
        let project = found.ok_or(PlatformError::ProjectNotFound)?.name;
        let inviter = self.accounts([new.invited_by.as_str()]).await?.remove(new.invited_by.as_str());
        let inviter = inviter.map_or_else(|| "A member".to_owned(), |account| account.email);
        let text = format!(
            "{inviter} invites you to the project \"{project}\" as {role}.\n\n\
             Open this link to accept:\n\n{link}\n\n\
             The link works once, until {end}. If you do not know {inviter}, ignore this message.\n",
            role = new.role.as_str(),
            link = link.expose_secret(),
            end = rfc3339(new.expires_at),
        );
        Ok(self.mailer.send(Mail::text(new.email, SUBJECT, text))?)
    }

    /// Takes an invitation back.
    pub(crate) async fn withdraw_invitation(&self, grant: &Grant, id: &str) -> Result<(), PlatformError> {
        let id = InvitationId::parse(id).map_err(|_| PlatformError::InvitationNotFound)?;
        let project = project_of(grant)?;
        if !self.access.store.delete_invitation(project, &id).await? {
            return Err(PlatformError::InvitationNotFound);
        }
        tracing::info!(%project, invitation = %id, "invitation withdrawn");
        Ok(())
    }

    /// Makes whoever opened the link a member, once. What is refused uses nothing up.
    pub(crate) async fn accept_invitation(&self, guest: Guest) -> Result<Accepted, PlatformError> {
        let (hash, now) = (TokenHash::of(&guest.token), now_ms());
        let invited = self.access.store.invited_email(&hash, now).await?;
        let email = invited.ok_or(PlatformError::InvitationInvalid)?;
        let Some(account) = self.access.identity.account_by_email(&email).await? else {
            return self.accept_with_new_account(guest, email, &hash).await;
        };
        let session = guest.session.as_ref().ok_or(PlatformError::SignInToAccept)?;
        let signed_in = self.access.identity.session_user(session).await?;
        if signed_in.ok_or(PlatformError::SignInToAccept)? != account.user {
            return Err(PlatformError::OtherAccount);
        }
        self.enter(&Acceptance { hash: &hash, account: &account.user, now, claim: 0 }).await
    }

    /// The invitation is reserved before the account is made, so that of many at once one makes an account.
    async fn accept_with_new_account(
        &self,
        guest: Guest,
        email: String,
        hash: &TokenHash,
    ) -> Result<Accepted, PlatformError> {
        let (Some(password), Some(name)) = (guest.password, guest.name) else {
            return Err(PlatformError::AccountMissing);
        };
        let now = now_ms();
        let claim = now + CLAIM_MS;
        if !self.access.store.claim_invitation(hash, now, claim).await? {
            return Err(PlatformError::InvitationInvalid);
        }
        let made = self.access.identity.register(NewAccount { email, password, name }).await;
        let made = match made {
            Ok(made) => made,
            Err(error) => {
                self.release(hash, claim).await;
                return Err(error.into());
            }
        };
        let acceptance = Acceptance { hash, account: &made.account.user, now, claim };
        let accepted = self.enter(&acceptance).await?;
        Ok(Accepted { session: Some(made.session), ..accepted })
    }

    async fn release(&self, hash: &TokenHash, claim: i64) {
        if let Err(error) = self.access.store.release_invitation(hash, claim).await {
            tracing::warn!(error = &error as &dyn Error, "an invitation stays reserved for a minute");
        }
    }

    async fn enter(&self, acceptance: &Acceptance<'_>) -> Result<Accepted, PlatformError> {
        let entered = self.access.store.accept_invitation(acceptance).await?;
        let project_id = entered.ok_or(PlatformError::InvitationInvalid)?;
        self.access.roles.forget();
        let account = acceptance.account.clone();
        tracing::info!(project = %project_id, %account, "invitation accepted");
        let project = self.access.store.project_of_member(&project_id, &account).await?;
        let project = project.ok_or(PlatformError::ProjectNotFound)?;
        Ok(Accepted { project, project_id, account, session: None })
    }
}
