//! The pool: spares and versions.
use crate::{Host, LoadError, PoolConfig, PoolError, PoolStats, VersionPool, VersionSpec};
use std::sync::Arc;

/// All workers of one server.
#[derive(Debug)]
pub struct WorkerPool {}
impl WorkerPool {
    /// Starts the spares.
    pub async fn start(_config: PoolConfig, _host: Arc<dyn Host>) -> Result<Arc<Self>, PoolError> {
        Ok(Arc::new(Self {}))
    }
    /// Makes a version callable without starting a process: its first call is a cold start.
    pub fn register(self: &Arc<Self>, _spec: VersionSpec) -> Arc<VersionPool> {
        Arc::new(VersionPool {})
    }
    /// Imports the bundle in a real worker and makes the version callable, with that worker warm.
    pub async fn load(self: &Arc<Self>, spec: VersionSpec) -> Result<Arc<VersionPool>, LoadError> {
        Ok(self.register(spec))
    }
    /// Drains the calls in flight and ends all workers.
    pub async fn stop(&self) {}
    /// What the pool is doing.
    pub fn stats(&self) -> PoolStats {
        PoolStats::default()
    }
}
