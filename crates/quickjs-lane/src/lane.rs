//! The lane: threads, memory, and the versions that share them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use outbound::OutboundClient;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use worker_pool::{Host, InvokeError, LoadError};

use crate::bytecode::Bytecode;
use crate::config::{LaneConfig, LaneError, LaneSpec};
use crate::memory::LaneMemory;
use crate::metrics::Metrics;
use crate::operations::Outside;
use crate::prelude;
use crate::threads::Threads;
use crate::version::{LaneVersion, Version};

/// How often idle instances are looked at.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// What a call is told that finds the lane's memory full.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// All functions of one server that run in process.
pub struct Lane {
    shared: Arc<Shared>,
    sweeping: JoinHandle<()>,
}

/// What the lane is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LaneStats {
    /// Versions that can be called.
    pub versions: usize,
    /// Calls that run or wait for something outside.
    pub in_flight: usize,
    /// Instances that wait for a call.
    pub idle_instances: usize,
    /// Memory of all instances, to within 64 KiB for each.
    pub memory_bytes: usize,
}

/// What versions share.
pub(crate) struct Shared {
    pub(crate) config: LaneConfig,
    pub(crate) threads: Arc<Threads>,
    pub(crate) memory: Arc<LaneMemory>,
    pub(crate) outside: Outside,
    pub(crate) prelude: Bytecode,
    pub(crate) metrics: Metrics,
    versions: Mutex<Vec<Weak<Version>>>,
    projects: Mutex<HashMap<Arc<str>, Weak<Semaphore>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lane {
    /// Starts the threads. Needs a tokio runtime.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(
        config: LaneConfig,
        host: Arc<dyn Host>,
        outbound: OutboundClient,
    ) -> Result<Arc<Self>, LaneError> {
        let shared = Arc::new(Shared {
            threads: Arc::new(Threads::start(config.threads).map_err(LaneError::Thread)?),
            memory: Arc::new(LaneMemory::new(config.memory_bytes_max)),
            outside: Outside { host, outbound },
            prelude: prelude::compile()?,
            metrics: Metrics::register(),
            versions: Mutex::default(),
            projects: Mutex::default(),
            config,
        });
        let sweeping = tokio::spawn(sweep(Arc::downgrade(&shared)));
        Ok(Arc::new(Self { shared, sweeping }))
    }

    /// Makes a version callable without running any of it: its first call compiles and imports it.
    pub fn register(&self, spec: LaneSpec) -> Arc<LaneVersion> {
        let version = Arc::new(Version::new(spec, Arc::clone(&self.shared)));
        self.shared.add(&version);
        Arc::new(LaneVersion::new(version))
    }

    /// Compiles and imports the bundle, and makes the version callable.
    ///
    /// # Errors
    /// The same as those of a pool of workers, with the same codes.
    pub async fn load(&self, spec: LaneSpec) -> Result<Arc<LaneVersion>, LoadError> {
        let version = Arc::new(Version::new(spec, Arc::clone(&self.shared)));
        version.load().await?;
        self.shared.add(&version);
        Ok(Arc::new(LaneVersion::new(version)))
    }

    /// Retires all versions. The threads end with the lane.
    pub async fn stop(&self) {
        let versions = self.shared.known();
        join_all(versions.iter().map(|version| version.retire())).await;
        self.sweeping.abort();
    }

    /// What the lane is doing.
    pub fn stats(&self) -> LaneStats {
        let versions = self.shared.known();
        LaneStats {
            versions: versions.len(),
            in_flight: versions.iter().map(|version| version.seats.taken()).sum(),
            idle_instances: versions.iter().map(|version| version.seats.idle_count()).sum(),
            memory_bytes: self.shared.memory.used_bytes(),
        }
    }
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Lane").field(&self.stats()).finish()
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.sweeping.abort();
    }
}

impl Shared {
    fn add(&self, version: &Arc<Version>) {
        let mut versions = lock(&self.versions);
        versions.retain(|known| known.strong_count() > 0);
        versions.push(Arc::downgrade(version));
    }

    fn known(&self) -> Vec<Arc<Version>> {
        lock(&self.versions).iter().filter_map(Weak::upgrade).collect()
    }

    /// The turns of a project: all threads but one.
    pub(crate) fn turns_of(&self, project: &Arc<str>) -> Arc<Semaphore> {
        let mut projects = lock(&self.projects);
        projects.retain(|_, turns| turns.strong_count() > 0);
        if let Some(turns) = projects.get(project).and_then(Weak::upgrade) {
            return turns;
        }
        let turns = Arc::new(Semaphore::new(self.config.threads.saturating_sub(1).max(1)));
        projects.insert(Arc::clone(project), Arc::downgrade(&turns));
        turns
    }

    /// Where the memory is full, idle instances make room; an error where that is not enough for another one.
    pub(crate) fn make_room(&self) -> Result<(), InvokeError> {
        if self.memory.is_full() {
            for version in self.known() {
                drop(version.seats.take_idle());
            }
        }
        if self.memory.is_full() {
            return Err(InvokeError::Overloaded { retry_after: RETRY_AFTER });
        }
        Ok(())
    }
}

async fn sweep(shared: Weak<Shared>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let Some(shared) = shared.upgrade() else { return };
        shared.metrics.memory_bytes.set(shared.memory.used_bytes() as f64);
        for version in shared.known() {
            shared.threads.discard(version.seats.take_stale());
        }
    }
}
