//! Imports the bundle of a version in a worker.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::LoadError;
use crate::launch::Network;
use crate::version::Version;
use crate::worker::{Loaded, Worker};

/// Bun looks for bytecode under the name of the code and this.
const BYTECODE_SUFFIX: &str = ".jsc";
/// It looks for the source map of code under the name of the code and this, when it writes a stack.
const MAP_SUFFIX: &str = ".map";

impl Version {
    /// A function without any host needs no socket.
    pub(crate) fn network(&self) -> Network {
        match &self.spec.settings.allowed_hosts {
            Some(hosts) if hosts.is_empty() => Network::Closed,
            Some(_) | None => Network::Open,
        }
    }

    pub(crate) async fn load_into(self: &Arc<Self>, worker: &Arc<Worker>) -> Result<(), LoadError> {
        let order = self.order(worker).await?;
        let timeout = self.spec.settings.startup_timeout.unwrap_or(self.shared.launcher.startup_timeout);
        let answer = worker.load(self, order.to_string().as_bytes());
        match tokio::time::timeout(timeout, answer).await {
            Ok(Ok(Loaded::Ready(report))) => {
                self.report.get_or_init(|| report);
                Ok(())
            }
            Ok(Ok(Loaded::Failed(report))) => Err(LoadReport::parse(&report, worker)),
            Ok(Err(_)) => Err(LoadError::Crashed { message: format!("process {}", worker.pid) }),
            Err(_) => Err(LoadError::Timeout(timeout)),
        }
    }

    /// The payload of the `LOAD` frame; the bundle is then where the worker can read it.
    async fn order(&self, worker: &Arc<Worker>) -> Result<serde_json::Value, LoadError> {
        let settings = &self.spec.settings;
        if let Some(cgroup) = &worker.place.cgroup
            && let Err(error) = cgroup.limit(settings.memory_limit_bytes)
        {
            tracing::warn!(pid = worker.pid, %error, "memory of a worker could not be limited by its cgroup");
        }
        let unreadable = |reason: String| LoadError::Import {
            message: format!("the bundle cannot be read: {reason}"),
            stack: String::new(),
        };
        let (from, to) = (self.spec.clone(), Arc::clone(worker));
        let brought = tokio::task::spawn_blocking(move || {
            let bundle = to.place.bring(&from.bundle_path)?;
            bring_beside(&to, &from.bundle_path, MAP_SUFFIX);
            Ok((bundle, from.bytecode_path.and_then(|path| bring_bytecode(&to, &path))))
        });
        let brought: std::io::Result<(PathBuf, Option<PathBuf>)> =
            brought.await.map_err(|error| unreadable(error.to_string()))?;
        let (bundle, bytecode) = brought.map_err(|error| unreadable(error.to_string()))?;
        let env: std::collections::BTreeMap<_, _> =
            self.spec.env.iter().map(|(name, value)| (name, value)).collect();
        Ok(serde_json::json!({
            "bundle": bundle,
            "bytecode": bytecode,
            "handlers": &*self.spec.handlers,
            "env": env,
            // At least 1: 0 is no limit.
            "timeout_ms": settings.execution_timeout.as_millis().max(1) as u64,
            "allowed_hosts": settings.allowed_hosts,
        }))
    }
}

/// The code and its bytecode. Either may be missing, then the plain bundle has to do.
fn bring_bytecode(worker: &Worker, code: &Path) -> Option<PathBuf> {
    let brought = worker.place.bring(code).ok()?;
    bring_beside(worker, code, BYTECODE_SUFFIX);
    bring_beside(worker, code, MAP_SUFFIX);
    Some(brought)
}

/// What belongs to the code where it is there.
fn bring_beside(worker: &Worker, code: &Path, suffix: &str) {
    let mut path = code.as_os_str().to_owned();
    path.push(suffix);
    let _ = worker.place.bring(Path::new(&path));
}

#[derive(serde::Deserialize)]
struct LoadReport {
    kind: String,
    message: String,
    stack: String,
}

impl LoadReport {
    fn parse(report: &[u8], worker: &Worker) -> LoadError {
        let shown = |text: String| worker.place.shown(text);
        match serde_json::from_slice(report) {
            Ok(Self { kind, message, .. }) if kind == "handler" => LoadError::MissingHandler { message },
            Ok(Self { message, stack, .. }) => {
                LoadError::Import { message: shown(message), stack: shown(stack) }
            }
            Err(error) => LoadError::Crashed { message: error.to_string() },
        }
    }
}
