//! Settings of the object store (`storage.*`), and what it is given at the start.

use serde::Deserialize;
use sql::Database;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

const OBJECT_BYTES_MAX: NonZeroU64 = NonZeroU64::new(5 << 30).expect("not zero");
const OBJECTS_PER_PROJECT_MAX: NonZeroU64 = NonZeroU64::new(1_000_000).expect("not zero");
const BYTES_PER_PROJECT_MAX: NonZeroU64 = NonZeroU64::new(50 << 30).expect("not zero");
const TRANSFERS_MAX: NonZeroUsize = NonZeroUsize::new(512).expect("not zero");
const BODY_IDLE_MS_MAX: NonZeroU64 = NonZeroU64::new(30_000).expect("not zero");

/// What the store allows; each setting has a default.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageConfig {
    /// Bytes of one object.
    pub object_bytes_max: NonZeroU64,
    /// Objects of one project.
    pub objects_per_project_max: NonZeroU64,
    /// Bytes of all objects of one project.
    pub bytes_per_project_max: NonZeroU64,
    /// Objects that are read and written at the same time; one project has at most half. Over it comes
    /// `overloaded`.
    pub transfers_max: NonZeroUsize,
    /// How long the next part of an upload may take to arrive.
    pub body_idle_ms_max: NonZeroU64,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            object_bytes_max: OBJECT_BYTES_MAX,
            objects_per_project_max: OBJECTS_PER_PROJECT_MAX,
            bytes_per_project_max: BYTES_PER_PROJECT_MAX,
            transfers_max: TRANSFERS_MAX,
            body_idle_ms_max: BODY_IDLE_MS_MAX,
        }
    }
}

/// What the store works with.
#[derive(Debug, Clone)]
pub struct StorageDeps {
    /// Names, sizes and hashes; with `Durability::Full`.
    pub database: Database,
    /// Where the bytes are; nothing else may be there.
    pub directory: PathBuf,
    /// Where the server is reached, such as `https://api.example.com`: what signed addresses begin with.
    pub public_url: String,
}
