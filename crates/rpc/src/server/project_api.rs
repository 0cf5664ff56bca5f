//! `ProjectApi`, offered.

use crate::proto::project_api_server::ProjectApi as Wire;
use crate::proto::{ProjectApiReply, ProjectApiRequest};
use crate::wire::{grant, http as wire_http, required};
use ports::project_api::ProjectApi;
use std::sync::Arc;
use tonic::{Request, Response, Status, async_trait};

pub(crate) struct Served(pub(crate) Arc<dyn ProjectApi>);

#[async_trait]
impl Wire for Served {
    async fn call(&self, request: Request<ProjectApiRequest>) -> Result<Response<ProjectApiReply>, Status> {
        let mut message = request.into_inner();
        let grant = grant::get(required(message.grant.take(), "grant")?)?;
        let answer = self.0.call(grant, wire_http::get_request(message)?).await;
        Ok(Response::new(wire_http::put_response(answer)))
    }
}
