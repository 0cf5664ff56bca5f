//! The service: the broker, the store of declarations and rules, the socket, and what looks after logs.

use crate::broker::Broker;
use crate::config::BuncastConfig;
use crate::error::BuncastError;
use crate::http;
use crate::rights::Compiled;
use crate::socket;
use crate::store::Store;
use async_trait::async_trait;
use ports::access::Access;
use ports::events::{EventBus, Realm};
use ports::lifecycle::{ProjectLifecycle, PurgeError};
use routes::ServiceRoutes;
use service_kit::drain::Drain;
use service_kit::ids::ProjectId;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;

/// The name under which the store stands in a project's tombstone.
const STORE: &str = "events";

/// What the service is given.
#[derive(Debug, Clone)]
pub struct BuncastDeps {
    /// Where `events.db` and the logs are kept.
    pub data_dir: PathBuf,
    /// The process's drain: streams of clients end when it begins.
    pub drain: Drain,
}

/// The event service.
#[derive(Debug)]
pub struct BuncastService {
    pub(crate) config: Arc<BuncastConfig>,
    pub(crate) broker: Arc<Broker>,
    pub(crate) store: Store,
    pub(crate) compiled: Compiled,
    /// One declaration at a time.
    pub(crate) declaring: tokio::sync::Mutex<()>,
    /// One change of rules at a time.
    pub(crate) ruling: tokio::sync::Mutex<()>,
    tasks: Mutex<JoinSet<()>>,
}

impl BuncastService {
    /// Opens the store and, where the settings name one, the socket. Logs are opened when they are needed.
    ///
    /// # Errors
    /// The settings do not fit, or store or socket cannot be opened.
    pub async fn start(config: BuncastConfig, deps: BuncastDeps) -> Result<Arc<Self>, BuncastError> {
        config.check().map_err(BuncastError::Config)?;
        let logs = deps.data_dir.join("events");
        make_directory(&logs)?;
        let config = Arc::new(config);
        let store = Store::open(&deps.data_dir.join("events.db")).await?;
        let broker = Broker::new(config.clone(), logs);
        for row in store.topics().await? {
            broker.declare(&row.realm, &row.topic, row.retention);
        }
        let listener = config.socket.as_deref().map(socket::Listener::bind).transpose()?;
        let service = Arc::new(Self {
            config,
            broker,
            store,
            compiled: Compiled::default(),
            declaring: tokio::sync::Mutex::default(),
            ruling: tokio::sync::Mutex::default(),
            tasks: Mutex::default(),
        });
        service.spawn_tasks(listener, deps.drain);
        Ok(service)
    }

    fn spawn_tasks(self: &Arc<Self>, listener: Option<socket::Listener>, drain: Drain) {
        let mut tasks = crate::sync::locked(&self.tasks);
        let every = Duration::from_secs(self.config.retention_check_seconds);
        let broker = self.broker.clone();
        tasks.spawn(async move {
            let mut ticks = tokio::time::interval(every);
            loop {
                ticks.tick().await;
                broker.tend().await;
            }
        });
        let broker = self.broker.clone();
        tasks.spawn(async move {
            drain.started().await;
            broker.drain();
        });
        if let Some(listener) = listener {
            // The tasks belong to the service, and so must not keep it.
            tasks.spawn(listener.serve(Arc::downgrade(self)));
        }
    }

    /// The bus.
    pub fn bus(&self) -> Arc<dyn EventBus> {
        self.broker.clone()
    }

    /// The broker itself, for subscribers that take many events at once.
    pub fn broker(&self) -> &Arc<Broker> {
        &self.broker
    }

    /// The routes.
    pub fn routes(self: &Arc<Self>, access: Arc<dyn Access>) -> ServiceRoutes {
        http::routes(self, access)
    }

    /// Ends subscriptions and the socket, and closes the store. Events that were taken are on disk or out.
    pub async fn shutdown(&self) {
        self.broker.close();
        let mut tasks = std::mem::take(&mut *crate::sync::locked(&self.tasks));
        tasks.shutdown().await;
        self.store.close().await;
    }
}

#[async_trait]
impl ProjectLifecycle for BuncastService {
    fn store(&self) -> &'static str {
        STORE
    }

    async fn purge(&self, project: &ProjectId) -> Result<(), PurgeError> {
        let failed = |source: BuncastError| PurgeError { store: STORE, source: Box::new(source) };
        let _turn = self.declaring.lock().await;
        self.store.purge(project).await.map_err(|error| failed(error.into()))?;
        self.compiled.forget(project);
        self.broker.purge(&Realm::Project(project.clone())).await.map_err(|error| failed(error.into()))
    }
}

fn make_directory(path: &Path) -> Result<(), BuncastError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| BuncastError::Directory { path: path.to_owned(), source })
}
