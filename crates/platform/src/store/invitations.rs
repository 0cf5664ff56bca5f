//! `project_invitations`: at most one for each project and address; its token is kept as a hash. A row
//! that was accepted is gone, in the statement that decides who accepted it.

use super::Store;
use super::members::{Change, actor_role, role};
use crate::error::PlatformError;
use crate::members::may_name;
use ports::access::Role;
use service_kit::ids::{InvitationId, ProjectId, UserId};
use service_kit::secret::TokenHash;
use sql::{SqlError, Write};

/// An invitation to be kept.
pub(crate) struct NewInvitation<'a> {
    pub(crate) id: InvitationId,
    pub(crate) project: &'a ProjectId,
    pub(crate) email: &'a str,
    /// The account with this address, where there is one.
    pub(crate) account: Option<&'a UserId>,
    pub(crate) role: Role,
    pub(crate) hash: TokenHash,
    pub(crate) invited_by: &'a UserId,
    pub(crate) created_at: i64,
    pub(crate) expires_at: i64,
    /// How many members and open invitations the project may have, this one included.
    pub(crate) members_max: u32,
}

/// An invitation as it is listed.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct InvitationRow {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) role: String,
    pub(crate) created_at: i64,
    pub(crate) expires_at: i64,
}

impl From<&NewInvitation<'_>> for InvitationRow {
    fn from(new: &NewInvitation<'_>) -> Self {
        Self {
            id: new.id.as_str().to_owned(),
            email: new.email.to_owned(),
            role: new.role.as_str().to_owned(),
            created_at: new.created_at,
            expires_at: new.expires_at,
        }
    }
}

/// Who accepts, and by which token.
pub(crate) struct Acceptance<'a> {
    pub(crate) hash: &'a TokenHash,
    pub(crate) account: &'a UserId,
    pub(crate) now: i64,
    /// What `claim_invitation` gave; 0 where it was not claimed.
    pub(crate) claim: i64,
}

impl Store {
    /// Keeps an invitation in the place of an older one to the same address.
    pub(crate) async fn create_invitation(&self, new: &NewInvitation<'_>) -> Result<(), PlatformError> {
        let mut write = self.database.write().await?;
        may_name(actor_role(&mut write, new.project, new.invited_by).await?, new.role)?;
        if let Some(account) = new.account
            && role(&mut write, new.project, account).await?.is_some()
        {
            return Err(PlatformError::AlreadyMember);
        }
        clear(&mut write, new).await?;
        check_room(&mut write, new).await?;
        insert(&mut write, new).await?;
        Ok(write.commit().await.map_err(SqlError::from)?)
    }

    /// The invitations of a project that can still be accepted, in the order they were made.
    pub(crate) async fn invitations(
        &self,
        project: &ProjectId,
        now: i64,
    ) -> Result<Vec<InvitationRow>, SqlError> {
        let sql = "SELECT id, email, role, created_at, expires_at FROM project_invitations
                   WHERE project = $1 AND expires_at > $2 ORDER BY id";
        let query = sqlx::query_as(sql).bind(project.as_str()).bind(now);
        Ok(query.fetch_all(self.database.read()).await?)
    }

    /// Takes an invitation back; false where the project has no such one.
    pub(crate) async fn delete_invitation(
        &self,
        project: &ProjectId,
        id: &InvitationId,
    ) -> Result<bool, SqlError> {
        let mut write = self.database.write().await?;
        let deleted = sqlx::query("DELETE FROM project_invitations WHERE project = $1 AND id = $2")
            .bind(project.as_str())
            .bind(id.as_str())
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(deleted.rows_affected() == 1)
    }

    /// The address that an invitation which can be accepted now was sent to.
    pub(crate) async fn invited_email(&self, hash: &TokenHash, now: i64) -> Result<Option<String>, SqlError> {
        let sql = "SELECT email FROM project_invitations
                   WHERE token_hash = $1 AND expires_at > $2 AND claimed_until <= $2";
        let query = sqlx::query_scalar(sql).bind(hash.as_bytes()).bind(now);
        Ok(query.fetch_optional(self.database.read()).await?)
    }

    /// Reserves an invitation until then, for one caller; false for all others.
    pub(crate) async fn claim_invitation(
        &self,
        hash: &TokenHash,
        now: i64,
        until: i64,
    ) -> Result<bool, SqlError> {
        let mut write = self.database.write().await?;
        let claimed = sqlx::query(
            "UPDATE project_invitations SET claimed_until = $3
             WHERE token_hash = $1 AND expires_at > $2 AND claimed_until <= $2",
        )
        .bind(hash.as_bytes())
        .bind(now)
        .bind(until)
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(claimed.rows_affected() == 1)
    }

    /// Gives a reserved invitation free again.
    pub(crate) async fn release_invitation(&self, hash: &TokenHash, claim: i64) -> Result<(), SqlError> {
        let mut write = self.database.write().await?;
        sqlx::query(
            "UPDATE project_invitations SET claimed_until = 0 WHERE token_hash = $1 AND claimed_until = $2",
        )
        .bind(hash.as_bytes())
        .bind(claim)
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }

    /// Makes an account a member. The row can be deleted once, so whoever deletes it was the one; `None`
    /// for everybody else.
    pub(crate) async fn accept_invitation(
        &self,
        acceptance: &Acceptance<'_>,
    ) -> Result<Option<ProjectId>, PlatformError> {
        let mut write = self.database.write().await?;
        let accepted: Option<(String, String)> = sqlx::query_as(
            "DELETE FROM project_invitations
             WHERE token_hash = $1 AND expires_at > $2 AND (claimed_until <= $2 OR claimed_until = $3)
             RETURNING project, role",
        )
        .bind(acceptance.hash.as_bytes())
        .bind(acceptance.now)
        .bind(acceptance.claim)
        .fetch_optional(&mut *write)
        .await
        .map_err(SqlError::from)?;
        let Some((project, role)) = accepted else { return Ok(None) };
        sqlx::query(
            "INSERT INTO project_members (project, account, role, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING",
        )
        .bind(&project)
        .bind(acceptance.account.as_str())
        .bind(role)
        .bind(acceptance.now)
        .execute(&mut *write)
        .await
        .map_err(SqlError::from)?;
        write.commit().await.map_err(SqlError::from)?;
        ProjectId::parse(&project).map(Some).map_err(|_| PlatformError::Unreadable { what: "invitation" })
    }

    /// Removes what can no longer be accepted.
    pub(crate) async fn sweep_invitations(&self, now: i64) -> Result<u64, SqlError> {
        let mut write = self.database.write().await?;
        let swept = sqlx::query("DELETE FROM project_invitations WHERE expires_at <= $1")
            .bind(now)
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(swept.rows_affected())
    }
}

/// Takes back the invitations of a member that they could not send with the role they have from now on.
pub(super) async fn withdraw(
    write: &mut Write,
    change: &Change<'_>,
    role: Role,
) -> Result<(), PlatformError> {
    sqlx::query(
        "DELETE FROM project_invitations
         WHERE project = $1 AND invited_by = $2 AND (role = 'owner' OR $3 <> 'admin')",
    )
    .bind(change.project.as_str())
    .bind(change.account.as_str())
    .bind(role.as_str())
    .execute(&mut **write)
    .await
    .map_err(SqlError::from)?;
    Ok(())
}

/// Removes the older invitation to the same address, and those that ended.
async fn clear(write: &mut Write, new: &NewInvitation<'_>) -> Result<(), SqlError> {
    sqlx::query("DELETE FROM project_invitations WHERE project = $1 AND (email = $2 OR expires_at <= $3)")
        .bind(new.project.as_str())
        .bind(new.email)
        .bind(new.created_at)
        .execute(&mut **write)
        .await?;
    Ok(())
}

async fn check_room(write: &mut Write, new: &NewInvitation<'_>) -> Result<(), PlatformError> {
    let sql = "SELECT (SELECT count(*) FROM project_members WHERE project = $1)
                    + (SELECT count(*) FROM project_invitations WHERE project = $1)";
    let query = sqlx::query_scalar::<_, i64>(sql).bind(new.project.as_str());
    let taken = query.fetch_one(&mut **write).await.map_err(SqlError::from)?;
    if taken < i64::from(new.members_max) {
        Ok(())
    } else {
        Err(PlatformError::TooManyMembers { limit: new.members_max })
    }
}

async fn insert(write: &mut Write, new: &NewInvitation<'_>) -> Result<(), SqlError> {
    sqlx::query(
        "INSERT INTO project_invitations (id, project, email, role, token_hash, invited_by, created_at,
                                          expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(new.id.as_str())
    .bind(new.project.as_str())
    .bind(new.email)
    .bind(new.role.as_str())
    .bind(new.hash.as_bytes())
    .bind(new.invited_by.as_str())
    .bind(new.created_at)
    .bind(new.expires_at)
    .execute(&mut **write)
    .await?;
    Ok(())
}
