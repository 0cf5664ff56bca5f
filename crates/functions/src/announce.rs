//! Events of deployments and of workers: `functions.deployments` in the project's realm and in the server's. An event that
//! the bus does not take holds up nothing: the deployment stands, and the log says so.

use crate::service::FunctionsService;
use crate::store::functions::FunctionRow;
use crate::store::versions::VersionRow;
use bytes::Bytes;
use ports::events::{EventBus, Realm, Topic};
use serde_json::json;
use service_kit::ids::{FunctionId, ProjectId};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use worker_pool::{EndReason, WorkerChange};

const TOPIC: &str = "functions.deployments";
/// How long a change of a function waits for the bus.
const PATIENCE: Duration = Duration::from_secs(1);

/// What happened to a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announced {
    /// A function has a name.
    Registered,
    /// A version is stored.
    Built,
    /// A new version takes calls.
    Deployed,
    /// A version that was there before takes calls again.
    Activated,
    /// The function is gone.
    Deleted,
}

impl Announced {
    fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Built => "built",
            Self::Deployed => "deployed",
            Self::Activated => "activated",
            Self::Deleted => "deleted",
        }
    }
}

impl FunctionsService {
    /// Publishes deployments to `bus` from now on. A second call changes nothing.
    pub fn bind_events(&self, bus: Arc<dyn EventBus>) {
        self.events.get_or_init(|| bus);
    }

    /// Tells what happened; in the turn of the project, so that events come in order.
    pub(crate) async fn announce(&self, row: &FunctionRow, version: Option<&VersionRow>, what: Announced) {
        let Some(bus) = self.events.get() else { return };
        let payload = json!({
            "project_id": row.project.as_str(),
            "function_id": row.id.as_str(),
            "name": row.name,
            "version": version.map(|version| &*version.version),
            "type": what.as_str(),
        });
        let payload = Bytes::from(payload.to_string());
        publish_in_time(&**bus, (&row.project, &row.id), payload).await;
    }

    /// Tells of the states of workers, as long as there are any.
    pub(crate) fn announce_workers(self: &Arc<Self>, mut changes: mpsc::Receiver<WorkerChange>) {
        let service = Arc::downgrade(self);
        tokio::spawn(async move {
            while let Some(change) = changes.recv().await {
                let Some(service) = service.upgrade() else { return };
                service.announce_worker(&change).await;
            }
        });
    }

    async fn announce_worker(&self, change: &WorkerChange) {
        let Some(bus) = self.events.get() else { return };
        let Some(owner) = self.executor.registry.owner(&change.version) else { return };
        let payload = json!({
            "project_id": owner.project.as_str(),
            "function_id": owner.function.as_str(),
            "version": &*owner.version,
            "type": "worker",
            "state": change.worker.state.as_str(),
            "worker": change.worker.number,
            "pid": change.worker.pid,
            "reason": change.worker.end.map(EndReason::as_str),
        });
        publish_in_time(&**bus, (&owner.project, &owner.function), payload.to_string().into()).await;
    }
}

async fn publish_in_time(bus: &dyn EventBus, of: (&ProjectId, &FunctionId), payload: Bytes) {
    let (project, function) = of;
    match tokio::time::timeout(PATIENCE, publish(bus, project, payload)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, %function, "a change of a function was not announced"),
        Err(_) => tracing::warn!(%function, "a change of a function was not announced in time"),
    }
}

async fn publish(
    bus: &dyn EventBus,
    project: &ProjectId,
    payload: Bytes,
) -> Result<(), ports::events::BusError> {
    let topic = Topic::parse(TOPIC)?;
    bus.publish(&Realm::Project(project.clone()), &topic, payload.clone()).await?;
    bus.publish(&Realm::System, &topic, payload).await.map(drop)
}
