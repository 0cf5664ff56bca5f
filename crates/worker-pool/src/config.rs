//! What a pool is started with. Complete before anything is spawned.

use std::path::PathBuf;
use std::time::Duration;

use crate::bun::BunBinary;

/// Settings of one [`crate::WorkerPool`].
#[derive(Debug, Clone)]
pub struct PoolConfig {
    /// The Bun that runs the workers.
    pub bun: BunBinary,
    /// Generic workers that stand ready to load a bundle.
    pub spare_workers: usize,
    /// Private directories of the workers are made in here; what an earlier run left is removed at start.
    /// Its absolute path has at most 72 bytes, because sockets are made in it.
    pub work_dir: PathBuf,
    /// From spawn to hello, and from load to loaded.
    pub startup_timeout: Duration,
    /// How long `stop` and `retire` wait for calls in flight.
    pub drain_timeout: Duration,
}

impl PoolConfig {
    /// The defaults: two spares, 10 s to start, 10 s to drain.
    pub fn new(bun: BunBinary, work_dir: impl Into<PathBuf>) -> Self {
        Self {
            bun,
            spare_workers: 2,
            work_dir: work_dir.into(),
            startup_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(10),
        }
    }
}
