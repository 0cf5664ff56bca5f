//! `ProjectLifecycle` of the stores of this process, offered.

use crate::proto::project_lifecycle_server::ProjectLifecycle as Wire;
use crate::proto::{Nothing, PurgeRequest};
use crate::wire::project;
use ports::lifecycle::ProjectLifecycle;
use std::error::Error;
use std::sync::Arc;
use tonic::{Request, Response, Status, async_trait};

pub(crate) struct Served(pub(crate) Vec<Arc<dyn ProjectLifecycle>>);

#[async_trait]
impl Wire for Served {
    async fn purge(&self, request: Request<PurgeRequest>) -> Result<Response<Nothing>, Status> {
        let message = request.into_inner();
        let project = project(&message.project)?;
        let missing = || Status::not_found(format!("this process has no store `{}`", message.store));
        let store = self.0.iter().find(|store| store.store() == message.store).ok_or_else(missing)?;
        store.purge(&project).await.map_err(|error| {
            tracing::warn!(error = &error as &dyn Error, "a project could not be removed");
            Status::unavailable(error.to_string())
        })?;
        Ok(Response::new(Nothing {}))
    }
}
