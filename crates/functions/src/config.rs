//! Settings of the service. All have defaults; those of a function's calls can be set for each function.

use crate::bundle::BuildLimits;
use crate::front::BodyLimits;
use serde::Deserialize;
use std::time::Duration;
use worker_pool::{PoolConfig, VersionSettings};

/// Settings of [`crate::FunctionsService`].
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FunctionsConfig {
    /// Workers that stand ready to load a bundle.
    pub spare_workers: usize,
    /// A worker that needs longer to start, or to import a bundle, is given up.
    pub startup_timeout_ms: u64,
    /// How long a version that is replaced, and the whole at the end, waits for calls in flight.
    pub drain_timeout_ms: u64,
    /// Largest body of a call.
    pub body_bytes_max: usize,
    /// A small body has to arrive within this time.
    pub body_timeout_ms: u64,
    /// Bytes of a deployment's body.
    pub deployment_bytes_max: usize,
    /// Largest source or bundle of a deployment.
    pub bundle_bytes_max: usize,
    /// Functions of one project.
    pub functions_max: usize,
    /// Versions that are kept of one function, the active one among them.
    pub versions_max: usize,
    /// Bundlers that run at once.
    pub builds_max: usize,
    /// A bundler that needs longer is ended.
    pub build_timeout_ms: u64,
    /// Default of a function: time from the start of a call to the head of its answer.
    pub execution_timeout_ms: u64,
    /// Default of a function: memory of one worker.
    pub memory_limit_mb: u64,
    /// Default of a function: worker processes. 0 is one for each core, at least 2.
    pub max_workers: u64,
    /// Default of a function: calls in flight in one worker.
    pub max_concurrency: u64,
    /// A worker without a call for so long is ended.
    pub idle_timeout_ms: u64,
    /// Calls that wait for a worker of one function.
    pub queue_max: usize,
    /// How long a call waits for a worker.
    pub queue_timeout_ms: u64,
    /// Streams of logs that are open at the same time, of all projects.
    pub log_streams_max: usize,
    /// Those of one project.
    pub log_streams_per_project_max: usize,
}

impl Default for FunctionsConfig {
    fn default() -> Self {
        Self {
            spare_workers: 2,
            startup_timeout_ms: 10_000,
            drain_timeout_ms: 10_000,
            body_bytes_max: 16 << 20,
            body_timeout_ms: 30_000,
            deployment_bytes_max: 64 << 20,
            bundle_bytes_max: 40 << 20,
            functions_max: 1_000,
            versions_max: 10,
            builds_max: 2,
            build_timeout_ms: 30_000,
            execution_timeout_ms: 30_000,
            memory_limit_mb: 256,
            max_workers: 0,
            max_concurrency: 100,
            idle_timeout_ms: 300_000,
            queue_max: 1_000,
            queue_timeout_ms: 10_000,
            log_streams_max: 1_000,
            log_streams_per_project_max: 100,
        }
    }
}

impl FunctionsConfig {
    /// Applies what concerns the whole pool.
    pub(crate) fn apply_to(&self, pool: &mut PoolConfig) {
        pool.spare_workers = self.spare_workers;
        pool.startup_timeout = Duration::from_millis(self.startup_timeout_ms);
        pool.drain_timeout = Duration::from_millis(self.drain_timeout_ms);
    }

    pub(crate) fn build_limits(&self) -> BuildLimits {
        BuildLimits { builds_max: self.builds_max, timeout: Duration::from_millis(self.build_timeout_ms) }
    }

    pub(crate) fn body_limits(&self) -> BodyLimits {
        BodyLimits { bytes_max: self.body_bytes_max, timeout: Duration::from_millis(self.body_timeout_ms) }
    }

    /// What a version gets that no setting of its function changes.
    pub(crate) fn version_settings(&self) -> VersionSettings {
        VersionSettings {
            idle_timeout: Duration::from_millis(self.idle_timeout_ms),
            queue_max: self.queue_max,
            queue_timeout: Duration::from_millis(self.queue_timeout_ms),
            ..VersionSettings::default()
        }
    }

    /// Workers of a function that does not say how many.
    pub(crate) fn default_workers(&self) -> u64 {
        if self.max_workers > 0 {
            return self.max_workers;
        }
        std::thread::available_parallelism().map_or(2, |cores| cores.get() as u64).max(2)
    }
}
