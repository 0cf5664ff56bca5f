//! `kms_secrets` and `kms_secret_versions`: named secrets and their sealed values.

use super::Store;
use crate::error::OperationError;
use service_kit::clock::now_ms;
use service_kit::ids::ProjectId;
use sql::{SqlError, Write};

/// A secret as it is listed.
#[derive(sqlx::FromRow)]
pub(crate) struct SecretRow {
    pub(crate) name: String,
    pub(crate) newest: u32,
    pub(crate) oldest: u32,
    pub(crate) bytes: i64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

/// One version with its sealed value.
#[derive(sqlx::FromRow)]
pub(crate) struct SecretVersionRow {
    pub(crate) version: u32,
    pub(crate) sealed: Vec<u8>,
    pub(crate) created_at: i64,
}

/// How many of what a project may have.
pub(crate) struct SecretLimits {
    pub(crate) secrets_max: u32,
    pub(crate) versions_max: u32,
}

impl Store {
    /// Up to `limit` secrets of a project after the name `after`, in the order of names.
    pub(crate) async fn secrets(
        &self,
        project: &ProjectId,
        after: &str,
        limit: u32,
    ) -> Result<Vec<SecretRow>, SqlError> {
        let sql = "SELECT s.name, s.newest, min(v.version) AS oldest, s.created_at, s.updated_at,
                          max(CASE WHEN v.version = s.newest THEN v.bytes END) AS bytes
                   FROM kms_secrets s JOIN kms_secret_versions v ON v.project = s.project AND v.name = s.name
                   WHERE s.project = $1 AND s.name > $2 GROUP BY s.name ORDER BY s.name LIMIT $3";
        let query = sqlx::query_as(sql).bind(project.as_str()).bind(after).bind(limit);
        Ok(query.fetch_all(self.database.read()).await?)
    }

    /// One version of a secret, the newest where none is asked for.
    pub(crate) async fn secret(
        &self,
        project: &ProjectId,
        name: &str,
        version: Option<u32>,
    ) -> Result<SecretVersionRow, OperationError> {
        let sql = "SELECT v.version, v.sealed, v.created_at
                   FROM kms_secrets s JOIN kms_secret_versions v ON v.project = s.project AND v.name = s.name
                   WHERE s.project = $1 AND s.name = $2 AND v.version = coalesce($3, s.newest)";
        let query = sqlx::query_as(sql).bind(project.as_str()).bind(name).bind(version);
        query.fetch_optional(self.database.read()).await?.ok_or(OperationError::SecretNotFound)
    }

    /// Counts a secret's version up, making the secret where it is missing, and gives the version.
    pub(crate) async fn next_secret_version(
        write: &mut Write,
        project: &ProjectId,
        name: &str,
        limits: &SecretLimits,
    ) -> Result<u32, OperationError> {
        let now = now_ms();
        let sql = "UPDATE kms_secrets SET newest = newest + 1, updated_at = $3
                   WHERE project = $1 AND name = $2 RETURNING newest";
        let query = sqlx::query_scalar(sql).bind(project.as_str()).bind(name).bind(now);
        if let Some(newest) = query.fetch_optional(&mut **write).await? {
            return Ok(newest);
        }
        let sql = "SELECT count(*) FROM kms_secrets WHERE project = $1";
        let count: i64 = sqlx::query_scalar(sql).bind(project.as_str()).fetch_one(&mut **write).await?;
        if count >= i64::from(limits.secrets_max) {
            return Err(OperationError::TooMany { what: "secrets", max: limits.secrets_max });
        }
        let sql = "INSERT INTO kms_secrets (project, name, newest, created_at, updated_at)
                   VALUES ($1, $2, 1, $3, $3)";
        sqlx::query(sql).bind(project.as_str()).bind(name).bind(now).execute(&mut **write).await?;
        Ok(1)
    }

    /// Keeps the value of a version, and removes versions beyond the limit.
    pub(crate) async fn insert_secret_version(
        write: &mut Write,
        (project, name, version): (&ProjectId, &str, u32),
        (sealed, bytes): (&[u8], usize),
        limits: &SecretLimits,
    ) -> Result<(), SqlError> {
        sqlx::query(
            "INSERT INTO kms_secret_versions (project, name, version, sealed, bytes, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(project.as_str())
        .bind(name)
        .bind(version)
        .bind(sealed)
        .bind(i64::try_from(bytes).unwrap_or(i64::MAX))
        .bind(now_ms())
        .execute(&mut **write)
        .await?;
        let sql = "DELETE FROM kms_secret_versions WHERE project = $1 AND name = $2 AND version <= $3";
        let gone = i64::from(version) - i64::from(limits.versions_max);
        sqlx::query(sql).bind(project.as_str()).bind(name).bind(gone).execute(&mut **write).await?;
        Ok(())
    }

    /// Removes a secret with its versions.
    pub(crate) async fn delete_secret(
        write: &mut Write,
        project: &ProjectId,
        name: &str,
    ) -> Result<(), OperationError> {
        let sql = "DELETE FROM kms_secrets WHERE project = $1 AND name = $2";
        let done = sqlx::query(sql).bind(project.as_str()).bind(name).execute(&mut **write).await?;
        if done.rows_affected() == 0 { Err(OperationError::SecretNotFound) } else { Ok(()) }
    }
}
