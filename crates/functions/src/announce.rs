//! Events of deployments: `functions.deployments` in the project's realm and in the server's. An event that
//! the bus does not take holds up nothing: the deployment stands, and the log says so.

use crate::service::FunctionsService;
use crate::store::functions::FunctionRow;
use crate::store::versions::VersionRow;
use bytes::Bytes;
use ports::events::{EventBus, Realm, Topic};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

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
        let published = tokio::time::timeout(PATIENCE, publish(&**bus, row, payload)).await;
        match published {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, function = %row.id, "a deployment was not announced"),
            Err(_) => tracing::warn!(function = %row.id, "a deployment was not announced in time"),
        }
    }
}

async fn publish(
    bus: &dyn EventBus,
    row: &FunctionRow,
    payload: Bytes,
) -> Result<(), ports::events::BusError> {
    let topic = Topic::parse(TOPIC)?;
    bus.publish(&Realm::Project(row.project.clone()), &topic, payload.clone()).await?;
    bus.publish(&Realm::System, &topic, payload).await.map(drop)
}
