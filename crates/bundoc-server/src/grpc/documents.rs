//! Calls about documents that have one answer.

use super::admission::{Calls, Kind};
use super::{from_wire, to_wire, wire};
use crate::error;
use crate::metrics::Operation;
use crate::reader::{Outcome, Reader};
use crate::scope::Scope;
use bson::doc;
use bundoc::engine::{Engine, FindRequest, WriteOp};
use ports::access::Action;
use service_kit::error::{ApiError, ErrorCode};
use tonic::{Request, Response, Status};

/// Documents of a page where no size is given.
const PAGE_DEFAULT: usize = 100;

const GET: Kind = Kind { action: Action::DocumentRead, operation: Operation::Get, method: "Get" };
const COUNT: Kind = Kind { action: Action::DocumentRead, operation: Operation::Count, method: "Count" };
const DISTINCT: Kind = Kind { action: Action::DocumentRead, operation: Operation::Count, method: "Distinct" };
const EXPLAIN: Kind = Kind { action: Action::DatabaseRead, operation: Operation::Explain, method: "Explain" };
const WRITE: Kind = Kind { action: Action::DocumentWrite, operation: Operation::Batch, method: "Write" };

impl Calls {
    pub(super) async fn get_document(
        &self,
        request: Request<wire::GetRequest>,
    ) -> Result<Response<wire::GetReply>, Status> {
        let work = async |server: Server, scope: Scope, asked: wire::GetRequest| {
            let (collection, id) = (scope.collection(&asked.collection)?, from_wire::document_id(&asked.id)?);
            let found = server.get(&scope, &collection, &id).await?;
            Ok(wire::GetReply { document: found.map(to_wire::stored) })
        };
        self.answer(request, GET, work).await
    }

    pub(super) async fn count_documents(
        &self,
        request: Request<wire::CountRequest>,
    ) -> Result<Response<wire::CountReply>, Status> {
        let work = async |server: Server, scope: Scope, asked: wire::CountRequest| {
            let collection = scope.collection(&asked.collection)?;
            let filter = from_wire::filter(&asked.filter)?;
            let count = move |reader: &mut Reader<'_>| reader.count(&collection, &filter);
            Ok(wire::CountReply { count: server.read(&scope, count).await? })
        };
        self.answer(request, COUNT, work).await
    }

    pub(super) async fn distinct_values(
        &self,
        request: Request<wire::DistinctRequest>,
    ) -> Result<Response<wire::DistinctReply>, Status> {
        let work = async |server: Server, scope: Scope, asked: wire::DistinctRequest| {
            let collection = scope.collection(&asked.collection)?;
            let filter = from_wire::filter(&asked.filter)?;
            let distinct = move |reader: &mut Reader<'_>| reader.distinct(&collection, &asked.field, &filter);
            let values = server.read(&scope, distinct).await?;
            Ok(wire::DistinctReply { bson: to_wire::bytes(&doc! { "values": values })? })
        };
        self.answer(request, DISTINCT, work).await
    }

    pub(super) async fn explain_query(
        &self,
        request: Request<wire::FindRequest>,
    ) -> Result<Response<wire::ExplainReply>, Status> {
        let work = async |server: Server, scope: Scope, asked: wire::FindRequest| {
            let collection = scope.collection(&asked.collection)?;
            let request = page_request(asked)?;
            let Scope { project, database, .. } = scope;
            let explain = move |engine: &dyn Engine| {
                engine.explain(&database, &collection, &request).map_err(error::engine)
            };
            server.blocking(&project, explain).await.map(to_wire::explanation)
        };
        self.answer(request, EXPLAIN, work).await
    }

    pub(super) async fn write_all(
        &self,
        request: Request<wire::WriteRequest>,
    ) -> Result<Response<wire::WriteReply>, Status> {
        let work = async |server: Server, scope: Scope, asked: wire::WriteRequest| {
            let operations = operations(asked)?;
            server.check_operations(&scope, &operations)?;
            let Outcome { commit, written } = server.write(&scope, operations, error::engine).await?;
            let results = written.into_iter().map(to_wire::written).collect();
            Ok(wire::WriteReply { commit, results })
        };
        self.answer(request, WRITE, work).await
    }
}

type Server = std::sync::Arc<crate::service::BundocServer>;

fn operations(asked: wire::WriteRequest) -> Result<Vec<WriteOp>, ApiError> {
    if asked.operations.is_empty() {
        return Err(ApiError::new(ErrorCode::InvalidRequest, "a write has one operation at least"));
    }
    let operations = asked.operations.into_iter().enumerate();
    let read = |(index, message)| {
        from_wire::operation(message).map_err(|refused| error::at_operation(index, refused))
    };
    operations.map(read).collect()
}

/// The request of the first page.
pub(super) fn page_request(asked: wire::FindRequest) -> Result<FindRequest, ApiError> {
    Ok(FindRequest {
        filter: from_wire::filter(&asked.filter)?,
        sort: from_wire::sort(asked.sort)?,
        limit: page_size(asked.page_size, asked.limit)?,
        skip: usize::try_from(asked.skip).unwrap_or(usize::MAX),
        cursor: (!asked.cursor.is_empty()).then_some(asked.cursor),
        fields: from_wire::filter(&asked.projection)?,
    })
}

/// Documents of a page: never more than are wanted in all. The upper bound is the engine's.
pub(super) fn page_size(asked: Option<u32>, limit: Option<u64>) -> Result<usize, ApiError> {
    if asked == Some(0) || limit == Some(0) {
        let message = "`limit` and `page_size` are 1 at least; leave them out for no limit";
        return Err(ApiError::new(ErrorCode::InvalidQuery, message));
    }
    let size = asked.map_or(PAGE_DEFAULT, |size| size as usize);
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(size.min(limit))
}
