//! The pool: spare workers, and the versions that take them.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::config::PoolConfig;
use crate::error::{LoadError, PoolError, StartError};
use crate::host::Host;
use crate::metrics::Metrics;
use crate::process::{Launcher, Spawner, WORK_DIR_BYTES_MAX};
use crate::session::start_worker;
use crate::spec::VersionSpec;
use crate::stats::PoolStats;
use crate::supervisor;
use crate::version::{Version, VersionPool};
use crate::worker::{EndReason, Worker};

const SCRIPT: &[u8] = include_bytes!(env!("BUNBASE_WORKER_SCRIPT"));
/// After a spare could not be started.
const REFILL_BACKOFF: Duration = Duration::from_secs(1);

/// All workers of one server.
pub struct WorkerPool {
    shared: Arc<Shared>,
    tasks: [JoinHandle<()>; 2],
}

/// What the pool, its versions and its workers share.
pub(crate) struct Shared {
    pub(crate) launcher: Launcher,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) metrics: Metrics,
    pub(crate) next_worker: AtomicU64,
    pub(crate) drain_timeout: Duration,
    spare_workers: usize,
    stopping: AtomicBool,
    spares: Mutex<VecDeque<Arc<Worker>>>,
    refill: Notify,
    /// Workers that belong to a version, by number.
    busy: Mutex<HashMap<u64, Arc<Worker>>>,
    versions: Mutex<Vec<Weak<Version>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl WorkerPool {
    /// Empties the work directory, writes the worker program there and starts the spares. Fails where not even
    /// one worker comes up.
    pub async fn start(config: PoolConfig, host: Arc<dyn Host>) -> Result<Arc<Self>, PoolError> {
        let PoolConfig { bun, spare_workers, work_dir, startup_timeout, drain_timeout } = config;
        let path = work_dir.display().to_string();
        let work_dir =
            prepare(&work_dir).map_err(|source| PoolError::WorkDir { path: path.clone(), source })?;
        if work_dir.as_os_str().len() > WORK_DIR_BYTES_MAX {
            return Err(PoolError::WorkDirTooLong { path, bytes_max: WORK_DIR_BYTES_MAX });
        }
        let script = work_dir.join("worker.js");
        std::fs::write(&script, SCRIPT).map_err(|source| PoolError::WorkDir { path, source })?;
        let launcher = Launcher { bun, script, work_dir, startup_timeout, spawner: Spawner::start() };
        let shared = Arc::new(Shared {
            launcher,
            host,
            metrics: Metrics::register(),
            next_worker: AtomicU64::new(1),
            drain_timeout,
            spare_workers,
            stopping: AtomicBool::new(false),
            spares: Mutex::default(),
            refill: Notify::new(),
            busy: Mutex::default(),
            versions: Mutex::default(),
        });
        let first = start_worker(&shared).await.map_err(PoolError::Start)?;
        lock(&shared.spares).push_back(first);
        shared.refill.notify_one();
        let refilling = tokio::spawn(Arc::clone(&shared).keep_spares());
        let supervising = tokio::spawn(supervisor::run(Arc::clone(&shared)));
        Ok(Arc::new(Self { shared, tasks: [refilling, supervising] }))
    }

    /// Makes a version callable without starting a process: its first call is a cold start, unless `min_warm`
    /// asks for workers.
    pub fn register(&self, spec: VersionSpec) -> Arc<VersionPool> {
        let version = Arc::new(Version::new(spec, Arc::clone(&self.shared)));
        self.shared.add_version(&version);
        Arc::new(VersionPool::new(version))
    }

    /// Imports the bundle in a real worker and makes the version callable, with that worker warm.
    pub async fn load(&self, spec: VersionSpec) -> Result<Arc<VersionPool>, LoadError> {
        let version = Arc::new(Version::new(spec, Arc::clone(&self.shared)));
        version.add_worker().await?;
        self.shared.add_version(&version);
        Ok(Arc::new(VersionPool::new(version)))
    }

    /// Takes no more calls, waits for those in flight (at most the drain timeout), ends all workers.
    pub async fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Release);
        // Those that are retiring too: the supervisor, which ends their workers, has to outlive them.
        let versions = self.shared.known_versions();
        join_all(versions.iter().map(|version| version.retire())).await;
        let spares: Vec<_> = lock(&self.shared.spares).drain(..).collect();
        join_all(spares.iter().map(|worker| async {
            worker.end(EndReason::Retired);
            worker.has_ended().await;
        }))
        .await;
        for task in &self.tasks {
            task.abort();
        }
    }

    /// What the pool is doing.
    pub fn stats(&self) -> PoolStats {
        PoolStats {
            spares: lock(&self.shared.spares).len(),
            workers: lock(&self.shared.busy).len(),
            versions: self.shared.known_versions().iter().filter(|version| !version.is_retired()).count(),
        }
    }
}

impl std::fmt::Debug for WorkerPool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("WorkerPool").field(&self.stats()).finish()
    }
}

impl Drop for WorkerPool {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        for task in &self.tasks {
            task.abort();
        }
        for worker in lock(&self.shared.spares).drain(..) {
            worker.end(EndReason::Retired);
        }
    }
}

impl Shared {
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// A spare that stands ready, or a fresh worker where there is none.
    pub(crate) async fn take_spare(self: &Arc<Self>) -> Result<Arc<Worker>, StartError> {
        if self.is_stopping() {
            return Err(StartError::Stopping);
        }
        let spare = lock(&self.spares).pop_front();
        self.refill.notify_one();
        let worker = match spare {
            Some(worker) => worker,
            None => start_worker(self).await?,
        };
        lock(&self.busy).insert(worker.number, Arc::clone(&worker));
        Ok(worker)
    }

    /// The worker has ended.
    pub(crate) fn forget(&self, worker: &Worker) {
        lock(&self.busy).remove(&worker.number);
        lock(&self.spares).retain(|spare| spare.number != worker.number);
        self.refill.notify_one();
    }

    pub(crate) fn busy_workers(&self) -> Vec<Arc<Worker>> {
        let busy: Vec<_> = lock(&self.busy).values().map(Arc::clone).collect();
        self.metrics.workers.set(busy.len() as f64);
        busy
    }

    fn add_version(&self, version: &Arc<Version>) {
        let mut versions = lock(&self.versions);
        versions.retain(|known| known.strong_count() > 0);
        versions.push(Arc::downgrade(version));
        drop(versions);
        version.keep_warm();
    }

    fn known_versions(&self) -> Vec<Arc<Version>> {
        lock(&self.versions).iter().filter_map(Weak::upgrade).collect()
    }

    async fn keep_spares(self: Arc<Self>) {
        loop {
            self.refill.notified().await;
            while !self.is_stopping() && lock(&self.spares).len() < self.spare_workers {
                match start_worker(&self).await {
                    Ok(worker) => lock(&self.spares).push_back(worker),
                    Err(error) => {
                        tracing::warn!(%error, "spare worker could not be started");
                        tokio::time::sleep(REFILL_BACKOFF).await;
                    }
                }
            }
            self.metrics.spares.set(lock(&self.spares).len() as f64);
        }
    }
}

/// An empty directory that only its owner can enter; what workers of an earlier run left is removed.
fn prepare(work_dir: &Path) -> io::Result<std::path::PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(work_dir)?;
    std::fs::set_permissions(work_dir, std::fs::Permissions::from_mode(0o700))?;
    let work_dir = work_dir.canonicalize()?;
    for entry in std::fs::read_dir(&work_dir)?.filter_map(Result::ok) {
        if is_worker_directory(&entry.file_name().to_string_lossy()) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(work_dir)
}

fn is_worker_directory(name: &str) -> bool {
    name.strip_prefix('w')
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}
