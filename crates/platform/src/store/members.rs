//! `project_members`: who belongs to a project. The rules are checked inside the writing transaction, on
//! the roles as they are then, so that two changes at once cannot leave a project without an owner.

use super::{Store, invitations};
use crate::error::PlatformError;
use crate::members::{may_manage, may_name};
use ports::access::{Action, Role};
use service_kit::ids::{ProjectId, UserId};
use sql::{SqlError, Write};

/// A member.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct MemberRow {
    pub(crate) account: String,
    pub(crate) role: String,
    pub(crate) created_at: i64,
}

/// Who changes whom, and where.
pub(crate) struct Change<'a> {
    pub(crate) project: &'a ProjectId,
    pub(crate) actor: &'a UserId,
    pub(crate) account: &'a UserId,
}

impl Store {
    /// The members of a project, in the order they came.
    pub(crate) async fn members(&self, project: &ProjectId) -> Result<Vec<MemberRow>, SqlError> {
        let sql = "SELECT account, role, created_at FROM project_members
                   WHERE project = $1 ORDER BY created_at, account";
        Ok(sqlx::query_as(sql).bind(project.as_str()).fetch_all(self.database.read()).await?)
    }

    /// Gives a member another role.
    pub(crate) async fn set_role(&self, change: &Change<'_>, role: Role) -> Result<MemberRow, PlatformError> {
        let mut write = self.database.write().await?;
        let actor = actor_role(&mut write, change.project, change.actor).await?;
        let before = member_role(&mut write, change).await?;
        may_manage(actor, before)?;
        may_name(actor, role)?;
        if role != Role::Owner {
            keep_an_owner(&mut write, change, before).await?;
            invitations::withdraw(&mut write, change, role).await?;
        }
        let sql = "UPDATE project_members SET role = $3 WHERE account = $1 AND project = $2
                   RETURNING account, role, created_at";
        let query = sqlx::query_as(sql).bind(change.account.as_str()).bind(change.project.as_str());
        let row = query.bind(role.as_str()).fetch_one(&mut *write).await.map_err(SqlError::from)?;
        write.commit().await.map_err(SqlError::from)?;
        Ok(row)
    }

    /// Removes a member, and the invitations they sent; whoever leaves needs no other right.
    pub(crate) async fn remove_member(&self, change: &Change<'_>) -> Result<(), PlatformError> {
        let mut write = self.database.write().await?;
        let before = member_role(&mut write, change).await?;
        if change.actor != change.account {
            may_manage(actor_role(&mut write, change.project, change.actor).await?, before)?;
        }
        keep_an_owner(&mut write, change, before).await?;
        invitations::withdraw(&mut write, change, Role::Viewer).await?;
        sqlx::query("DELETE FROM project_members WHERE account = $1 AND project = $2")
            .bind(change.account.as_str())
            .bind(change.project.as_str())
            .execute(&mut *write)
            .await
            .map_err(SqlError::from)?;
        Ok(write.commit().await.map_err(SqlError::from)?)
    }
}

/// The role of whoever changes members, as it is now.
pub(super) async fn actor_role(
    write: &mut Write,
    project: &ProjectId,
    actor: &UserId,
) -> Result<Role, PlatformError> {
    let role = role(write, project, actor).await?.ok_or(PlatformError::ProjectNotFound)?;
    if role.allows(Action::MemberWrite) { Ok(role) } else { Err(PlatformError::RoleTooLow) }
}

async fn member_role(write: &mut Write, change: &Change<'_>) -> Result<Role, PlatformError> {
    role(write, change.project, change.account).await?.ok_or(PlatformError::MemberNotFound)
}

/// The role of an account, as it is now.
pub(super) async fn role(
    write: &mut Write,
    project: &ProjectId,
    account: &UserId,
) -> Result<Option<Role>, PlatformError> {
    let sql = "SELECT role FROM project_members WHERE account = $1 AND project = $2";
    let query = sqlx::query_scalar::<_, String>(sql).bind(account.as_str()).bind(project.as_str());
    let Some(text) = query.fetch_optional(&mut **write).await.map_err(SqlError::from)? else {
        return Ok(None);
    };
    Role::parse(&text).map(Some).ok_or(PlatformError::Unreadable { what: "role" })
}

/// Refuses a change after which nobody would own the project.
async fn keep_an_owner(write: &mut Write, change: &Change<'_>, before: Role) -> Result<(), PlatformError> {
    if before != Role::Owner {
        return Ok(());
    }
    let sql = "SELECT EXISTS (SELECT 1 FROM project_members
               WHERE project = $1 AND role = 'owner' AND account <> $2)";
    let query = sqlx::query_scalar(sql).bind(change.project.as_str()).bind(change.account.as_str());
    let others: bool = query.fetch_one(&mut **write).await.map_err(SqlError::from)?;
    if others { Ok(()) } else { Err(PlatformError::LastOwner) }
}
