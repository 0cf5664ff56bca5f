//! `storage_projects`: what a project uses, the key that signs its addresses, its rules.

use super::Store;
use service_kit::ids::ProjectId;
use sql::{SqlError, Write};

/// What a project uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, sqlx::FromRow)]
pub(crate) struct Usage {
    pub(crate) objects: i64,
    pub(crate) bytes: i64,
}

const USAGE: &str = "SELECT objects, bytes FROM storage_projects WHERE project = $1";

impl Store {
    /// What a project uses.
    pub(crate) async fn usage(&self, project: &ProjectId) -> Result<Usage, SqlError> {
        let query = sqlx::query_as(USAGE).bind(project.as_str());
        Ok(query.fetch_optional(self.database.read()).await?.unwrap_or_default())
    }

    /// The key that signs a project's addresses, where there is one.
    pub(crate) async fn signing_key(&self, project: &ProjectId) -> Result<Option<Vec<u8>>, SqlError> {
        let query = sqlx::query_scalar("SELECT signing_key FROM storage_projects WHERE project = $1");
        let found: Option<Option<Vec<u8>>> =
            query.bind(project.as_str()).fetch_optional(self.database.read()).await?;
        Ok(found.flatten())
    }

    /// The rules of a project as JSON.
    pub(crate) async fn rules(&self, project: &ProjectId) -> Result<Option<String>, SqlError> {
        let query = sqlx::query_scalar("SELECT rules FROM storage_projects WHERE project = $1");
        let found: Option<Option<String>> =
            query.bind(project.as_str()).fetch_optional(self.database.read()).await?;
        Ok(found.flatten())
    }
}

/// What a project uses, as this transaction sees it.
pub(crate) async fn usage(write: &mut Write, project: &ProjectId) -> Result<Usage, SqlError> {
    let query = sqlx::query_as(USAGE).bind(project.as_str());
    Ok(query.fetch_optional(&mut **write).await?.unwrap_or_default())
}

/// Keeps what a project uses.
pub(crate) async fn save_usage(write: &mut Write, project: &ProjectId, usage: Usage) -> Result<(), SqlError> {
    sqlx::query(
        "INSERT INTO storage_projects (project, objects, bytes) VALUES ($1, $2, $3)
         ON CONFLICT (project) DO UPDATE SET objects = $2, bytes = $3",
    )
    .bind(project.as_str())
    .bind(usage.objects)
    .bind(usage.bytes)
    .execute(&mut **write)
    .await?;
    Ok(())
}

/// Keeps `key` as the signing key where there is none yet, and returns the one that is kept.
pub(crate) async fn keep_signing_key(
    write: &mut Write,
    project: &ProjectId,
    key: &[u8],
) -> Result<Vec<u8>, SqlError> {
    let sql = "INSERT INTO storage_projects (project, signing_key) VALUES ($1, $2)
               ON CONFLICT (project) DO UPDATE SET signing_key = coalesce(signing_key, $2)
               RETURNING signing_key";
    Ok(sqlx::query_scalar(sql).bind(project.as_str()).bind(key).fetch_one(&mut **write).await?)
}

/// Forgets the signing key: no address that it signed is valid any more.
pub(crate) async fn forget_signing_key(write: &mut Write, project: &ProjectId) -> Result<(), SqlError> {
    let query = sqlx::query("UPDATE storage_projects SET signing_key = NULL WHERE project = $1");
    query.bind(project.as_str()).execute(&mut **write).await?;
    Ok(())
}

/// Keeps the rules of a project.
pub(crate) async fn save_rules(write: &mut Write, project: &ProjectId, rules: &str) -> Result<(), SqlError> {
    let sql = "INSERT INTO storage_projects (project, rules) VALUES ($1, $2)
               ON CONFLICT (project) DO UPDATE SET rules = $2";
    sqlx::query(sql).bind(project.as_str()).bind(rules).execute(&mut **write).await?;
    Ok(())
}

/// Removes what is known of a project.
pub(crate) async fn delete(write: &mut Write, project: &ProjectId) -> Result<(), SqlError> {
    let query = sqlx::query("DELETE FROM storage_projects WHERE project = $1");
    query.bind(project.as_str()).execute(&mut **write).await?;
    Ok(())
}
