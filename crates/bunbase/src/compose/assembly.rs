//! The services of this process, started one after the other: those first that others use.

use crate::compose::no_secrets::NoSecrets;
use crate::compose::wire::Wire;
use crate::data_dir::DataDir;
use crate::settings::Settings;
use anyhow::Context as _;
use bun_auth::{AuthDeps, AuthService};
use bun_kms::{KmsDeps, KmsService};
use buncast::{BuncastDeps, BuncastService};
use bunder_manager::KeyValueService;
use bundoc::FjallEngine;
use bundoc_server::BundocServer;
use functions::{FunctionsDeps, FunctionsService, TriggersDeps};
use jobs::{Jobs, JobsConfig};
use mail::Mailer;
use platform::{PlatformParts, PlatformService, ProjectAccess, SessionCookie};
use ports::access::Access;
use ports::documents::Documents;
use ports::events::EventBus;
use ports::identity::DeveloperIdentity;
use ports::jobs::JobQueue;
use ports::lifecycle::ProjectLifecycle;
use ports::secrets::Secrets;
use ports::tenant::TenantIdentity;
use routes::ServiceRoutes;
use rpc::{RpcServer, Service};
use run_log::RunLog;
use secrecy::ExposeSecret as _;
use service_kit::clock::Clock;
use service_kit::drain::Drain;
use service_kit::health::Health;
use sql::shared::SharedDatabase;
use sql::{Database, Durability};
use std::path::PathBuf;
use std::sync::Arc;
use storage::{StorageDeps, StorageService};
use tenant_auth::{TenantAuthDeps, TenantAuthService};
use worker_pool::BunBinary;

/// The longest path whose sockets fit into a Unix socket address with what the workers add.
const SOCKET_DIRECTORY_BYTES_MAX: usize = 60;

/// The stores that keep something of projects, by the service that has them: all are asked when a project
/// is deleted.
const STORES: &[(Service, &str)] = &[
    (Service::Functions, "functions"),
    (Service::BundocServer, "documents"),
    (Service::BunderManager, "kv"),
    (Service::Storage, "objects"),
    (Service::Buncast, "events"),
    (Service::BunKms, "secrets"),
    (Service::TenantAuth, "end-users"),
];

/// The services that run in this process.
#[derive(Default)]
pub(crate) struct Services {
    pub(crate) functions: Option<Arc<FunctionsService>>,
    pub(crate) platform: Option<Arc<PlatformService>>,
    end_users: Option<Arc<TenantAuthService>>,
    auth: Option<Arc<AuthService>>,
    kv: Option<Arc<KeyValueService>>,
    objects: Option<Arc<StorageService>>,
    documents: Option<Arc<BundocServer>>,
    kms: Option<Arc<KmsService>>,
    events: Option<Arc<BuncastService>>,
    mailer: Option<Arc<Mailer>>,
    pub(crate) logs: Option<Arc<RunLog>>,
    queue: Option<Arc<dyn JobQueue>>,
    pub(crate) jobs: Option<Arc<Jobs>>,
    databases: Vec<Database>,
    shared_databases: Vec<SharedDatabase>,
    sockets: Option<tempfile::TempDir>,
}

/// A process that is being put together.
pub(crate) struct Assembly<'a> {
    pub(crate) wire: Wire,
    pub(crate) settings: Settings,
    pub(crate) services: Services,
    pub(crate) access: Option<Arc<dyn Access>>,
    pub(crate) health: Health,
    project_access: Option<Arc<ProjectAccess>>,
    public_url: String,
    data: &'a DataDir,
    drain: Drain,
}

impl<'a> Assembly<'a> {
    pub(crate) fn new(settings: Settings, data: &'a DataDir, drain: Drain) -> anyhow::Result<Self> {
        let wire = Wire::new(settings.rpc.clone(), settings.services.as_deref());
        let public_url = settings.gateway.public_url();
        let mut services = Services::default();
        if wire.runs_any(&[Service::BunAuth, Service::TenantAuth, Service::Platform, Service::Functions]) {
            services.mailer = Some(Mailer::start(settings.mail.clone(), &data.join("mail"))?);
        }
        Ok(Self {
            wire,
            settings,
            services,
            access: None,
            health: Health::default(),
            project_access: None,
            public_url,
            data,
            drain,
        })
    }

    async fn database(&mut self, file: &str) -> anyhow::Result<Database> {
        let database = Database::open(&self.data.join(file), Durability::Full).await?;
        self.services.databases.push(database.clone());
        Ok(database)
    }

    /// Events, secrets, documents, keys and values, objects.
    pub(crate) async fn start_stores(&mut self) -> anyhow::Result<()> {
        if self.wire.runs(Service::Buncast) {
            let deps = BuncastDeps { data_dir: self.data.path().to_owned(), drain: self.drain.clone() };
            let config = self.settings.events.clone();
            self.services.events = Some(BuncastService::start(config, deps).await?);
        }
        if self.wire.runs(Service::BunKms) {
            let database = self.database("kms.db").await?;
            let deps = KmsDeps { database, data_dir: self.data.path().to_owned() };
            let config = self.settings.kms.clone();
            self.services.kms = Some(KmsService::start(config, deps).await?);
        }
        if self.wire.runs(Service::BundocServer) {
            self.start_documents().await?;
        }
        if self.wire.runs(Service::BunderManager) {
            let database = self.database("kv.db").await?;
            let config = self.settings.kv.clone();
            self.services.kv = Some(KeyValueService::start(config, database).await?);
        }
        if self.wire.runs(Service::Storage) {
            let database = self.database("storage.db").await?;
            let (directory, public_url) = (self.data.join("objects"), self.public_url.clone());
            let config = self.settings.storage.clone();
            let deps = StorageDeps { database, directory, public_url };
            self.services.objects = Some(StorageService::start(config, deps).await?);
        }
        Ok(())
    }

    async fn start_documents(&mut self) -> anyhow::Result<()> {
        let path = self.data.join("documents");
        let options = self.settings.engine.clone();
        let (engine, _) = tokio::task::spawn_blocking(move || FjallEngine::open(&path, options)).await??;
        let documents = BundocServer::start(&self.settings.documents, engine);
        documents.bind_events(self.events(Service::BundocServer)?);
        documents.end_streams_on(self.drain.clone());
        let checked = Arc::downgrade(&documents);
        self.health.register("documents", move || checked.upgrade().ok_or("stopped")?.ready());
        self.services.documents = Some(documents);
        Ok(())
    }

    /// Accounts, access, end users.
    pub(crate) async fn start_identity(&mut self) -> anyhow::Result<()> {
        if self.wire.runs_any(&[Service::BunAuth, Service::Platform]) {
            let control = self.database("control.db").await?;
            if self.wire.runs(Service::BunAuth) {
                self.start_accounts(control.clone()).await?;
            }
            if self.wire.runs(Service::Platform) {
                let token = self.data.instance_token()?;
                let access = ProjectAccess::open(control, self.identity()?, Some(&token)).await?;
                self.project_access = Some(access.clone());
                self.access = Some(access);
            }
        }
        if self.access.is_none() {
            self.access = Some(Arc::new(self.wire.clients(self.wire.caller())?.access()?));
        }
        if self.wire.runs(Service::TenantAuth) {
            let deps = TenantAuthDeps {
                documents: self.documents()?,
                secrets: self.secrets(Service::TenantAuth)?,
                mailer: self.mailer()?,
                events: self.events(Service::TenantAuth)?,
                public_url: self.public_url.clone(),
                clock: Clock::system(),
            };
            let config = self.settings.end_users.clone();
            self.services.end_users = Some(TenantAuthService::start(config, deps).await?);
        }
        if let Some(access) = self.project_access.as_ref().filter(|_| self.wire.knows(Service::TenantAuth)) {
            access.bind_end_users(self.tenant_identity()?);
        }
        Ok(())
    }

    async fn start_accounts(&mut self, database: Database) -> anyhow::Result<()> {
        let deps = AuthDeps {
            database,
            mailer: self.mailer()?,
            events: self.wire.knows(Service::Buncast).then(|| self.events(Service::BunAuth)).transpose()?,
            public_url: self.public_url.clone(),
        };
        self.services.auth = Some(AuthService::start(self.settings.auth.clone(), deps).await?);
        Ok(())
    }

    /// The executor.
    pub(crate) async fn start_functions(&mut self) -> anyhow::Result<()> {
        if !self.wire.runs(Service::Functions) {
            return Ok(());
        }
        let near = std::env::current_exe().ok().and_then(|file| file.parent().map(PathBuf::from));
        let bun = BunBinary::find(self.settings.bun_path.as_deref(), near.as_slice())?;
        let config = self.settings.function_logs.clone();
        let logs = RunLog::open(self.data.path(), config).await?;
        self.services.logs = Some(logs.clone());
        let (work_dir, sockets) = socket_directory(self.data)?;
        self.services.sockets = sockets;
        let secrets = match self.wire.knows(Service::BunKms) {
            true => self.secrets(Service::Functions)?,
            false => Arc::new(NoSecrets),
        };
        let (data_dir, public_url) = (self.data.path().to_owned(), self.public_url.clone());
        let mailer = self.services.mailer.clone();
        let deps = FunctionsDeps { bun, data_dir, work_dir, logs, secrets, mailer, public_url };
        let config = self.settings.functions.clone();
        let functions = FunctionsService::start(config, deps).await?;
        functions.bind_events(self.events(Service::Functions)?);
        functions.end_streams_on(self.drain.clone());
        let checked = Arc::downgrade(&functions);
        self.health.register("functions", move || {
            let stats = checked.upgrade().ok_or("stopped")?.worker_stats();
            if stats.spares + stats.workers > 0 { Ok(()) } else { Err("no worker has started yet".into()) }
        });
        self.services.functions = Some(functions);
        Ok(())
    }

    /// Jobs of functions: opened here, run once the whole surface of the projects is there.
    pub(crate) async fn open_jobs(&mut self) -> anyhow::Result<()> {
        if let Some(functions) = self.services.functions.clone() {
            let (config, database) = (self.settings.jobs.clone(), self.jobs_database().await?);
            let config = JobsConfig { installation: self.data.installation()?, ..config };
            let payload_bytes_max = config.payload_bytes_max;
            let jobs = Jobs::open(config, database, Clock::system()).await?;
            self.services.jobs = Some(jobs.clone());
            let deps = TriggersDeps { jobs, events: self.events(Service::Functions)?, payload_bytes_max };
            self.services.queue = Some(functions.open_triggers(deps).await?);
        }
        if let Some(documents) = &self.services.documents
            && self.wire.knows(Service::Functions)
        {
            documents.bind_jobs(self.queue()?);
        }
        Ok(())
    }

    /// The file, or the PostgreSQL that the settings or an application name.
    async fn jobs_database(&mut self) -> anyhow::Result<SharedDatabase> {
        let Some(url) = self.settings.jobs.database_url.clone() else {
            return Ok(self.database("jobs.db").await?.into());
        };
        let database = SharedDatabase::postgres(url.expose_secret(), jobs::SCHEMA).await.context(
            "the queue is kept in PostgreSQL (`jobs.database_url`, or `database.url` and DATABASE_URL of an application), \
             where its user needs CREATE on the database, or the schema bunbase_jobs",
        )?;
        self.services.shared_databases.push(database.clone());
        Ok(database)
    }

    fn queue(&self) -> anyhow::Result<Arc<dyn JobQueue>> {
        Ok(match &self.services.queue {
            Some(queue) => queue.clone(),
            None => Arc::new(self.wire.clients(Service::BundocServer)?.jobs()?),
        })
    }

    /// Projects; last, because it goes on removing deleted ones from all stores.
    pub(crate) async fn start_platform(&mut self) -> anyhow::Result<()> {
        let Some(access) = self.project_access.clone() else { return Ok(()) };
        let parts = PlatformParts {
            access,
            stores: self.stores()?,
            mailer: self.mailer()?,
            public_url: self.public_url.clone(),
            cookie: SessionCookie {
                secure: self.settings.auth.secure_cookies,
                max_age_seconds: i64::from(self.settings.auth.session_days.get()) * 86_400,
            },
        };
        self.services.platform = Some(PlatformService::start(self.settings.platform, parts).await?);
        Ok(())
    }

    fn mailer(&self) -> anyhow::Result<Arc<Mailer>> {
        self.services.mailer.clone().context("mail was not started")
    }

    fn events(&self, caller: Service) -> anyhow::Result<Arc<dyn EventBus>> {
        Ok(match &self.services.events {
            Some(events) => events.bus(),
            None => Arc::new(self.wire.clients(caller)?.events()?),
        })
    }

    fn identity(&self) -> anyhow::Result<Arc<dyn DeveloperIdentity>> {
        Ok(match &self.services.auth {
            Some(auth) => auth.clone(),
            None => Arc::new(self.wire.clients(Service::Platform)?.developer_identity()?),
        })
    }

    fn documents(&self) -> anyhow::Result<Arc<dyn Documents>> {
        Ok(match &self.services.documents {
            Some(documents) => documents.clone(),
            None => Arc::new(self.wire.clients(Service::TenantAuth)?.documents()?),
        })
    }

    fn secrets(&self, caller: Service) -> anyhow::Result<Arc<dyn Secrets>> {
        Ok(match &self.services.kms {
            Some(kms) => kms.secrets(),
            None => Arc::new(self.wire.clients(caller)?.secrets()?),
        })
    }

    fn tenant_identity(&self) -> anyhow::Result<Arc<dyn TenantIdentity>> {
        Ok(match &self.services.end_users {
            Some(end_users) => end_users.clone(),
            None => Arc::new(self.wire.clients(Service::Platform)?.tenant_identity()?),
        })
    }

    /// Every store of the installation, here or elsewhere.
    fn stores(&self) -> anyhow::Result<Vec<Arc<dyn ProjectLifecycle>>> {
        let mut stores = self.services.stores();
        let away =
            STORES.iter().filter(|(service, _)| !self.wire.runs(*service) && self.wire.knows(*service));
        for (service, store) in away {
            stores.push(Arc::new(self.wire.clients(Service::Platform)?.lifecycle(*service, store)?));
        }
        Ok(stores)
    }
}

impl Services {
    /// The stores of this process.
    fn stores(&self) -> Vec<Arc<dyn ProjectLifecycle>> {
        let mut stores = Vec::<Arc<dyn ProjectLifecycle>>::new();
        stores.extend(self.functions.iter().map(|store| store.clone() as Arc<dyn ProjectLifecycle>));
        stores.extend(self.documents.iter().map(|store| store.clone() as Arc<dyn ProjectLifecycle>));
        stores.extend(self.kv.iter().map(|store| store.clone() as Arc<dyn ProjectLifecycle>));
        stores.extend(self.objects.iter().map(|store| store.clone() as Arc<dyn ProjectLifecycle>));
        stores.extend(self.events.iter().map(|store| store.clone() as Arc<dyn ProjectLifecycle>));
        stores.extend(self.kms.iter().map(|store| store.clone() as Arc<dyn ProjectLifecycle>));
        stores.extend(self.end_users.iter().map(|store| store.clone() as Arc<dyn ProjectLifecycle>));
        stores
    }

    /// The routes of the services of this process.
    pub(crate) fn routes(&self, access: &Arc<dyn Access>) -> Vec<ServiceRoutes> {
        let access = || access.clone();
        let mut routes = Vec::new();
        routes.extend(self.auth.iter().map(|service| service.routes(access())));
        routes.extend(self.platform.iter().map(|service| service.routes(access())));
        routes.extend(self.documents.iter().map(|service| service.routes(access())));
        routes.extend(self.functions.iter().map(|service| service.routes(access())));
        routes.extend(self.events.iter().map(|service| service.routes(access())));
        routes.extend(self.kms.iter().map(|service| service.routes(access())));
        routes.extend(self.end_users.iter().map(|service| service.routes(access())));
        routes.extend(self.kv.iter().map(|service| service.routes(access())));
        routes.extend(self.objects.iter().map(|service| service.routes(access())));
        routes.extend(self.mailer.iter().map(|service| service.routes(access())));
        routes
    }

    /// What is for programs outside that speak gRPC.
    pub(crate) fn over_grpc(&self, access: &Arc<dyn Access>) -> Vec<axum::Router> {
        let documents = self.documents.iter().map(|documents| documents.grpc(access.clone()));
        let functions = self.functions.iter().map(|functions| functions.grpc(access.clone()));
        documents.chain(functions).collect()
    }

    /// Offers the ports of this process's services to other processes.
    pub(crate) fn offer(&self, mut server: RpcServer, access: &Arc<dyn Access>) -> RpcServer {
        if self.platform.is_some() {
            server = server.access(access.clone());
        }
        if let Some(auth) = &self.auth {
            server = server.developer_identity(auth.clone());
        }
        if let Some(end_users) = &self.end_users {
            server = server.tenant_identity(end_users.clone());
        }
        if let Some(documents) = &self.documents {
            server = server.documents(documents.clone());
        }
        if let Some(kms) = &self.kms {
            server = server.secrets(kms.secrets());
        }
        if let Some(events) = &self.events {
            server = server.events(events.bus());
        }
        if let Some(queue) = &self.queue {
            server = server.jobs(queue.clone());
        }
        self.stores().into_iter().fold(server, RpcServer::lifecycle)
    }

    /// Ends every service, those first that use the others.
    pub(crate) async fn shutdown(&self) {
        if let Some(functions) = &self.functions {
            functions.shutdown().await;
        }
        if let Some(platform) = &self.platform {
            platform.shutdown().await;
        }
        if let Some(end_users) = &self.end_users {
            end_users.shutdown().await;
        }
        if let Some(auth) = &self.auth {
            auth.shutdown().await;
        }
        if let Some(kv) = &self.kv {
            kv.shutdown().await;
        }
        if let Some(objects) = &self.objects {
            objects.shutdown().await;
        }
        if let Some(documents) = &self.documents {
            documents.shutdown().await;
        }
        if let Some(kms) = &self.kms {
            kms.shutdown().await;
        }
        if let Some(events) = &self.events {
            events.shutdown().await;
        }
        if let Some(mailer) = &self.mailer {
            mailer.shutdown().await;
        }
        if let Some(logs) = &self.logs {
            logs.close().await;
        }
        for database in &self.databases {
            database.close().await;
        }
        for database in &self.shared_databases {
            database.close().await;
        }
    }
}

/// Where the workers' sockets stand: in the data directory, or where its path is too long for a socket's
/// address in a private temporary directory.
fn socket_directory(data: &DataDir) -> anyhow::Result<(PathBuf, Option<tempfile::TempDir>)> {
    let inside = data.join("run");
    if inside.as_os_str().len() <= SOCKET_DIRECTORY_BYTES_MAX {
        return Ok((inside, None));
    }
    let outside = tempfile::Builder::new().prefix("bunbase-").tempdir().context("no temporary directory")?;
    Ok((outside.path().to_owned(), Some(outside)))
}
