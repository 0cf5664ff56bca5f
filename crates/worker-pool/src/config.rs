//! What a pool is started with. Complete before anything is spawned.

use std::path::PathBuf;
use std::time::Duration;

use crate::bun::BunBinary;
use crate::launch::LaunchProgram;

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
    /// Restricts itself and becomes a worker. Without it workers are started as they are: see [`crate::Isolation`].
    pub launch_program: Option<LaunchProgram>,
    /// A cgroup that was given to the server, in which the memory of each worker is limited. Without it, one that
    /// systemd delegated (`Delegate=memory pids`, `DelegateSubgroup=server`) is found; else memory is watched.
    pub cgroup: Option<PathBuf>,
}

impl PoolConfig {
    /// The defaults: two spares, 10 s to start, 10 s to drain, started through this process's own program where
    /// its `main` called [`crate::launch_if_asked`].
    pub fn new(bun: BunBinary, work_dir: impl Into<PathBuf>) -> Self {
        Self {
            bun,
            spare_workers: 2,
            work_dir: work_dir.into(),
            startup_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(10),
            launch_program: LaunchProgram::own(),
            cgroup: None,
        }
    }
}
