//! What happens to the members of a project, and who may do what to whom.

use crate::error::PlatformError;
use crate::projects::{developer_of, project_of};
use crate::service::PlatformService;
use crate::store::{Change, MemberRow};
use ports::access::{Grant, Role};
use ports::identity::Account;
use service_kit::ids::UserId;
use std::collections::HashMap;

/// Whether whoever has the role `actor` may change or remove a member with the role `member`.
pub(crate) fn may_manage(actor: Role, member: Role) -> Result<(), PlatformError> {
    may_name(actor, member)
}

/// Whether whoever has the role `actor` may give the role `named` to somebody.
pub(crate) fn may_name(actor: Role, named: Role) -> Result<(), PlatformError> {
    if named == Role::Owner && actor != Role::Owner { Err(PlatformError::OwnersOnly) } else { Ok(()) }
}

/// A member with what is known of the account; `None` where the account is gone.
pub(crate) struct Member {
    pub(crate) row: MemberRow,
    pub(crate) account: Option<Account>,
}

impl PlatformService {
    /// The members of a project.
    pub(crate) async fn list_members(&self, grant: &Grant) -> Result<Vec<Member>, PlatformError> {
        let rows = self.access.store.members(project_of(grant)?).await?;
        let mut accounts = self.accounts(rows.iter().map(|row| row.account.as_str())).await?;
        let with_account = |row: MemberRow| Member { account: accounts.remove(&row.account), row };
        Ok(rows.into_iter().map(with_account).collect())
    }

    /// Gives a member another role.
    pub(crate) async fn change_member(
        &self,
        grant: &Grant,
        account: &str,
        role: Role,
    ) -> Result<Member, PlatformError> {
        let account = UserId::parse(account).map_err(|_| PlatformError::MemberNotFound)?;
        let project = project_of(grant)?;
        let change = Change { project, actor: developer_of(grant)?, account: &account };
        let row = self.access.store.set_role(&change, role).await?;
        self.access.roles.forget();
        tracing::info!(%project, %account, role = role.as_str(), "member changed");
        let account = self.accounts([account.as_str()]).await?.remove(&row.account);
        Ok(Member { row, account })
    }

    /// Removes a member.
    pub(crate) async fn remove_member(&self, grant: &Grant, account: &str) -> Result<(), PlatformError> {
        let account = UserId::parse(account).map_err(|_| PlatformError::MemberNotFound)?;
        self.remove(grant, &account).await
    }

    /// Takes the caller out of the project.
    pub(crate) async fn leave(&self, grant: &Grant) -> Result<(), PlatformError> {
        self.remove(grant, developer_of(grant)?).await
    }

    async fn remove(&self, grant: &Grant, account: &UserId) -> Result<(), PlatformError> {
        let project = project_of(grant)?;
        let change = Change { project, actor: developer_of(grant)?, account };
        self.access.store.remove_member(&change).await?;
        self.access.roles.forget();
        tracing::info!(%project, %account, "member removed");
        Ok(())
    }

    /// The accounts with these ids, by id.
    pub(crate) async fn accounts<'a>(
        &self,
        ids: impl IntoIterator<Item = &'a str>,
    ) -> Result<HashMap<String, Account>, PlatformError> {
        let users: Vec<_> = ids.into_iter().filter_map(|id| UserId::parse(id).ok()).collect();
        if users.is_empty() {
            return Ok(HashMap::new());
        }
        let found = self.access.identity.accounts(&users).await?;
        Ok(found.into_iter().map(|account| (account.user.as_str().to_owned(), account)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_the_owners_own_affair() {
        assert!(may_name(Role::Owner, Role::Owner).is_ok());
        assert!(may_name(Role::Admin, Role::Admin).is_ok());
        assert!(may_name(Role::Admin, Role::Owner).is_err());
        assert!(may_manage(Role::Admin, Role::Owner).is_err());
    }
}
