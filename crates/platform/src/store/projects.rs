//! `projects` and `project_members`.

use super::keys::KeyHashes;
use super::{NewKey, Store};
use crate::error::PlatformError;
use crate::naming;
use ports::access::Role;
use service_kit::ids::{ProjectId, UserId};
use service_kit::secret::TokenHash;
use sql::{SqlError, Write};

/// A project as one caller sees it; `role` is missing for a key.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct ProjectRow {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) slug: String,
    #[sqlx(default)]
    pub(crate) role: Option<String>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

/// A project to be made, with its first keys.
pub(crate) struct NewProject<'a> {
    pub(crate) id: ProjectId,
    pub(crate) name: String,
    pub(crate) owner: &'a UserId,
    pub(crate) keys: [&'a NewKey; 2],
    pub(crate) created_at: i64,
    /// How many projects the owner may have, this one included.
    pub(crate) projects_max: u32,
}

/// A part of a list.
pub(crate) struct Page<'a> {
    /// Ids up to this one were in earlier parts.
    pub(crate) after: &'a str,
    pub(crate) limit: u32,
}

impl Store {
    /// Makes a project with its owner and its first keys.
    pub(crate) async fn create_project(&self, new: &NewProject<'_>) -> Result<ProjectRow, PlatformError> {
        let mut write = self.database.write().await?;
        check_owned(&mut write, new).await?;
        let slug = free_slug(&mut write, new).await?;
        insert_project(&mut write, new, &slug).await?;
        for key in new.keys {
            key.insert(&mut write, &new.id).await?;
        }
        write.commit().await.map_err(SqlError::from)?;
        Ok(ProjectRow {
            id: new.id.as_str().to_owned(),
            name: new.name.clone(),
            slug,
            role: Some(Role::Owner.as_str().to_owned()),
            created_at: new.created_at,
            updated_at: new.created_at,
        })
    }

    /// The projects of an account, in the order they were made.
    pub(crate) async fn projects(
        &self,
        account: &UserId,
        page: &Page<'_>,
    ) -> Result<Vec<ProjectRow>, SqlError> {
        let sql = "SELECT id, name, slug, role, projects.created_at, updated_at
                   FROM project_members JOIN projects ON projects.id = project_members.project
                   WHERE account = $1 AND project > $2 ORDER BY project LIMIT $3";
        let query = sqlx::query_as(sql).bind(account.as_str()).bind(page.after).bind(page.limit);
        Ok(query.fetch_all(self.database.read()).await?)
    }

    /// One project; without a role.
    pub(crate) async fn project(&self, id: &ProjectId) -> Result<Option<ProjectRow>, SqlError> {
        let sql = "SELECT id, name, slug, created_at, updated_at FROM projects WHERE id = $1";
        Ok(sqlx::query_as(sql).bind(id.as_str()).fetch_optional(self.database.read()).await?)
    }

    /// One project, with the role of a member.
    pub(crate) async fn project_of_member(
        &self,
        id: &ProjectId,
        account: &UserId,
    ) -> Result<Option<ProjectRow>, SqlError> {
        let sql = "SELECT id, name, slug, role, projects.created_at, updated_at
                   FROM project_members JOIN projects ON projects.id = project_members.project
                   WHERE account = $1 AND project = $2";
        let query = sqlx::query_as(sql).bind(account.as_str()).bind(id.as_str());
        Ok(query.fetch_optional(self.database.read()).await?)
    }

    /// The role of an account in a project, as it is stored.
    pub(crate) async fn role(
        &self,
        project: &ProjectId,
        account: &UserId,
    ) -> Result<Option<String>, SqlError> {
        let sql = "SELECT role FROM project_members WHERE account = $1 AND project = $2";
        let query = sqlx::query_scalar(sql).bind(account.as_str()).bind(project.as_str());
        Ok(query.fetch_optional(self.database.read()).await?)
    }

    /// Gives a project another name. Its slug stays: addresses are made from it.
    pub(crate) async fn rename_project(
        &self,
        id: &ProjectId,
        name: &str,
        now: i64,
    ) -> Result<Option<ProjectRow>, SqlError> {
        let mut write = self.database.write().await?;
        let sql = "UPDATE projects SET name = $2, updated_at = $3 WHERE id = $1
                   RETURNING id, name, slug, created_at, updated_at";
        let query = sqlx::query_as(sql).bind(id.as_str()).bind(name).bind(now);
        let renamed = query.fetch_optional(&mut *write).await?;
        write.commit().await?;
        Ok(renamed)
    }

    /// Removes a project, its members and keys, and leaves a tombstone with the `stores` that still have
    /// to remove their part. `None` where there is no such project; else the hashes of its keys.
    pub(crate) async fn bury_project(
        &self,
        id: &ProjectId,
        stores: &[&str],
        now: i64,
    ) -> Result<Option<Vec<TokenHash>>, SqlError> {
        let mut write = self.database.write().await?;
        let hashes: Vec<KeyHashes> =
            sqlx::query_as("DELETE FROM project_keys WHERE project = $1 RETURNING key_hash, old_hash")
                .bind(id.as_str())
                .fetch_all(&mut *write)
                .await?;
        let deleted =
            sqlx::query("DELETE FROM projects WHERE id = $1").bind(id.as_str()).execute(&mut *write).await?;
        if deleted.rows_affected() == 0 {
            return Ok(None);
        }
        super::purges::insert_tombstone(&mut write, id, stores, now).await?;
        write.commit().await?;
        Ok(Some(hashes.iter().flat_map(KeyHashes::all).collect()))
    }
}

async fn check_owned(write: &mut Write, new: &NewProject<'_>) -> Result<(), PlatformError> {
    let sql = "SELECT count(*) FROM project_members WHERE account = $1 AND role = 'owner'";
    let query = sqlx::query_scalar::<_, i64>(sql).bind(new.owner.as_str());
    let owned = query.fetch_one(&mut **write).await.map_err(SqlError::from)?;
    if owned < i64::from(new.projects_max) {
        Ok(())
    } else {
        Err(PlatformError::TooManyProjects { limit: new.projects_max })
    }
}

async fn free_slug(write: &mut Write, new: &NewProject<'_>) -> Result<String, SqlError> {
    let slug = naming::slug(&new.name);
    let sql = "SELECT EXISTS (SELECT 1 FROM projects WHERE slug = $1)";
    let taken: bool = sqlx::query_scalar(sql).bind(&slug).fetch_one(&mut **write).await?;
    Ok(if taken { naming::slug_with_suffix(&slug, &new.id) } else { slug })
}

async fn insert_project(write: &mut Write, new: &NewProject<'_>, slug: &str) -> Result<(), SqlError> {
    sqlx::query("INSERT INTO projects (id, name, slug, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)")
        .bind(new.id.as_str())
        .bind(&new.name)
        .bind(slug)
        .bind(new.created_at)
        .execute(&mut **write)
        .await?;
    sqlx::query("INSERT INTO project_members (project, account, role, created_at) VALUES ($1, $2, $3, $4)")
        .bind(new.id.as_str())
        .bind(new.owner.as_str())
        .bind(Role::Owner.as_str())
        .bind(new.created_at)
        .execute(&mut **write)
        .await?;
    Ok(())
}
