//! `_system/auth/settings`: the configuration, the sealed keys and the number of users of a project.

use super::{Kept, Pending, Store, as_read, put};
use crate::error::TenantAuthError;
use crate::project_config::ProjectConfig;
use bson::Binary;
use bson::spec::BinarySubtype;
use serde::{Deserialize, Serialize};
use service_kit::ids::ProjectId;

const COLLECTION: &str = "_system/auth/settings";
const CONFIG: &str = "config";
const KEYS: &str = "keys";
const USERS: &str = "users";

#[derive(Serialize, Deserialize)]
struct StoredConfig {
    #[serde(rename = "_id")]
    id: String,
    config: ProjectConfig,
}

#[derive(Serialize, Deserialize)]
struct StoredCount {
    #[serde(rename = "_id")]
    id: String,
    count: i64,
}

/// The keys of a project. No `Debug`.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredKeys {
    #[serde(rename = "_id")]
    id: String,
    /// Sealed.
    pub(crate) token_secret: Binary,
    /// The oldest first; one is not retired, the last.
    pub(crate) keys: Vec<StoredKey>,
}

/// An Ed25519 key.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredKey {
    pub(crate) id: String,
    pub(crate) public: Binary,
    /// The sealed seed.
    pub(crate) sealed: Binary,
    pub(crate) created_at: i64,
    pub(crate) retired_at: Option<i64>,
}

impl StoredKeys {
    pub(crate) fn new(token_secret: Vec<u8>, keys: Vec<StoredKey>) -> Self {
        Self { id: KEYS.to_owned(), token_secret: binary(token_secret), keys }
    }
}

impl StoredKey {
    pub(crate) fn new(id: String, public: &[u8], sealed: Vec<u8>, created_at: i64) -> Self {
        Self { id, public: binary(public.to_vec()), sealed: binary(sealed), created_at, retired_at: None }
    }
}

fn binary(bytes: Vec<u8>) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes }
}

impl Store {
    pub(crate) async fn config(
        &self,
        project: &ProjectId,
    ) -> Result<Option<Kept<ProjectConfig>>, TenantAuthError> {
        let kept: Option<Kept<StoredConfig>> = self.get(project, COLLECTION, CONFIG).await?;
        Ok(kept.map(|kept| Kept { value: kept.value.config, version: kept.version }))
    }

    pub(crate) async fn put_config(
        &self,
        project: &ProjectId,
        config: &ProjectConfig,
        version: Option<u64>,
    ) -> Result<(), TenantAuthError> {
        let stored = StoredConfig { id: CONFIG.to_owned(), config: config.clone() };
        self.commit(project, [put(COLLECTION, &stored, as_read(version))?]).await
    }

    pub(crate) async fn keys(
        &self,
        project: &ProjectId,
    ) -> Result<Option<Kept<StoredKeys>>, TenantAuthError> {
        self.get(project, COLLECTION, KEYS).await
    }

    pub(crate) async fn put_keys(
        &self,
        project: &ProjectId,
        keys: &StoredKeys,
        version: Option<u64>,
    ) -> Result<(), TenantAuthError> {
        self.commit(project, [put(COLLECTION, keys, as_read(version))?]).await
    }

    /// The number of users; 0 and no version where none was counted yet.
    pub(crate) async fn user_count(
        &self,
        project: &ProjectId,
    ) -> Result<(i64, Option<u64>), TenantAuthError> {
        let kept: Option<Kept<StoredCount>> = self.get(project, COLLECTION, USERS).await?;
        Ok(kept.map_or((0, None), |kept| (kept.value.count, Some(kept.version))))
    }

    pub(crate) fn put_user_count(count: i64, version: Option<u64>) -> Result<Pending, TenantAuthError> {
        let stored = StoredCount { id: USERS.to_owned(), count };
        put(COLLECTION, &stored, as_read(version))
    }
}
