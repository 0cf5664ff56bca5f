//! Registering, deploying, looking at functions.

use super::upload;
use super::{Calls, wire};
use crate::deploy::Deployed;
use crate::error::FunctionsError;
use crate::http::{CreateFunction, FunctionView, Sent, project_of, wanted};
use ports::access::{Action, Grant, Peer};
use routes::CallRecord;
use service_kit::error::ApiError;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Streaming};

/// What is kept of a call to record it.
type Known = (MetadataMap, Extensions);

impl Calls {
    pub(super) async fn register_function(
        &self,
        request: Request<wire::RegisterRequest>,
    ) -> Result<wire::Function, ApiError> {
        let (metadata, extensions, message) = request.into_parts();
        let (grant, _) = self.admit(&metadata, Action::FunctionDeploy).await?;
        let body = upload::registration(message)?;
        self.bring(grant, ("Register", (metadata, extensions)), Sent { body, code: None }).await
    }

    pub(super) async fn deploy_function(
        &self,
        request: Request<Streaming<wire::DeployRequest>>,
    ) -> Result<wire::Function, ApiError> {
        let (metadata, extensions, stream) = request.into_parts();
        let (grant, _) = self.admit(&metadata, Action::FunctionDeploy).await?;
        let sent = upload::read(stream, self.service.config.deployment_bytes_max).await?;
        self.bring(grant, ("Deploy", (metadata, extensions)), sent).await
    }

    /// Registers or deploys, and records it.
    async fn bring(
        &self,
        grant: Grant,
        (method, (metadata, extensions)): (&str, Known),
        sent: Sent<CreateFunction>,
    ) -> Result<wire::Function, ApiError> {
        let call = format!("bunbase.functions.v1.Functions/{method}");
        let peer = extensions.get::<Peer>().copied();
        let record = CallRecord::new(&grant, call, (metadata.as_ref(), peer)).target("name", &sent.body.name);
        let done = self.bring_now(grant, sent).await;
        let version = done.as_ref().ok().and_then(|function| function.version.clone()).unwrap_or_default();
        record.target("version", &version).keep(&*self.access, done).await
    }

    async fn bring_now(&self, grant: Grant, sent: Sent<CreateFunction>) -> Result<wire::Function, ApiError> {
        let wanted = wanted(sent).map_err(FunctionsError::into_api)?;
        let deployed = self.service.deploy(project_of(grant)?, wanted).await;
        let (Deployed::New(row) | Deployed::Known(row)) = deployed.map_err(FunctionsError::into_api)?;
        Ok(FunctionView::of(row, &self.service.config).into())
    }

    pub(super) async fn look_at_function(
        &self,
        request: Request<wire::GetRequest>,
    ) -> Result<wire::Function, ApiError> {
        let (metadata, _, message) = request.into_parts();
        let (grant, _) = self.admit(&metadata, Action::FunctionRead).await?;
        let row = self.service.get(&project_of(grant)?, &message.function).await?;
        Ok(FunctionView::of(row, &self.service.config).into())
    }

    pub(super) async fn list_functions(
        &self,
        request: Request<wire::ListRequest>,
    ) -> Result<wire::ListReply, ApiError> {
        let (grant, _) = self.admit(request.metadata(), Action::FunctionRead).await?;
        let rows = self.service.list(&project_of(grant)?).await?;
        let functions = rows.into_iter().map(|row| FunctionView::of(row, &self.service.config).into());
        Ok(wire::ListReply { functions: functions.collect() })
    }
}

impl From<FunctionView> for wire::Function {
    fn from(view: FunctionView) -> Self {
        Self {
            id: view.id,
            name: view.name,
            runtime: view.runtime.to_string(),
            handler: view.handler,
            version: view.version,
            checksum: view.checksum,
            status: view.status,
            access: view.access.as_str().to_owned(),
            url: view.url,
        }
    }
}
