// The services of functions with real workers, on a Unix socket, for one project with one key. Included by the
// documentation test of the README too.

use ports::access::{Access, AccessError, Ask, Caller, Credentials, Grant, KeyKind};
use ports::secrets::{Secrets, SecretsError};
use secrecy::{ExposeSecret as _, SecretSlice};
use service_kit::ids::{KeyId, ProjectId};
use std::sync::Arc;

pub(crate) const KEY: &str = "sk_of_the_test";

/// Lets whoever has the key do everything in the project.
struct OneKey(ProjectId);

#[async_trait::async_trait]
impl Access for OneKey {
    async fn authorize(&self, credentials: &Credentials, _: Ask<'_>) -> Result<Grant, AccessError> {
        if credentials.key.as_ref().is_none_or(|key| key.expose_secret() != KEY) {
            return Err(AccessError::Unauthenticated("the key is not known"));
        }
        let caller = Caller::Key { id: KeyId::generate(), kind: KeyKind::Secret };
        Ok(Grant { caller, project: Some(self.0.clone()), end_user: None })
    }

    async fn record(&self, _: ports::audit::AuditEntry) -> Result<(), AccessError> {
        Ok(())
    }
}

/// The functions here have no variables.
struct NoSecrets;

#[async_trait::async_trait]
impl Secrets for NoSecrets {
    async fn seal(&self, _: &ProjectId, _: &str, _: &[u8]) -> Result<Vec<u8>, SecretsError> {
        Err(SecretsError::NotFound)
    }

    async fn open(&self, _: &ProjectId, _: &str, _: &[u8]) -> Result<SecretSlice<u8>, SecretsError> {
        Err(SecretsError::NotFound)
    }

    async fn put(&self, _: &ProjectId, _: &str, _: &[u8]) -> Result<u32, SecretsError> {
        Err(SecretsError::NotFound)
    }

    async fn get(&self, _: &ProjectId, _: &str) -> Result<SecretSlice<u8>, SecretsError> {
        Err(SecretsError::NotFound)
    }

    async fn delete(&self, _: &ProjectId, _: &str) -> Result<(), SecretsError> {
        Err(SecretsError::NotFound)
    }
}

pub(crate) struct Server {
    service: Arc<functions::FunctionsService>,
    logs: Arc<run_log::RunLog>,
    drain: service_kit::drain::Drain,
    directory: tempfile::TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let logs = run_log::RunLog::open(directory.path(), run_log::RunLogConfig::default()).await.unwrap();
        let explicit = std::env::var_os("BUNBASE_BUN_PATH");
        let explicit = explicit.as_deref().map(std::path::Path::new);
        let deps = functions::FunctionsDeps {
            bun: worker_pool::BunBinary::find(explicit, &[]).unwrap(),
            data_dir: directory.path().join("functions"),
            work_dir: directory.path().join("w"),
            logs: logs.clone(),
            secrets: Arc::new(NoSecrets),
            mailer: None,
            public_url: "https://api.example".to_owned(),
        };
        let config = functions::FunctionsConfig { spare_workers: 1, ..functions::FunctionsConfig::default() };
        let service = functions::FunctionsService::start(config, deps).await.unwrap();
        let server = Self { service, logs, drain: service_kit::drain::Drain::new(), directory };
        let socket = gateway::UnixListener::bind(&server.path()).unwrap();
        tokio::spawn(socket.serve(Arc::new(server.gateway())));
        server
    }

    fn gateway(&self) -> gateway::Gateway {
        let access: Arc<dyn Access> = Arc::new(OneKey(ProjectId::generate()));
        let parts = gateway::GatewayParts {
            config: gateway::GatewayConfig::default(),
            services: vec![self.service.routes(access.clone())],
            front: None,
            upstreams: gateway::Upstreams::default(),
            access: access.clone(),
            health: service_kit::health::Health::default(),
            drain: self.drain.clone(),
            metrics: Arc::new(String::new),
        };
        gateway::Gateway::new(parts).with_rpc(self.service.grpc(access))
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("bunbase.sock")
    }

    pub(crate) fn address(&self) -> String {
        format!("unix:{}", self.path().display())
    }

    pub(crate) async fn stop(self) {
        self.drain.start();
        self.service.shutdown().await;
        self.logs.close().await;
    }
}
