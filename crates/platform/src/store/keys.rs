//! `project_keys`: every key by its hash; a public key also as text, because it may be shown again.

use super::Store;
use crate::error::PlatformError;
use ports::access::KeyKind;
use service_kit::ids::{KeyId, ProjectId};
use service_kit::secret::TokenHash;
use sql::{SqlError, Write};

/// Rows that one transaction updates, so that it holds the writer for a moment only.
const UPDATES_MAX: usize = 500;

/// A key to be kept.
pub(crate) struct NewKey {
    pub(crate) id: KeyId,
    pub(crate) kind: KeyKind,
    pub(crate) name: String,
    pub(crate) hash: TokenHash,
    pub(crate) public_key: Option<String>,
    pub(crate) last4: String,
    pub(crate) created_at: i64,
}

/// A key as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct KeyRow {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) public_key: Option<String>,
    pub(crate) last4: String,
    pub(crate) created_at: i64,
    pub(crate) last_used_at: Option<i64>,
}

/// A key that somebody brought along.
#[derive(sqlx::FromRow)]
pub(crate) struct StoredKey {
    pub(crate) id: String,
    pub(crate) project: String,
    pub(crate) kind: String,
    pub(crate) last_used_at: Option<i64>,
}

/// The kind as it is stored and shown.
pub(crate) fn kind_text(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Public => "public",
        KeyKind::Secret => "secret",
    }
}

impl NewKey {
    pub(crate) async fn insert(&self, write: &mut Write, project: &ProjectId) -> Result<(), SqlError> {
        sqlx::query(
            "INSERT INTO project_keys (id, project, kind, name, key_hash, public_key, last4, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(self.id.as_str())
        .bind(project.as_str())
        .bind(kind_text(self.kind))
        .bind(&self.name)
        .bind(self.hash.as_bytes())
        .bind(self.public_key.as_deref())
        .bind(&self.last4)
        .bind(self.created_at)
        .execute(&mut **write)
        .await?;
        Ok(())
    }
}

impl From<&NewKey> for KeyRow {
    fn from(new: &NewKey) -> Self {
        Self {
            id: new.id.as_str().to_owned(),
            kind: kind_text(new.kind).to_owned(),
            name: new.name.clone(),
            public_key: new.public_key.clone(),
            last4: new.last4.clone(),
            created_at: new.created_at,
            last_used_at: None,
        }
    }
}

impl Store {
    /// Keeps a key, where the project has fewer than `keys_max`.
    pub(crate) async fn create_key(
        &self,
        project: &ProjectId,
        new: &NewKey,
        keys_max: u32,
    ) -> Result<(), PlatformError> {
        let mut write = self.database.write().await?;
        let sql = "SELECT (SELECT count(*) FROM project_keys WHERE project = $1) FROM projects WHERE id = $1";
        let query = sqlx::query_scalar::<_, i64>(sql).bind(project.as_str());
        let count = query.fetch_optional(&mut *write).await.map_err(SqlError::from)?;
        if count.ok_or(PlatformError::ProjectNotFound)? >= i64::from(keys_max) {
            return Err(PlatformError::TooManyKeys { limit: keys_max });
        }
        new.insert(&mut write, project).await?;
        Ok(write.commit().await.map_err(SqlError::from)?)
    }

    /// The keys of a project, in the order they were made.
    pub(crate) async fn keys(&self, project: &ProjectId) -> Result<Vec<KeyRow>, SqlError> {
        let sql = "SELECT id, kind, name, public_key, last4, created_at, last_used_at
                   FROM project_keys WHERE project = $1 ORDER BY id";
        Ok(sqlx::query_as(sql).bind(project.as_str()).fetch_all(self.database.read()).await?)
    }

    /// The key with this hash.
    pub(crate) async fn key_by_hash(&self, hash: &TokenHash) -> Result<Option<StoredKey>, SqlError> {
        let sql = "SELECT id, project, kind, last_used_at FROM project_keys WHERE key_hash = $1";
        Ok(sqlx::query_as(sql).bind(hash.as_bytes()).fetch_optional(self.database.read()).await?)
    }

    /// Removes a key of a project and gives its hash; `None` where the project has no such key.
    pub(crate) async fn delete_key(
        &self,
        project: &ProjectId,
        key: &KeyId,
    ) -> Result<Option<TokenHash>, SqlError> {
        let mut write = self.database.write().await?;
        let sql = "DELETE FROM project_keys WHERE project = $1 AND id = $2 RETURNING key_hash";
        let query = sqlx::query_scalar::<_, Vec<u8>>(sql).bind(project.as_str()).bind(key.as_str());
        let hash = query.fetch_optional(&mut *write).await?;
        write.commit().await?;
        Ok(hash.and_then(|bytes| TokenHash::from_bytes(&bytes)))
    }

    /// Writes when keys were last used.
    pub(crate) async fn touch_keys(&self, used: &[(KeyId, i64)]) -> Result<(), SqlError> {
        for batch in used.chunks(UPDATES_MAX) {
            let mut write = self.database.write().await?;
            for (key, used_at) in batch {
                sqlx::query("UPDATE project_keys SET last_used_at = $2 WHERE id = $1")
                    .bind(key.as_str())
                    .bind(used_at)
                    .execute(&mut *write)
                    .await?;
            }
            write.commit().await?;
        }
        Ok(())
    }
}
