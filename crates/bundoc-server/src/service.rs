//! The service: what its handlers share, and what the rest of the system calls.

use crate::config::DocumentsConfig;
use crate::error;
use crate::gate::Gate;
use crate::grpc;
use crate::http;
use crate::json;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::reader::Reader;
use crate::relay::Relay;
use crate::requests::OpenRequests;
use crate::scope::{Scope, database_of, visible_to};
use crate::system::is_system;
use crate::transactions::Transactions;
use async_trait::async_trait;
use axum::response::Response;
use bundoc::engine::{
    CollectionInfo, CollectionName, CollectionPattern, Engine, FindRequest, GroupIndexInfo, GroupPage,
    IndexSpec, WriteOp, Written,
};
use bundoc::error::EngineError;
use ports::access::Access;
use ports::events::EventBus;
use ports::jobs::JobQueue;
use ports::lifecycle::{ProjectLifecycle, PurgeError};
use routes::ServiceRoutes;
use service_kit::drain::Drain;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::ProjectId;
use service_kit::json::raw;
use std::sync::Arc;

/// The name under which the store stands in a project's tombstone.
const STORE: &str = "bundoc";

/// Serves the documents of every project from one engine.
pub struct BundocServer {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) live: Arc<Live>,
    pub(crate) transactions: Arc<Transactions>,
    pub(crate) requests: Arc<OpenRequests>,
    pub(crate) config: DocumentsConfig,
    relay: Arc<Relay>,
}

impl BundocServer {
    /// Starts the service over `engine`, inside a runtime. Metrics are registered here, so the recorder is
    /// installed before.
    pub fn start(config: &DocumentsConfig, engine: Arc<dyn Engine>) -> Arc<Self> {
        let metrics = Arc::new(Metrics::register());
        let gate = Arc::new(Gate::new(config));
        let live = Live::start(config, engine.clone(), gate.clone());
        let transactions = Transactions::new(config, engine.clone(), gate.clone());
        let requests = OpenRequests::new(config.requests_per_project_max);
        let (config, relay) = (config.clone(), Arc::default());
        Arc::new(Self { engine, metrics, gate, live, transactions, requests, config, relay })
    }

    /// Publishes changes of documents to `bus`, in projects where somebody waits for them there. To be
    /// called once, when the durable topics of the bus are loaded.
    pub fn bind_events(&self, bus: Arc<dyn EventBus>) {
        self.relay.start(self.engine.clone(), bus);
    }

    /// Enqueues in `queue` what batches and transactions note for it. To be called once.
    pub fn bind_jobs(&self, queue: Arc<dyn JobQueue>) {
        self.relay.start_jobs(self.engine.clone(), queue);
    }

    /// Ends the open streams when `drain` begins, so that it need not wait for them.
    pub fn end_streams_on(&self, drain: Drain) {
        let live = self.live.clone();
        tokio::spawn(async move {
            drain.started().await;
            live.end();
        });
    }

    /// The routes, each under `/v1/database` and `/v1/projects/{project}/database`.
    pub fn routes(self: &Arc<Self>, access: Arc<dyn Access>) -> ServiceRoutes {
        http::routes(self, access)
    }

    /// The gRPC service `bundoc.v1.Documents`, for the listener to serve beside HTTP.
    pub fn grpc(self: &Arc<Self>, access: Arc<dyn Access>) -> axum::Router {
        grpc::router(self.clone(), access)
    }

    /// Of how many projects something is kept in memory: requests, queries, transactions, subscriptions.
    pub fn projects_in_use(&self) -> usize {
        let in_use = [
            self.requests.projects(),
            self.gate.projects(),
            self.live.projects(),
            self.transactions.open_of_all(),
        ];
        in_use.into_iter().max().unwrap_or_default()
    }

    /// How many transactions are open, of all projects.
    pub fn open_transactions(&self) -> usize {
        self.transactions.open_of_all()
    }

    /// Whether documents can be read and written.
    ///
    /// # Errors
    /// Why not.
    pub fn ready(&self) -> Result<(), String> {
        if self.engine.stats().writes_stopped {
            Err("writes stopped after a disk error; restart".into())
        } else {
            Ok(())
        }
    }

    /// Flushes and stops the engine; calls that come later are answered with 503.
    pub async fn shutdown(&self) {
        self.live.end();
        self.transactions.end();
        self.relay.end();
        self.engine.shutdown().await;
    }

    /// Commits one write, or notes it in the transaction that the call belongs to.
    pub(crate) async fn write_one(&self, scope: &Scope, operation: WriteOp) -> Result<Written, ApiError> {
        let mut outcome = self.write(scope, vec![operation], error::single).await?;
        let missing = || ApiError::new(ErrorCode::Internal, "the store did not say what it wrote");
        outcome.written.pop().ok_or_else(missing)
    }

    /// One collection that has to be there.
    pub(crate) async fn collection(
        &self,
        scope: Scope,
        name: CollectionName,
    ) -> Result<CollectionInfo, ApiError> {
        let Scope { project, database, .. } = scope;
        let look = move |engine: &dyn Engine| {
            let found = engine.collection(&database, &name).map_err(error::engine)?;
            found.ok_or_else(|| error::engine(EngineError::CollectionNotFound(name.to_string())))
        };
        self.blocking(&project, look).await
    }

    /// One page of documents, written out on the thread that found them. A page that takes a glance is found
    /// here: handing it to another thread and back would cost as much as finding it.
    pub(crate) async fn find(
        &self,
        scope: Scope,
        collection: CollectionName,
        request: FindRequest,
    ) -> Result<Response, ApiError> {
        if scope.transaction.is_none() {
            let found = self.engine.find_at_once(&scope.database, &collection, &request, &scope.actor);
            if let Some(page) = found.map_err(|failed| error::engine(visible_to(&scope.actor, failed)))? {
                return Ok(raw(json::write_page(&page)?));
            }
        }
        let find = move |reader: &mut Reader<'_>| {
            let page = reader.find(&collection, &request)?;
            Ok(json::write_page(&page))
        };
        Ok(raw(self.read(&scope, find).await??))
    }

    /// One page of a query over several collections. Those of services are in none.
    pub(crate) async fn find_group(
        &self,
        scope: Scope,
        pattern: CollectionPattern,
        request: FindRequest,
    ) -> Result<Response, ApiError> {
        let find = move |page: GroupPage| json::write_group_page(&page);
        Ok(raw(self.group_page(&scope, pattern, request, find).await?))
    }

    /// The same, as `write` makes it on the thread that found the documents.
    pub(crate) async fn group_page<T, W>(
        &self,
        scope: &Scope,
        pattern: CollectionPattern,
        request: FindRequest,
        write: W,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        W: FnOnce(GroupPage) -> Result<T, ApiError> + Send + 'static,
    {
        if scope.transaction.is_some() {
            let message = "a query over several collections cannot be made inside a transaction";
            return Err(ApiError::new(ErrorCode::InvalidRequest, message));
        }
        let (database, actor) = (scope.database.clone(), scope.actor.clone());
        let find = move |engine: &dyn Engine| {
            let page = engine.find_group(&database, &pattern, &request, &actor);
            let mut page = page.map_err(|failed| error::engine(visible_to(&actor, failed)))?;
            page.documents.retain(|found| !is_system(found.collection.as_str()));
            write(page)
        };
        self.blocking(&scope.project, find).await
    }

    /// Declares a group index.
    pub(crate) async fn create_group_index(
        &self,
        scope: &Scope,
        pattern: &str,
        index: IndexSpec,
    ) -> Result<GroupIndexInfo, ApiError> {
        let parsed = scope.pattern(pattern)?;
        if index.unique && pattern.starts_with("*/") {
            // It would bind the collections of services, too.
            let message = "the pattern of a unique group index begins with a name";
            return Err(ApiError::new(ErrorCode::InvalidIndex, message));
        }
        self.engine.create_group_index(&scope.database, &parsed, index).await.map_err(error::engine)
    }

    /// Runs blocking engine work when it is the project's turn.
    pub(crate) async fn blocking<T, F>(&self, project: &ProjectId, work: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Engine) -> Result<T, ApiError> + Send + 'static,
    {
        let engine = self.engine.clone();
        let done = self.gate.run(project, move || work(&*engine)).await;
        done.map_err(|refused| refused.answer())?
    }
}

#[async_trait]
impl ProjectLifecycle for BundocServer {
    fn store(&self) -> &'static str {
        STORE
    }

    async fn purge(&self, project: &ProjectId) -> Result<(), PurgeError> {
        let failed = |error: EngineError| PurgeError { store: STORE, source: Box::new(error) };
        let database = database_of(project).map_err(failed)?;
        self.relay.stop(project);
        self.transactions.purged(project);
        self.engine.purge(&database).await.map_err(failed)?;
        self.live.purged(project);
        Ok(())
    }
}
