//! The service: what it is made of, how it starts and how it ends.

use crate::application::{Around, Counts};
use crate::bundle::{Builder, BundleFiles};
use crate::config::FunctionsConfig;
use crate::environment::Vault;
use crate::error::StartError;
use crate::front::{Executor, InvocationFront, Recorder, Sockets};
use crate::host::FunctionHost;
use crate::hosts::{HostFunction, Hosts};
use crate::locks::ProjectLocks;
use crate::places::Places;
use crate::registry::Deployment;
use crate::store::{self, MIGRATIONS, OWNER};
use crate::triggers::Triggers;
use crate::webhooks::Webhooks;
use actions::tables::Tables;
use mail::Mailer;
use outbound::{AddressGuard, HostSet};
use ports::access::Access;
use ports::events::EventBus;
use ports::project_api::ProjectApi;
use ports::secrets::Secrets;
use quickjs_lane::Lane;
use routes::ServiceRoutes;
use run_log::RunLog;
use secrecy::SecretString;
use service_kit::drain::Drain;
use service_kit::ids::ProjectId;
use sql::{Database, Durability};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use worker_pool::{BunBinary, PoolConfig, PoolStats, WorkerPool};

/// What the service needs from outside.
pub struct FunctionsDeps {
    /// Runs workers and bundlers.
    pub bun: BunBinary,
    /// Holds `metadata.db`, `bundles/`, `projects/` and, while bundlers run, `builds/`.
    pub data_dir: PathBuf,
    /// Holds the workers' sockets; emptied at start. Its path has to be short (see `worker_pool`).
    pub work_dir: PathBuf,
    /// Keeps the lines of the functions. Closed by whoever opened it, after this service.
    pub logs: Arc<RunLog>,
    /// Seals the variables of functions.
    pub secrets: Arc<dyn Secrets>,
    /// Sends what applications write; nothing where this process has no mail.
    pub mailer: Option<Arc<Mailer>>,
    /// How people reach the server: its host is never a project's.
    pub public_url: String,
}

/// Functions of all projects.
pub struct FunctionsService {
    pub(crate) config: FunctionsConfig,
    pub(crate) database: Database,
    pub(crate) logs: Arc<RunLog>,
    pub(crate) pool: Arc<WorkerPool>,
    pub(crate) lane: Arc<Lane>,
    pub(crate) executor: Arc<Executor>,
    pub(crate) around: Arc<Around>,
    pub(crate) bundles: BundleFiles,
    pub(crate) builder: Builder,
    pub(crate) locks: ProjectLocks,
    pub(crate) vault: Vault,
    /// The server's own host.
    pub(crate) public_host: String,
    /// One change of domains at a time: those of all projects share the hosts.
    pub(crate) hosts_turn: tokio::sync::Mutex<()>,
    /// Changes in progress and versions that end.
    pub(crate) background: TaskTracker,
    /// Counts loads of versions, so that each has a key of its own.
    pub(crate) loads: AtomicU64,
    host: Arc<FunctionHost>,
    pub(crate) events: OnceLock<Arc<dyn EventBus>>,
    /// There where the process runs jobs.
    pub(crate) triggers: OnceLock<Arc<Triggers>>,
    pub(crate) log_streams: Arc<Places>,
    /// Ends the streams of logs and the WebSockets.
    pub(crate) streams_end: CancellationToken,
}

impl FunctionsService {
    /// Opens the stores, starts the workers and makes every deployed function callable: the first call of
    /// each starts its worker.
    ///
    /// # Errors
    /// A store, a directory or the first worker.
    pub async fn start(config: FunctionsConfig, deps: FunctionsDeps) -> Result<Arc<Self>, StartError> {
        let FunctionsDeps { bun, data_dir, work_dir, logs, secrets, mailer, public_url } = deps;
        std::fs::create_dir_all(&data_dir).map_err(failed_at(&data_dir))?;
        let database = Database::open(&data_dir.join("metadata.db"), Durability::Full).await?;
        database.migrate(OWNER, MIGRATIONS).await?;
        let bundles = open_bundles(&database, &data_dir).await?;
        let builds = data_dir.join("builds");
        let builder =
            Builder::open(bun.clone(), &builds, config.build_limits()).map_err(failed_at(&builds))?;
        let public_host = host_of(&public_url);
        let hosts = Hosts::new(config.domain.as_deref(), &public_host);
        let streams_end = CancellationToken::new();
        let sockets =
            Sockets::new(config.socket_places(), config.socket_message_bytes_max, streams_end.clone());
        let tables = Tables::new(data_dir.join("projects"));
        let guard = AddressGuard::new(HostSet::new(&config.private_hosts));
        let is_alone = config.is_one_application;
        let (tables_of_all, counts) = (tables.clone(), Counts::default());
        let around = Arc::new(Around { tables: tables_of_all, counts, guard, is_alone });
        let recorder = Recorder::new(logs.clone(), tables.clone());
        let webhooks = Webhooks::new(secrets.clone(), logs.clone());
        let executor =
            Arc::new(Executor::new(config.body_limits(), (hosts, recorder, tables), (sockets, webhooks)));
        let (host, worker_changes) = FunctionHost::new(executor.clone(), logs.clone(), mailer);
        let host = Arc::new(host);
        let mut pool_config = PoolConfig::new(bun, work_dir);
        config.apply_to(&mut pool_config);
        let pool = WorkerPool::start(pool_config, host.clone()).await?;
        let log_streams = config.log_stream_places();
        let lane = Lane::start(config.for_lane(), host.clone(), config.outbound_client())?;
        let service = Arc::new(Self {
            config,
            database,
            logs,
            pool,
            lane,
            executor,
            around,
            bundles,
            builder,
            locks: ProjectLocks::default(),
            vault: Vault::new(secrets),
            public_host,
            hosts_turn: tokio::sync::Mutex::default(),
            background: TaskTracker::new(),
            loads: AtomicU64::new(0),
            host,
            events: OnceLock::new(),
            triggers: OnceLock::new(),
            log_streams,
            streams_end,
        });
        service.executor.studio.bind(&service);
        service.register_all().await?;
        service.prune_from_now_on();
        service.announce_workers(worker_changes);
        Ok(service)
    }

    async fn register_all(self: &Arc<Self>) -> Result<(), StartError> {
        let rows = store::functions::all(&self.database).await.map_err(sql::SqlError::from)?;
        self.register_with_variables(&rows).await?;
        for domain in store::domains::all(&self.database).await.map_err(sql::SqlError::from)? {
            let Ok(project) = ProjectId::parse(&domain.project) else { continue };
            let function = HostFunction { project, name: domain.function, alias: None };
            self.executor.hosts.add(&domain.host, function);
        }
        tracing::info!(functions = rows.len(), "functions registered");
        self.compile_in_background(rows);
        Ok(())
    }

    /// The routes for developers, and the rows of the routes that the front serves.
    pub fn routes(self: &Arc<Self>, access: Arc<dyn Access>) -> ServiceRoutes {
        crate::http::routes(self, access)
    }

    /// The service `bunbase.functions.v1.Functions`, for programs that speak gRPC.
    pub fn grpc(self: &Arc<Self>, access: Arc<dyn Access>) -> axum::Router {
        crate::grpc::router(self.clone(), access)
    }

    /// The front that takes calls.
    pub fn front(&self, access: Arc<dyn Access>) -> InvocationFront {
        InvocationFront::new(self.executor.clone(), access)
    }

    /// Gives the functions their project's documents and other services; until then such calls are
    /// answered 503. A second call changes nothing.
    pub fn bind_project_api(&self, api: Arc<dyn ProjectApi>) {
        self.executor.hosts.bind(api.clone());
        self.host.bind(api);
    }

    /// Counts rate limits of applications in the key-value store, which other servers reach, too. A second call changes
    /// nothing.
    pub fn share_rate_limits(&self, api: Arc<dyn ProjectApi>) {
        self.around.counts.bind(api);
    }

    /// Puts the application of a project at the root of this server: it has the paths that nothing else has.
    pub fn put_at_root(&self, project: ProjectId) {
        self.executor.hosts.put_at_root(project);
    }

    /// Lets whoever has the token use Studio in the application of a project, as its developer.
    pub fn open_studio(&self, project: ProjectId, token: &SecretString) {
        self.executor.studio.open(project, token);
    }

    /// What the workers are doing.
    pub fn worker_stats(&self) -> PoolStats {
        self.pool.stats()
    }

    /// Ends the open streams of logs and the WebSockets when `drain` begins, so that it need not wait for them.
    pub fn end_streams_on(&self, drain: Drain) {
        let end = self.streams_end.clone();
        tokio::spawn(async move {
            drain.started().await;
            end.cancel();
        });
    }

    /// Lets calls and changes in progress end, ends the workers, closes the stores. The listener has to
    /// have stopped before.
    pub async fn shutdown(&self) {
        self.streams_end.cancel();
        self.end_triggers().await;
        self.background.close();
        let patience = Duration::from_millis(self.config.drain_timeout_ms);
        if tokio::time::timeout(patience, self.background.wait()).await.is_err() {
            tracing::warn!(tasks = self.background.len(), "changes of functions did not end in time");
        }
        if tokio::time::timeout(patience, self.executor.sockets.ended()).await.is_err() {
            tracing::warn!("websockets of functions did not end in time");
        }
        tokio::join!(self.pool.stop(), self.lane.stop());
        self.executor.registry.clear();
        self.executor.tables.close().await;
        self.database.close().await;
    }

    /// Ends a version that was replaced: after the last call that had found it.
    pub(crate) fn retire(self: &Arc<Self>, before: Arc<Deployment>) {
        let service = self.clone();
        self.background.spawn(async move { service.retire_now(&before).await });
    }

    pub(crate) async fn retire_now(&self, before: &Deployment) {
        before.calls.close();
        before.calls.wait().await;
        if let Some(pool) = &before.pool {
            pool.retire().await;
        }
        self.executor.registry.disown(&before.key);
    }
}

async fn open_bundles(database: &Database, data_dir: &Path) -> Result<BundleFiles, StartError> {
    let directory = data_dir.join("bundles");
    let bundles = BundleFiles::open(&directory).map_err(failed_at(&directory))?;
    let known = store::versions::all_ids(database).await.map_err(sql::SqlError::from)?;
    bundles.sweep(&known).map_err(failed_at(&directory))?;
    Ok(bundles)
}

fn failed_at(path: &Path) -> impl FnOnce(std::io::Error) -> StartError {
    move |source| StartError::Files { path: path.display().to_string(), source }
}

/// The host of an address.
fn host_of(url: &str) -> String {
    let uri: Option<http::Uri> = url.parse().ok();
    uri.as_ref().and_then(http::Uri::host).unwrap_or_default().to_owned()
}
