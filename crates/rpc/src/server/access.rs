//! `Access`, offered.

use crate::proto::access_server::Access as Wire;
use crate::proto::{AuditEntry, AuthorizeRequest, Grant, Nothing};
use crate::status::to_status;
use crate::wire::{access, grant};
use ports::access::Access;
use std::sync::Arc;
use tonic::{Request, Response, Status, async_trait};

pub(crate) struct Served(pub(crate) Arc<dyn Access>);

#[async_trait]
impl Wire for Served {
    async fn authorize(&self, request: Request<AuthorizeRequest>) -> Result<Response<Grant>, Status> {
        let (credentials, asked) = access::get_question(request.into_inner())?;
        let granted = self.0.authorize(&credentials, asked.borrow()).await;
        granted.map(|granted| Response::new(grant::put(&granted))).map_err(|error| to_status(&error))
    }

    async fn record(&self, request: Request<AuditEntry>) -> Result<Response<Nothing>, Status> {
        let entry = access::get_entry(request.into_inner())?;
        self.0.record(entry).await.map_err(|error| to_status(&error))?;
        Ok(Response::new(Nothing {}))
    }
}
