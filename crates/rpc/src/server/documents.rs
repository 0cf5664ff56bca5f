//! `Documents`, offered.

use crate::proto::documents_server::Documents as Wire;
use crate::proto::{
    EnsureIndexRequest, FindReply, FindRequest, GetDocumentReply, GetDocumentRequest, Nothing, WriteRequest,
};
use crate::status::to_status;
use crate::wire::documents::{self, Place};
use crate::wire::project;
use ports::documents::{Documents, Uniqueness};
use std::sync::Arc;
use tonic::{Request, Response, Status, async_trait};

pub(crate) struct Served(pub(crate) Arc<dyn Documents>);

#[async_trait]
impl Wire for Served {
    async fn ensure_index(&self, request: Request<EnsureIndexRequest>) -> Result<Response<Nothing>, Status> {
        let EnsureIndexRequest { at, fields, unique } = request.into_inner();
        let (place, unique) = (Place::get(at)?, if unique { Uniqueness::Unique } else { Uniqueness::Shared });
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        self.0.ensure_index(place.at(), &fields, unique).await.map_err(|error| to_status(&error))?;
        Ok(Response::new(Nothing {}))
    }

    async fn get(&self, request: Request<GetDocumentRequest>) -> Result<Response<GetDocumentReply>, Status> {
        let GetDocumentRequest { at, id } = request.into_inner();
        let stored = self.0.get(Place::get(at)?.at(), &id).await.map_err(|error| to_status(&error))?;
        Ok(Response::new(GetDocumentReply { stored: stored.map(documents::put_stored) }))
    }

    async fn find(&self, request: Request<FindRequest>) -> Result<Response<FindReply>, Status> {
        let (place, find) = documents::get_find(request.into_inner())?;
        let found = self.0.find(place.at(), find).await.map_err(|error| to_status(&error))?;
        Ok(Response::new(documents::put_found(found)))
    }

    async fn write(&self, request: Request<WriteRequest>) -> Result<Response<Nothing>, Status> {
        let message = request.into_inner();
        let writes = message.writes.into_iter().map(documents::get_write).collect::<Result<_, _>>()?;
        self.0.write(&project(&message.project)?, writes).await.map_err(|error| to_status(&error))?;
        Ok(Response::new(Nothing {}))
    }
}
