//! In front of every call: who asks, the one question, the count of the project's open requests; behind it
//! the measure, and the audit record of what changes definitions.

use crate::limit::Refusal;
use crate::metrics::Operation;
use crate::requests::OpenRequest;
use crate::scope::{Scope, TRANSACTION_HEADER};
use crate::service::BundocServer;
use ports::access::{Access, Action, Grant, Peer};
use routes::{CallRecord, Standing};
use rpc::api_status;
use service_kit::error::{ApiError, ErrorCode};
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;
use tonic::{Request, Response, Status};

/// What the calls share.
#[derive(Clone)]
pub(super) struct Calls {
    pub(super) server: Arc<BundocServer>,
    pub(super) access: Arc<dyn Access>,
}

/// What a call is, for the question, the numbers and the record.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) action: Action,
    pub(super) operation: Operation,
    /// As it is called in the audit log.
    pub(super) method: &'static str,
}

/// Who calls, and may.
pub(super) struct Admitted {
    pub(super) scope: Scope,
    grant: Grant,
    _open: OpenRequest,
}

impl Admitted {
    /// Goes on as the caller is now; claims may be others.
    pub(super) fn renew(&mut self, grant: Grant) -> Result<(), ApiError> {
        let transaction = self.scope.transaction.take();
        self.scope = Scope { transaction, ..Scope::from_grant(&grant)? };
        self.grant = grant;
        Ok(())
    }
}

impl Calls {
    /// Lets a call in.
    pub(super) async fn admit<T>(
        &self,
        request: &Request<T>,
        kind: Kind,
    ) -> Result<(Admitted, Standing), ApiError> {
        let headers = request.metadata().as_ref();
        let standing = Standing::of_call(self.access.clone(), headers, kind.action);
        let grant = standing.check().await?;
        if headers.contains_key(TRANSACTION_HEADER) && !kind.operation.joins_transactions() {
            return Err(ApiError::new(ErrorCode::InvalidRequest, "this cannot be done inside a transaction"));
        }
        let scope = Scope::from_grant(&grant)?.with_headers(headers)?;
        let open = self.server.requests.enter(&scope.project)?;
        Ok((Admitted { scope, grant, _open: open }, standing))
    }

    /// One call with one answer.
    pub(super) async fn answer<M, T, F, Work>(
        &self,
        request: Request<M>,
        kind: Kind,
        work: Work,
    ) -> Result<Response<T>, Status>
    where
        Work: FnOnce(Arc<BundocServer>, Scope, M) -> F + Send,
        F: Future<Output = Result<T, ApiError>> + Send,
        M: Send,
    {
        let begun = Instant::now();
        let done = match self.admit(&request, kind).await {
            Ok((Admitted { scope, _open: open, .. }, _)) => {
                let done = work(self.server.clone(), scope, request.into_inner()).await;
                drop(open);
                done
            }
            Err(refused) => Err(refused),
        };
        self.server.metrics.record(kind.operation, outcome(&done), begun);
        done.map(Response::new).map_err(|refused| api_status(&refused))
    }

    /// One call that changes definitions; `target` says which in the audit log.
    pub(super) async fn change<M, T, F, Work>(
        &self,
        request: Request<M>,
        kind: Kind,
        target: Target,
        work: Work,
    ) -> Result<Response<T>, Status>
    where
        Work: FnOnce(Arc<BundocServer>, Scope, M) -> F + Send,
        F: Future<Output = Result<T, ApiError>> + Send,
        M: Send,
        T: Send,
    {
        let begun = Instant::now();
        let done = match self.admit(&request, kind).await {
            Ok((admitted, _)) => {
                let Admitted { scope, grant, _open: open } = admitted;
                let peer = request.extensions().get::<Peer>().copied();
                let call = format!("bundoc.v1.Documents/{}", kind.method);
                let record = CallRecord::new(&grant, call, (request.metadata().as_ref(), peer));
                let record = target.iter().fold(record, |record, (name, value)| record.target(name, value));
                let done = work(self.server.clone(), scope, request.into_inner()).await;
                drop(open);
                record.keep(&*self.access, done).await
            }
            Err(refused) => Err(refused),
        };
        self.server.metrics.record(kind.operation, outcome(&done), begun);
        done.map(Response::new).map_err(|refused| api_status(&refused))
    }
}

/// What a change is made to, by name.
pub(super) type Target = Vec<(&'static str, String)>;

fn outcome<T>(done: &Result<T, ApiError>) -> Result<(), Refusal> {
    done.as_ref().map(drop).map_err(Refusal::from)
}
