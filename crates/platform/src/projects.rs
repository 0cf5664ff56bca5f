//! What happens to projects.

use crate::error::PlatformError;
use crate::keys::{KEY_NAME_DEFAULT, mint};
use crate::naming::display_name;
use crate::service::PlatformService;
use crate::store::{NewProject, Page, ProjectRow};
use ports::access::{Caller, Grant, KeyKind};
use secrecy::SecretString;
use service_kit::clock::now_ms;
use service_kit::ids::{ProjectId, UserId};
use std::sync::PoisonError;

/// Rows in one part of a list.
pub(crate) const PAGE_DEFAULT: u32 = 100;
pub(crate) const PAGE_MAX: u32 = 1000;

/// A project with its first keys.
pub(crate) struct CreatedProject {
    pub(crate) project: ProjectRow,
    pub(crate) public_key: SecretString,
    pub(crate) secret_key: SecretString,
}

/// A part of the list of projects.
pub(crate) struct ProjectPage {
    pub(crate) projects: Vec<ProjectRow>,
    pub(crate) next_cursor: Option<String>,
}

impl PlatformService {
    /// Makes a project that `owner` owns.
    pub(crate) async fn create_project(
        &self,
        owner: &UserId,
        name: &str,
    ) -> Result<CreatedProject, PlatformError> {
        let name = display_name(name)?;
        let public = mint(KeyKind::Public, KEY_NAME_DEFAULT.to_owned())?;
        let secret = mint(KeyKind::Secret, KEY_NAME_DEFAULT.to_owned())?;
        let expected = self.next_project.lock().unwrap_or_else(PoisonError::into_inner).take();
        let new = NewProject {
            id: expected.unwrap_or_else(ProjectId::generate),
            name,
            owner,
            keys: [&public.row, &secret.row],
            created_at: now_ms(),
            projects_max: self.config.projects_per_account_max,
        };
        let project = self.access.store.create_project(&new).await?;
        tracing::info!(project = %project.id, account = %owner, "project created");
        Ok(CreatedProject { project, public_key: public.text, secret_key: secret.text })
    }

    /// A part of the projects of an account.
    pub(crate) async fn list_projects(
        &self,
        account: &UserId,
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<ProjectPage, PlatformError> {
        let limit = limit.unwrap_or(PAGE_DEFAULT);
        let after = cursor.unwrap_or_default();
        let valid_cursor = after.is_empty() || ProjectId::parse(after).is_ok();
        if !(1..=PAGE_MAX).contains(&limit) || !valid_cursor {
            return Err(PlatformError::InvalidPage);
        }
        let mut projects = self.access.store.projects(account, &Page { after, limit: limit + 1 }).await?;
        let more = projects.len() > limit as usize;
        projects.truncate(limit as usize);
        let next_cursor = projects.last().filter(|_| more).map(|last| last.id.clone());
        Ok(ProjectPage { projects, next_cursor })
    }

    /// One project, as the caller of `grant` sees it.
    pub(crate) async fn read_project(&self, grant: &Grant) -> Result<ProjectRow, PlatformError> {
        let found = self.access.store.project(project_of(grant)?).await?;
        Ok(seen_by(grant, found.ok_or(PlatformError::ProjectNotFound)?))
    }

    /// Gives a project another name.
    pub(crate) async fn rename_project(
        &self,
        grant: &Grant,
        name: &str,
    ) -> Result<ProjectRow, PlatformError> {
        let name = display_name(name)?;
        let renamed = self.access.store.rename_project(project_of(grant)?, &name, now_ms()).await?;
        Ok(seen_by(grant, renamed.ok_or(PlatformError::ProjectNotFound)?))
    }

    /// Deletes a project: it is gone when this returns; what stores keep of it goes in the background.
    pub(crate) async fn delete_project(&self, grant: &Grant) -> Result<(), PlatformError> {
        let project = project_of(grant)?;
        let buried = self.access.store.bury_project(project, &self.stores, now_ms()).await?;
        self.access.keys.forget(&buried.ok_or(PlatformError::ProjectNotFound)?);
        self.access.roles.forget();
        self.deleted.send_modify(|count| *count += 1);
        tracing::info!(%project, "project deleted");
        Ok(())
    }
}

/// The project that access was granted to.
pub(crate) fn project_of(grant: &Grant) -> Result<&ProjectId, PlatformError> {
    grant.project.as_ref().ok_or(PlatformError::ProjectNotFound)
}

/// The account that access was granted to.
pub(crate) fn developer_of(grant: &Grant) -> Result<&UserId, PlatformError> {
    match &grant.caller {
        Caller::Developer { user, .. } => Ok(user),
        Caller::Nobody | Caller::Key { .. } | Caller::Function | Caller::Operator => {
            Err(PlatformError::NoDeveloper)
        }
    }
}

fn seen_by(grant: &Grant, mut project: ProjectRow) -> ProjectRow {
    if let Caller::Developer { role, .. } = &grant.caller {
        project.role = role.map(|role| role.as_str().to_owned());
    }
    project
}
