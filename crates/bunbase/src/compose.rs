//! The composition: every service of this process, bound to each other through `ports`.

use crate::data_dir::DataDir;
use crate::settings::Settings;
use anyhow::Context as _;
use axum::body::Body;
use bun_auth::AuthService;
use bundoc::FjallEngine;
use bundoc_server::BundocServer;
use functions::{FunctionsDeps, FunctionsService, InvocationFront};
use gateway::{Answer, Front, Gateway, GatewayParts, InsideApi, RequestBody};
use http::Request;
use metrics_exporter_prometheus::PrometheusHandle;
use platform::{PlatformParts, PlatformService, ProjectAccess};
use ports::access::Access;
use ports::lifecycle::ProjectLifecycle;
use run_log::RunLog;
use service_kit::drain::Drain;
use service_kit::health::Health;
use sql::{Database, Durability};
use std::path::PathBuf;
use std::sync::Arc;
use worker_pool::BunBinary;

/// The longest path whose sockets fit into a Unix socket address with what the workers add.
const SOCKET_DIRECTORY_BYTES_MAX: usize = 60;

/// What a running server consists of.
pub(crate) struct Composed {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) services: Services,
}

/// The services, for their end.
pub(crate) struct Services {
    auth: Arc<AuthService>,
    platform: Arc<PlatformService>,
    documents: Arc<BundocServer>,
    functions: Arc<FunctionsService>,
    logs: Arc<RunLog>,
    control: Database,
    _sockets: Option<tempfile::TempDir>,
}

impl Services {
    /// Ends every service, those first that use the others.
    pub(crate) async fn shutdown(&self) {
        self.functions.shutdown().await;
        self.platform.shutdown().await;
        self.auth.shutdown().await;
        self.documents.shutdown().await;
        self.logs.close().await;
        self.control.close().await;
    }
}

/// Starts every service and joins them behind a gateway.
pub(crate) async fn compose(
    settings: Settings,
    data: &DataDir,
    drain: Drain,
    metrics: PrometheusHandle,
) -> anyhow::Result<Composed> {
    let near = std::env::current_exe().ok().and_then(|file| file.parent().map(PathBuf::from));
    let bun = BunBinary::find(settings.bun_path.as_deref(), near.as_slice())?;

    let control = Database::open(&data.join("control.db"), Durability::Full).await?;
    let auth = AuthService::start(settings.auth, control.clone()).await?;
    let instance_token = data.instance_token()?;
    let project_access = ProjectAccess::open(control.clone(), auth.clone(), Some(&instance_token)).await?;
    let access: Arc<dyn Access> = project_access.clone();

    let path = data.join("documents");
    let options = settings.engine;
    let (engine, _) = tokio::task::spawn_blocking(move || FjallEngine::open(&path, options)).await??;
    let documents = BundocServer::start(&settings.documents, engine.clone());

    let logs = RunLog::open(data.path(), settings.function_logs).await?;
    let (work_dir, sockets) = socket_directory(data)?;
    let deps = FunctionsDeps { bun, data_dir: data.path().to_owned(), work_dir, logs: logs.clone() };
    let functions = FunctionsService::start(settings.functions, deps).await?;

    let stores: Vec<Arc<dyn ProjectLifecycle>> = vec![functions.clone(), documents.clone()];
    let parts = PlatformParts { access: project_access, stores };
    let platform = PlatformService::start(settings.platform, parts).await?;

    let gateway = Arc::new(Gateway::new(GatewayParts {
        config: settings.gateway,
        services: vec![
            auth.routes(access.clone()),
            platform.routes(access.clone()),
            documents.routes(access.clone()),
            functions.routes(access.clone()),
        ],
        front: Some(Arc::new(FunctionCalls(functions.front(access.clone())))),
        access,
        health: health(&functions, &documents),
        drain,
        metrics: Arc::new(move || metrics.render()),
    }));
    functions.bind_project_api(Arc::new(InsideApi::new(gateway.router())));
    let services = Services { auth, platform, documents, functions, logs, control, _sockets: sockets };
    Ok(Composed { gateway, services })
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

fn health(functions: &Arc<FunctionsService>, documents: &Arc<BundocServer>) -> Health {
    let health = Health::default();
    let functions = Arc::downgrade(functions);
    health.register("functions", move || {
        let stats = functions.upgrade().ok_or("stopped")?.worker_stats();
        if stats.spares + stats.workers > 0 { Ok(()) } else { Err("no worker has started yet".into()) }
    });
    let documents = Arc::downgrade(documents);
    health.register("documents", move || documents.upgrade().ok_or("stopped")?.ready());
    health
}

/// The executor of functions as the gateway's front.
struct FunctionCalls(InvocationFront);

impl Front for FunctionCalls {
    fn claims(&self, path: &str) -> bool {
        InvocationFront::matches(path)
    }

    fn call(&self, request: Request<RequestBody>) -> Answer {
        let front = self.0.clone();
        Box::pin(async move { front.call(request).await.map(Body::new) })
    }
}
