//! Settings of the key-value store (`kv.*`).

use serde::Deserialize;
use std::num::{NonZeroU64, NonZeroUsize};

const VALUE_BYTES_MAX: NonZeroUsize = NonZeroUsize::new(1 << 20).expect("not zero");
const KEYS_PER_PROJECT_MAX: NonZeroU64 = NonZeroU64::new(1_000_000).expect("not zero");
const BYTES_PER_PROJECT_MAX: NonZeroU64 = NonZeroU64::new(1 << 30).expect("not zero");
const QUEUE_MAX: NonZeroUsize = NonZeroUsize::new(1_024).expect("not zero");
const QUEUE_BYTES_MAX: NonZeroUsize = NonZeroUsize::new(64 << 20).expect("not zero");
const BATCH_MAX: NonZeroUsize = NonZeroUsize::new(128).expect("not zero");
const SWEEP_EVERY_MS: NonZeroU64 = NonZeroU64::new(10_000).expect("not zero");

/// What the store allows; each setting has a default.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KvConfig {
    /// Bytes of one value.
    pub value_bytes_max: NonZeroUsize,
    /// Keys of one project.
    pub keys_per_project_max: NonZeroU64,
    /// Bytes of all keys and values of one project.
    pub bytes_per_project_max: NonZeroU64,
    /// Writes that may wait; one project has at most half. Over it comes `overloaded`.
    pub queue_max: NonZeroUsize,
    /// Bytes of values that may wait; one project has at most half.
    pub queue_bytes_max: NonZeroUsize,
    /// Writes that share one transaction.
    pub batch_max: NonZeroUsize,
    /// How often expired keys are removed from the disk.
    pub sweep_every_ms: NonZeroU64,
}

impl Default for KvConfig {
    fn default() -> Self {
        Self {
            value_bytes_max: VALUE_BYTES_MAX,
            keys_per_project_max: KEYS_PER_PROJECT_MAX,
            bytes_per_project_max: BYTES_PER_PROJECT_MAX,
            queue_max: QUEUE_MAX,
            queue_bytes_max: QUEUE_BYTES_MAX,
            batch_max: BATCH_MAX,
            sweep_every_ms: SWEEP_EVERY_MS,
        }
    }
}
