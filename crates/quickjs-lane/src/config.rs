//! What the lane is started with, and what a version is loaded from.

use std::time::Duration;

use worker_pool::VersionSpec;

use crate::capabilities::Capabilities;

/// Settings of one [`crate::Lane`].
#[derive(Debug, Clone)]
pub struct LaneConfig {
    /// Threads that run code. One project has at most all but one of them at a time.
    pub threads: usize,
    /// Memory of all instances together. Above it idle ones are dropped, then calls answered `overloaded`.
    pub memory_bytes_max: usize,
    /// Largest body of a request; a longer one breaks off for the handler. Bodies are whole in this runtime.
    pub request_bytes_max: usize,
    /// From the start of an import to its end.
    pub startup_timeout: Duration,
    /// How long `stop` and `retire` wait for calls in flight.
    pub drain_timeout: Duration,
}

impl Default for LaneConfig {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            threads: (2 * cores).max(4),
            memory_bytes_max: 1 << 30,
            request_bytes_max: 16 << 20,
            startup_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

/// A function version for the lane. Of its settings the lane takes `execution_timeout`, `memory_limit_bytes`,
/// `max_concurrency` (instances, of which each runs one call), `idle_timeout`, `queue_max`, `queue_timeout`,
/// `startup_timeout` and `allowed_hosts`;
/// workers and bytecode of Bun mean nothing to it.
#[derive(Clone)]
pub struct LaneSpec {
    /// What to load, and within which limits.
    pub version: VersionSpec,
    /// What it may do. The smaller of both memory limits holds.
    pub capabilities: Capabilities,
}

impl LaneSpec {
    /// Memory of one instance.
    pub(crate) fn memory_limit_bytes(&self) -> usize {
        let bytes = self.version.settings.memory_limit_bytes.min(self.capabilities.max_memory_bytes);
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }
}

/// The lane could not start.
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    /// The classes that functions see could not be compiled.
    #[error("the classes of the QuickJS lane could not be compiled: {0}")]
    Prelude(String),
    /// A thread could not be started.
    #[error("a thread of the QuickJS lane could not be started")]
    Thread(#[source] std::io::Error),
}
