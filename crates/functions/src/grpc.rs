//! The service `bunbase.functions.v1.Functions`: what the HTTP routes do, for programs that speak gRPC. Each call
//! asks `Access` the same question as its route, goes to the same service or executor, stands in the audit log in
//! the same way, and fails with the same codes.

mod invoke;
mod logs;
mod manage;
mod upload;

use crate::front::InvocationFront;
use crate::service::FunctionsService;
use ports::access::{Access, Action, Grant};
use routes::Standing;
use rpc::functions_v1 as wire;
use rpc::{MESSAGE_BYTES_MAX, api_status};
use service_kit::error::ApiError;
use std::pin::Pin;
use std::sync::Arc;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming, async_trait};
use wire::functions_server::{Functions, FunctionsServer};

/// A stream of answers.
type Streamed<T> = Pin<Box<dyn futures_util::Stream<Item = Result<T, Status>> + Send>>;

/// What the calls share.
struct Calls {
    service: Arc<FunctionsService>,
    access: Arc<dyn Access>,
    front: InvocationFront,
}

/// The service, for the listener to serve beside HTTP.
pub(crate) fn router(service: Arc<FunctionsService>, access: Arc<dyn Access>) -> axum::Router {
    let front = service.front(access.clone());
    let server = FunctionsServer::new(Calls { service, access, front })
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    axum::Router::new().route_service("/bunbase.functions.v1.Functions/{*rest}", server)
}

impl Calls {
    /// Whether the caller may, and what asks again.
    async fn admit(&self, metadata: &MetadataMap, action: Action) -> Result<(Grant, Standing), ApiError> {
        let standing = Standing::of_call(self.access.clone(), metadata.as_ref(), action);
        Ok((standing.check().await?, standing))
    }
}

fn told<T>(done: Result<T, ApiError>) -> Result<Response<T>, Status> {
    done.map(Response::new).map_err(|refused| api_status(&refused))
}

#[async_trait]
impl Functions for Calls {
    async fn register(
        &self,
        request: Request<wire::RegisterRequest>,
    ) -> Result<Response<wire::Function>, Status> {
        told(self.register_function(request).await)
    }

    async fn deploy(
        &self,
        request: Request<Streaming<wire::DeployRequest>>,
    ) -> Result<Response<wire::Function>, Status> {
        told(self.deploy_function(request).await)
    }

    async fn get(&self, request: Request<wire::GetRequest>) -> Result<Response<wire::Function>, Status> {
        told(self.look_at_function(request).await)
    }

    async fn list(&self, request: Request<wire::ListRequest>) -> Result<Response<wire::ListReply>, Status> {
        told(self.list_functions(request).await)
    }

    async fn invoke(
        &self,
        request: Request<wire::InvokeRequest>,
    ) -> Result<Response<wire::InvokeReply>, Status> {
        self.call_whole(request).await
    }

    type InvokeStreamStream = Streamed<wire::InvokePart>;

    async fn invoke_stream(
        &self,
        request: Request<wire::InvokeRequest>,
    ) -> Result<Response<Self::InvokeStreamStream>, Status> {
        self.call_streamed(request).await
    }

    type LogsStream = Streamed<wire::LogLine>;

    async fn logs(&self, request: Request<wire::LogsRequest>) -> Result<Response<Self::LogsStream>, Status> {
        told(self.stream_logs(request).await)
    }
}
