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
    /// Until when the text before the last rotation is valid.
    pub(crate) old_until: Option<i64>,
}

/// A key that somebody brought along.
#[derive(sqlx::FromRow)]
pub(crate) struct StoredKey {
    pub(crate) id: String,
    pub(crate) project: String,
    pub(crate) kind: String,
    pub(crate) last_used_at: Option<i64>,
    /// Until when this text of it is valid; `None` for the current one.
    pub(crate) until: Option<i64>,
}

/// The hashes of a key: of its text, and of the text before.
#[derive(sqlx::FromRow)]
pub(super) struct KeyHashes {
    key_hash: Vec<u8>,
    old_hash: Option<Vec<u8>>,
}

impl KeyHashes {
    pub(super) fn all(&self) -> impl Iterator<Item = TokenHash> {
        let hashes = [Some(self.key_hash.as_slice()), self.old_hash.as_deref()];
        hashes.into_iter().flatten().filter_map(TokenHash::from_bytes)
    }
}

/// A new text for a key.
pub(crate) struct Rotation<'a> {
    pub(crate) project: &'a ProjectId,
    pub(crate) key: &'a KeyId,
    pub(crate) hash: TokenHash,
    pub(crate) public_key: Option<&'a str>,
    pub(crate) last4: &'a str,
    /// Until when the old text is valid; `None` where it ends at once.
    pub(crate) old_until: Option<i64>,
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
            old_until: None,
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
        let sql = "SELECT id, kind, name, public_key, last4, created_at, last_used_at, old_until
                   FROM project_keys WHERE project = $1 ORDER BY id";
        Ok(sqlx::query_as(sql).bind(project.as_str()).fetch_all(self.database.read()).await?)
    }

    /// The key with this hash.
    pub(crate) async fn key_by_hash(&self, hash: &TokenHash) -> Result<Option<StoredKey>, SqlError> {
        let sql = "SELECT id, project, kind, last_used_at, NULL AS until
                   FROM project_keys WHERE key_hash = $1
                   UNION ALL SELECT id, project, kind, last_used_at, old_until
                   FROM project_keys WHERE old_hash = $1";
        Ok(sqlx::query_as(sql).bind(hash.as_bytes()).fetch_optional(self.database.read()).await?)
    }

    /// The kind of a key, as it is stored; it never changes.
    pub(crate) async fn key_kind(
        &self,
        project: &ProjectId,
        key: &KeyId,
    ) -> Result<Option<String>, SqlError> {
        let sql = "SELECT kind FROM project_keys WHERE project = $1 AND id = $2";
        let query = sqlx::query_scalar(sql).bind(project.as_str()).bind(key.as_str());
        Ok(query.fetch_optional(self.database.read()).await?)
    }

    /// Gives a key a new text. `None` where the project has no such key; else the key as it is now, and
    /// the hashes it had before.
    pub(crate) async fn rotate_key(
        &self,
        rotation: &Rotation<'_>,
    ) -> Result<Option<(KeyRow, Vec<TokenHash>)>, SqlError> {
        let mut write = self.database.write().await?;
        let sql = "SELECT key_hash, old_hash FROM project_keys WHERE project = $1 AND id = $2";
        let query = sqlx::query_as(sql).bind(rotation.project.as_str()).bind(rotation.key.as_str());
        let before: Option<KeyHashes> = query.fetch_optional(&mut *write).await?;
        let Some(before) = before else { return Ok(None) };
        let row = sqlx::query_as(
            "UPDATE project_keys SET old_hash = iif($6 IS NULL, NULL, key_hash), old_until = $6,
                                     key_hash = $3, public_key = $4, last4 = $5
             WHERE project = $1 AND id = $2
             RETURNING id, kind, name, public_key, last4, created_at, last_used_at, old_until",
        )
        .bind(rotation.project.as_str())
        .bind(rotation.key.as_str())
        .bind(rotation.hash.as_bytes())
        .bind(rotation.public_key)
        .bind(rotation.last4)
        .bind(rotation.old_until)
        .fetch_one(&mut *write)
        .await?;
        write.commit().await?;
        Ok(Some((row, before.all().collect())))
    }

    /// Removes a key of a project and gives its hashes; `None` where the project has no such key.
    pub(crate) async fn delete_key(
        &self,
        project: &ProjectId,
        key: &KeyId,
    ) -> Result<Option<Vec<TokenHash>>, SqlError> {
        let mut write = self.database.write().await?;
        let sql = "DELETE FROM project_keys WHERE project = $1 AND id = $2 RETURNING key_hash, old_hash";
        let query = sqlx::query_as(sql).bind(project.as_str()).bind(key.as_str());
        let hashes: Option<KeyHashes> = query.fetch_optional(&mut *write).await?;
        write.commit().await?;
        Ok(hashes.map(|hashes| hashes.all().collect()))
    }

    /// Writes when keys were last used.
    pub(crate) async fn touch_keys(&self, used: &[(KeyId, i64)]) -> Result<(), SqlError> {
        for batch in used.chunks(UPDATES_MAX) {
            let mut write = self.database.write().await?;
            for (key, used_at) in batch {
                sqlx::query(
                    "UPDATE project_keys SET last_used_at = max(ifnull(last_used_at, 0), $2) WHERE id = $1",
                )
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
