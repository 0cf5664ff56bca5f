//! `TenantIdentity`, offered.

use crate::proto::tenant_identity_server::TenantIdentity as Wire;
use crate::proto::{EndUserReply, EndUserToken};
use crate::wire::{grant, project};
use ports::tenant::TenantIdentity;
use secrecy::SecretString;
use std::error::Error;
use std::sync::Arc;
use tonic::{Request, Response, Status, async_trait};

pub(crate) struct Served(pub(crate) Arc<dyn TenantIdentity>);

#[async_trait]
impl Wire for Served {
    async fn verify(&self, request: Request<EndUserToken>) -> Result<Response<EndUserReply>, Status> {
        let message = request.into_inner();
        let project = project(&message.project)?;
        let user = self.0.verify(&project, &SecretString::from(message.token)).await.map_err(|error| {
            tracing::warn!(error = &error as &dyn Error, "an end user could not be looked up");
            Status::unavailable(error.to_string())
        })?;
        Ok(Response::new(EndUserReply { user: user.as_deref().map(grant::put_end_user) }))
    }
}
