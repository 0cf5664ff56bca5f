//! `kms_projects`: the wrapped key-encryption key of each project. Without this row nothing of a project
//! opens.

use super::Store;
use service_kit::clock::now_ms;
use service_kit::ids::ProjectId;
use sql::{SqlError, Write};

impl Store {
    /// The wrapped key of a project.
    pub(crate) async fn wrapped_key(&self, project: &ProjectId) -> Result<Option<Vec<u8>>, SqlError> {
        let sql = "SELECT wrapped_key FROM kms_projects WHERE project = $1";
        Ok(sqlx::query_scalar(sql).bind(project.as_str()).fetch_optional(self.database.read()).await?)
    }

    /// Keeps `wrapped` where the project has no key yet, and gives the one it has now.
    pub(crate) async fn keep_wrapped_key(
        &self,
        project: &ProjectId,
        wrapped: &[u8],
    ) -> Result<Vec<u8>, SqlError> {
        let mut write = self.write().await?;
        let sql = "INSERT INTO kms_projects (project, wrapped_key, created_at) VALUES ($1, $2, $3)
                   ON CONFLICT (project) DO UPDATE SET wrapped_key = wrapped_key RETURNING wrapped_key";
        let query = sqlx::query_scalar(sql).bind(project.as_str()).bind(wrapped).bind(now_ms());
        let kept = query.fetch_one(&mut *write).await?;
        write.commit().await?;
        Ok(kept)
    }

    /// Destroys a project's key and then, by the foreign keys, its rows.
    pub(crate) async fn delete_project(write: &mut Write, project: &ProjectId) -> Result<(), SqlError> {
        let zeros = "UPDATE kms_projects SET wrapped_key = zeroblob(length(wrapped_key)) WHERE project = $1";
        sqlx::query(zeros).bind(project.as_str()).execute(&mut **write).await?;
        let sql = "DELETE FROM kms_projects WHERE project = $1";
        sqlx::query(sql).bind(project.as_str()).execute(&mut **write).await?;
        Ok(())
    }
}
