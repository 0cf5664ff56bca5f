//! The service `bundoc.v1.Documents`: what the HTTP routes do, for programs that speak gRPC. Documents cross
//! as BSON. Each call asks `Access` the same question as its route, and fails with the same codes.

mod admission;
mod definitions;
mod documents;
mod from_wire;
mod stream;
mod to_wire;
mod transactions;

use crate::service::BundocServer;
use admission::Calls;
use ports::access::Access;
use rpc::MESSAGE_BYTES_MAX;
use rpc::bundoc_v1 as wire;
use std::pin::Pin;
use std::sync::Arc;
use tonic::{Request, Response, Status, async_trait};
use wire::documents_server::{Documents, DocumentsServer};

/// A stream of answers.
type Streamed<T> = Pin<Box<dyn futures_util::Stream<Item = Result<T, Status>> + Send>>;

/// The service, for the listener to serve beside HTTP.
pub(crate) fn router(server: Arc<BundocServer>, access: Arc<dyn Access>) -> axum::Router {
    let service = DocumentsServer::new(Calls { server, access })
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    axum::Router::new().route_service("/bundoc.v1.Documents/{*rest}", service)
}

#[async_trait]
impl Documents for Calls {
    async fn get(&self, request: Request<wire::GetRequest>) -> Result<Response<wire::GetReply>, Status> {
        self.get_document(request).await
    }

    type FindStream = Streamed<wire::FindReply>;

    async fn find(&self, request: Request<wire::FindRequest>) -> Result<Response<Self::FindStream>, Status> {
        self.stream_found(request).await
    }

    type FindGroupStream = Streamed<wire::FindGroupReply>;

    async fn find_group(
        &self,
        request: Request<wire::FindGroupRequest>,
    ) -> Result<Response<Self::FindGroupStream>, Status> {
        self.stream_group(request).await
    }

    async fn count(
        &self,
        request: Request<wire::CountRequest>,
    ) -> Result<Response<wire::CountReply>, Status> {
        self.count_documents(request).await
    }

    async fn distinct(
        &self,
        request: Request<wire::DistinctRequest>,
    ) -> Result<Response<wire::DistinctReply>, Status> {
        self.distinct_values(request).await
    }

    async fn explain(
        &self,
        request: Request<wire::FindRequest>,
    ) -> Result<Response<wire::ExplainReply>, Status> {
        self.explain_query(request).await
    }

    async fn write(
        &self,
        request: Request<wire::WriteRequest>,
    ) -> Result<Response<wire::WriteReply>, Status> {
        self.write_all(request).await
    }

    async fn begin_transaction(
        &self,
        request: Request<wire::BeginTransactionRequest>,
    ) -> Result<Response<wire::Transaction>, Status> {
        self.begin(request).await
    }

    async fn commit_transaction(
        &self,
        request: Request<wire::TransactionRequest>,
    ) -> Result<Response<wire::CommitTransactionReply>, Status> {
        self.commit(request).await
    }

    async fn abort_transaction(
        &self,
        request: Request<wire::TransactionRequest>,
    ) -> Result<Response<wire::Done>, Status> {
        self.abort(request).await
    }

    async fn list_collections(
        &self,
        request: Request<wire::ListCollectionsRequest>,
    ) -> Result<Response<wire::ListCollectionsReply>, Status> {
        self.list_all_collections(request).await
    }

    async fn get_collection(
        &self,
        request: Request<wire::CollectionRequest>,
    ) -> Result<Response<wire::Collection>, Status> {
        self.look_at_collection(request).await
    }

    async fn create_collection(
        &self,
        request: Request<wire::CreateCollectionRequest>,
    ) -> Result<Response<wire::Collection>, Status> {
        self.make_collection(request).await
    }

    async fn drop_collection(
        &self,
        request: Request<wire::CollectionRequest>,
    ) -> Result<Response<wire::Done>, Status> {
        self.remove_collection(request).await
    }

    async fn set_rules(
        &self,
        request: Request<wire::SetRulesRequest>,
    ) -> Result<Response<wire::Collection>, Status> {
        self.replace_rules(request).await
    }

    async fn check_rule(
        &self,
        request: Request<wire::CheckRuleRequest>,
    ) -> Result<Response<wire::CheckRuleReply>, Status> {
        self.try_rule(request).await
    }

    async fn create_index(
        &self,
        request: Request<wire::CreateIndexRequest>,
    ) -> Result<Response<wire::Index>, Status> {
        self.declare_index(request).await
    }

    async fn drop_index(
        &self,
        request: Request<wire::DropIndexRequest>,
    ) -> Result<Response<wire::Done>, Status> {
        self.remove_index(request).await
    }

    async fn list_group_indexes(
        &self,
        request: Request<wire::ListGroupIndexesRequest>,
    ) -> Result<Response<wire::ListGroupIndexesReply>, Status> {
        self.list_all_group_indexes(request).await
    }

    async fn create_group_index(
        &self,
        request: Request<wire::CreateGroupIndexRequest>,
    ) -> Result<Response<wire::GroupIndex>, Status> {
        self.declare_group_index(request).await
    }

    async fn drop_group_index(
        &self,
        request: Request<wire::DropGroupIndexRequest>,
    ) -> Result<Response<wire::Done>, Status> {
        self.remove_group_index(request).await
    }
}
