//! The pool: spare workers, and the versions that take them.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::cgroup::Cgroups;
use crate::config::PoolConfig;
use crate::error::{LoadError, PoolError, StartError};
use crate::host::Host;
use crate::isolation::Isolation;
use crate::launch::Network;
use crate::metrics::Metrics;
use crate::process::{Launcher, Spawner, WORK_DIR_BYTES_MAX};
use crate::session::start_worker;
use crate::spec::VersionSpec;
use crate::state::{EndReason, WorkerChange, WorkerState};
use crate::stats::PoolStats;
use crate::supervisor;
use crate::version::{Version, VersionPool};
use crate::worker::Worker;

const SCRIPT: &[u8] = include_bytes!(env!("BUNBASE_WORKER_SCRIPT"));
/// After a spare could not be started.
const REFILL_BACKOFF: Duration = Duration::from_secs(1);

/// All workers of one server.
pub struct WorkerPool {
    shared: Arc<Shared>,
    isolation: Isolation,
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
        let PoolConfig {
            bun,
            spare_workers,
            work_dir,
            startup_timeout,
            drain_timeout,
            launch_program,
            cgroup,
        } = config;
        let path = work_dir.display().to_string();
        let work_dir =
            prepare(&work_dir).map_err(|source| PoolError::WorkDir { path: path.clone(), source })?;
        if work_dir.as_os_str().len() > WORK_DIR_BYTES_MAX {
            return Err(PoolError::WorkDirTooLong { path, bytes_max: WORK_DIR_BYTES_MAX });
        }
        let script = write_script(&work_dir).map_err(|source| PoolError::WorkDir { path, source })?;
        let launcher = Launcher {
            bun,
            script,
            work_dir,
            startup_timeout,
            spawner: Spawner::start(),
            program: launch_program,
            cgroups: Cgroups::find(cgroup.as_deref()),
        };
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
        let first = start_worker(&shared, Network::Open).await.map_err(PoolError::Start)?;
        let isolation = first.place.isolation;
        Metrics::isolated(&isolation);
        tracing::info!(?isolation, "workers are held by");
        for missing in isolation.missing() {
            tracing::warn!("{missing}");
        }
        lock(&shared.spares).push_back(first);
        shared.refill.notify_one();
        let refilling = tokio::spawn(Arc::clone(&shared).keep_spares());
        let supervising = tokio::spawn(supervisor::run(Arc::clone(&shared)));
        Ok(Arc::new(Self { shared, isolation, tasks: [refilling, supervising] }))
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

    /// What holds the workers of this pool.
    pub fn isolation(&self) -> Isolation {
        self.isolation
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

    /// A spare that stands ready, or a fresh worker where there is none. Spares have an open network.
    pub(crate) async fn take_spare(self: &Arc<Self>, network: Network) -> Result<Arc<Worker>, StartError> {
        if self.is_stopping() {
            return Err(StartError::Stopping);
        }
        let spare = match network {
            Network::Open => lock(&self.spares).pop_front(),
            Network::Closed => None,
        };
        self.refill.notify_one();
        let worker = match spare {
            Some(worker) => worker,
            None => start_worker(self, network).await?,
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
        lock(&self.busy).values().map(Arc::clone).collect()
    }

    /// The worker enters a state, and the host hears of it.
    pub(crate) fn enter(&self, worker: &Worker, state: WorkerState) {
        if worker.life().enter(state) {
            self.tell_change(worker);
        }
    }

    pub(crate) fn tell_change(&self, worker: &Worker) {
        let (Some(version), Some(snapshot)) = (worker.version(), worker.snapshot()) else { return };
        if snapshot.state == WorkerState::Terminated {
            version.remember(snapshot.clone());
        }
        self.host.worker_changed(WorkerChange {
            project: Arc::clone(&version.spec.project),
            version: Arc::clone(&version.spec.key),
            worker: snapshot,
        });
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
                match start_worker(&self, Network::Open).await {
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
fn prepare(work_dir: &Path) -> io::Result<PathBuf> {
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

/// In a directory of its own: Bun reads the directory of what it runs, and there is to be nothing else in it.
fn write_script(work_dir: &Path) -> io::Result<PathBuf> {
    let directory = work_dir.join("program");
    std::fs::create_dir_all(&directory)?;
    let script = directory.join("worker.js");
    std::fs::write(&script, SCRIPT)?;
    Ok(script)
}

fn is_worker_directory(name: &str) -> bool {
    name.strip_prefix('w')
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}
