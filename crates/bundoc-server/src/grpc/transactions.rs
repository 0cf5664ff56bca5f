//! Calls that open and end transactions.

use super::admission::{Calls, Kind};
use super::wire;
use crate::metrics::Operation;
use crate::scope::{Scope, no_transaction};
use crate::service::BundocServer;
use ports::access::Action;
use service_kit::error::ApiError;
use service_kit::ids::TransactionId;
use std::sync::Arc;
use std::time::Duration;
use tonic::{Request, Response, Status};

const fn kind(method: &'static str) -> Kind {
    Kind { action: Action::DocumentRead, operation: Operation::Transaction, method }
}

impl Calls {
    pub(super) async fn begin(
        &self,
        request: Request<wire::BeginTransactionRequest>,
    ) -> Result<Response<wire::Transaction>, Status> {
        let work = async |server: Arc<BundocServer>, scope: Scope, _: wire::BeginTransactionRequest| {
            let opened = server.transactions.open(&scope).await?;
            let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            Ok(wire::Transaction {
                id: opened.id.to_string(),
                expires_in_ms: milliseconds(opened.expires_in),
                idle_timeout_ms: milliseconds(opened.idle),
            })
        };
        self.answer(request, kind("BeginTransaction"), work).await
    }

    pub(super) async fn commit(
        &self,
        request: Request<wire::TransactionRequest>,
    ) -> Result<Response<wire::CommitTransactionReply>, Status> {
        let work = async |server: Arc<BundocServer>, scope: Scope, asked: wire::TransactionRequest| {
            let commit = server.transactions.commit(&scope, &id(&asked)?).await?;
            Ok(wire::CommitTransactionReply { commit: commit.number })
        };
        self.answer(request, kind("CommitTransaction"), work).await
    }

    pub(super) async fn abort(
        &self,
        request: Request<wire::TransactionRequest>,
    ) -> Result<Response<wire::Done>, Status> {
        let work = async |server: Arc<BundocServer>, scope: Scope, asked: wire::TransactionRequest| {
            server.transactions.abort(&scope, &id(&asked)?)?;
            Ok(wire::Done {})
        };
        self.answer(request, kind("AbortTransaction"), work).await
    }
}

fn id(asked: &wire::TransactionRequest) -> Result<TransactionId, ApiError> {
    TransactionId::parse(&asked.id).map_err(|_| no_transaction())
}
