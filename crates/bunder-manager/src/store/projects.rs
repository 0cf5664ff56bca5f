//! `kv_projects`: what a project uses, the number of its last version, and its rules.

use super::Store;
use service_kit::ids::ProjectId;
use sql::{SqlError, Write};

/// What a project uses, expired keys included until they are swept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, sqlx::FromRow)]
pub(crate) struct Usage {
    pub(crate) keys: i64,
    pub(crate) bytes: i64,
    /// The last version that was given.
    pub(crate) version: i64,
}

impl Usage {
    pub(crate) async fn read(write: &mut Write, project: &ProjectId) -> Result<Self, SqlError> {
        let query = sqlx::query_as("SELECT keys, bytes, version FROM kv_projects WHERE project = $1");
        Ok(query.bind(project.as_str()).fetch_optional(&mut **write).await?.unwrap_or_default())
    }

    pub(crate) async fn save(&self, write: &mut Write, project: &ProjectId) -> Result<(), SqlError> {
        sqlx::query(
            "INSERT INTO kv_projects (project, keys, bytes, version) VALUES ($1, $2, $3, $4)
             ON CONFLICT (project) DO UPDATE SET keys = $2, bytes = $3, version = $4",
        )
        .bind(project.as_str())
        .bind(self.keys)
        .bind(self.bytes)
        .bind(self.version)
        .execute(&mut **write)
        .await?;
        Ok(())
    }
}

impl Store {
    /// The rules of a project as JSON.
    pub(crate) async fn rules(&self, project: &ProjectId) -> Result<Option<String>, SqlError> {
        let query = sqlx::query_scalar("SELECT rules FROM kv_projects WHERE project = $1");
        let found: Option<Option<String>> =
            query.bind(project.as_str()).fetch_optional(self.database.read()).await?;
        Ok(found.flatten())
    }
}

/// Keeps the rules of a project.
pub(crate) async fn save_rules(write: &mut Write, project: &ProjectId, rules: &str) -> Result<(), SqlError> {
    let sql = "INSERT INTO kv_projects (project, rules) VALUES ($1, $2)
               ON CONFLICT (project) DO UPDATE SET rules = $2";
    sqlx::query(sql).bind(project.as_str()).bind(rules).execute(&mut **write).await?;
    Ok(())
}

/// Removes what is known of a project.
pub(crate) async fn delete(write: &mut Write, project: &ProjectId) -> Result<(), SqlError> {
    sqlx::query("DELETE FROM kv_projects WHERE project = $1")
        .bind(project.as_str())
        .execute(&mut **write)
        .await?;
    Ok(())
}
