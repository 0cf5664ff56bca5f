//! `kms_keys` and `kms_key_versions`: named keys, their sealed material and how much each version was used.

use super::Store;
use crate::error::OperationError;
use service_kit::clock::now_ms;
use service_kit::ids::ProjectId;
use sql::{SqlError, Write};

/// A key.
#[derive(sqlx::FromRow)]
pub(crate) struct KeyRow {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) active: u32,
    pub(crate) created_at: i64,
    pub(crate) revoked_at: Option<i64>,
}

/// One version of a key.
#[derive(sqlx::FromRow)]
pub(crate) struct VersionRow {
    pub(crate) version: u32,
    /// Sealed; `None` once the key is revoked.
    pub(crate) material: Option<Vec<u8>>,
    /// `SubjectPublicKeyInfo` (RFC 5280) in DER, of asymmetric keys.
    pub(crate) public_key: Option<Vec<u8>>,
    /// Messages that were set aside for encryption.
    pub(crate) messages: i64,
    pub(crate) created_at: i64,
}

/// A version to be kept.
pub(crate) struct NewVersion<'a> {
    pub(crate) project: &'a ProjectId,
    pub(crate) name: &'a str,
    pub(crate) version: u32,
    pub(crate) material: Vec<u8>,
    pub(crate) public_key: Option<Vec<u8>>,
}

impl Store {
    /// Up to `limit` keys of a project after the name `after`, in the order of names.
    pub(crate) async fn keys(
        &self,
        project: &ProjectId,
        after: &str,
        limit: u32,
    ) -> Result<Vec<KeyRow>, SqlError> {
        let sql = "SELECT name, kind, active, created_at, revoked_at FROM kms_keys
                   WHERE project = $1 AND name > $2 ORDER BY name LIMIT $3";
        let query = sqlx::query_as(sql).bind(project.as_str()).bind(after).bind(limit);
        Ok(query.fetch_all(self.database.read()).await?)
    }

    /// One key with its versions, the oldest first, as one moment saw them.
    pub(crate) async fn key(
        &self,
        project: &ProjectId,
        name: &str,
    ) -> Result<Option<(KeyRow, Vec<VersionRow>)>, SqlError> {
        let mut read = self.database.read().begin().await?;
        let sql = "SELECT name, kind, active, created_at, revoked_at FROM kms_keys
                   WHERE project = $1 AND name = $2";
        let query = sqlx::query_as(sql).bind(project.as_str()).bind(name);
        let Some(key) = query.fetch_optional(&mut *read).await? else { return Ok(None) };
        let sql = "SELECT version, material, public_key, messages, created_at FROM kms_key_versions
                   WHERE project = $1 AND name = $2 ORDER BY version";
        let query = sqlx::query_as(sql).bind(project.as_str()).bind(name);
        Ok(Some((key, query.fetch_all(&mut *read).await?)))
    }

    /// Kind and state of a key, for a change of it.
    pub(crate) async fn key_for_change(
        write: &mut Write,
        project: &ProjectId,
        name: &str,
    ) -> Result<KeyRow, OperationError> {
        let sql = "SELECT name, kind, active, created_at, revoked_at FROM kms_keys
                   WHERE project = $1 AND name = $2";
        let query = sqlx::query_as(sql).bind(project.as_str()).bind(name);
        query.fetch_optional(&mut **write).await?.ok_or(OperationError::KeyNotFound)
    }

    /// Keeps a new key without versions, where the project has fewer than `keys_max`.
    pub(crate) async fn insert_key(
        write: &mut Write,
        (project, name, kind): (&ProjectId, &str, &str),
        keys_max: u32,
    ) -> Result<(), OperationError> {
        let sql = "SELECT count(*) FROM kms_keys WHERE project = $1";
        let count: i64 = sqlx::query_scalar(sql).bind(project.as_str()).fetch_one(&mut **write).await?;
        if count >= i64::from(keys_max) {
            return Err(OperationError::TooMany { what: "keys", max: keys_max });
        }
        let sql = "INSERT INTO kms_keys (project, name, kind, active, created_at) VALUES ($1, $2, $3, 0, $4)";
        let query = sqlx::query(sql).bind(project.as_str()).bind(name).bind(kind).bind(now_ms());
        match query.execute(&mut **write).await.map_err(SqlError::from) {
            Ok(_) => Ok(()),
            Err(SqlError::Taken(_)) => Err(OperationError::KeyExists),
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps a version and makes it the active one.
    pub(crate) async fn insert_version(write: &mut Write, new: &NewVersion<'_>) -> Result<(), SqlError> {
        sqlx::query(
            "INSERT INTO kms_key_versions (project, name, version, material, public_key, messages, created_at)
             VALUES ($1, $2, $3, $4, $5, 0, $6)",
        )
        .bind(new.project.as_str())
        .bind(new.name)
        .bind(new.version)
        .bind(&new.material)
        .bind(new.public_key.as_deref())
        .bind(now_ms())
        .execute(&mut **write)
        .await?;
        let sql = "UPDATE kms_keys SET active = $3 WHERE project = $1 AND name = $2";
        let query = sqlx::query(sql).bind(new.project.as_str()).bind(new.name).bind(new.version);
        query.execute(&mut **write).await?;
        Ok(())
    }

    /// Sets `messages` more messages of a version aside, and gives how many are set aside now; `None` where
    /// they would be more than `messages_max`, or the version is gone.
    pub(crate) async fn reserve(
        &self,
        (project, name, version): (&ProjectId, &str, u32),
        messages: u64,
        messages_max: u64,
    ) -> Result<Option<u64>, SqlError> {
        let mut write = self.write().await?;
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let sql = "UPDATE kms_key_versions SET messages = min(messages + $4, $5)
                   WHERE project = $1 AND name = $2 AND version = $3 AND messages < $5 RETURNING messages";
        let query = sqlx::query_scalar::<_, i64>(sql).bind(project.as_str()).bind(name).bind(version);
        let query = query.bind(number(messages)).bind(number(messages_max));
        let reserved = query.fetch_optional(&mut *write).await?;
        write.commit().await?;
        Ok(reserved.map(i64::unsigned_abs))
    }

    /// Revokes a key and destroys its material.
    pub(crate) async fn revoke_key(
        write: &mut Write,
        project: &ProjectId,
        name: &str,
    ) -> Result<(), SqlError> {
        let sql = "UPDATE kms_keys SET revoked_at = $3 WHERE project = $1 AND name = $2";
        sqlx::query(sql).bind(project.as_str()).bind(name).bind(now_ms()).execute(&mut **write).await?;
        let sql = "UPDATE kms_key_versions SET material = NULL WHERE project = $1 AND name = $2";
        sqlx::query(sql).bind(project.as_str()).bind(name).execute(&mut **write).await?;
        Ok(())
    }

    /// Removes a key with its versions.
    pub(crate) async fn delete_key(
        write: &mut Write,
        project: &ProjectId,
        name: &str,
    ) -> Result<(), OperationError> {
        let sql = "DELETE FROM kms_keys WHERE project = $1 AND name = $2";
        let done = sqlx::query(sql).bind(project.as_str()).bind(name).execute(&mut **write).await?;
        if done.rows_affected() == 0 { Err(OperationError::KeyNotFound) } else { Ok(()) }
    }
}
