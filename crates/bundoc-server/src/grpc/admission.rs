//! In front of every call: who asks, the one question, the count of the project's open requests; behind it
//! the measure, and the audit record of what changes definitions.

use crate::limit::Refusal;
use crate::metrics::Operation;
use crate::requests::OpenRequest;
use crate::scope::{Scope, TRANSACTION_HEADER};
use crate::service::BundocServer;
use ports::access::{Access, Action, Ask, Credentials, Grant, Peer};
use ports::audit::AuditEntry;
use rpc::api_status;
use service_kit::error::{ApiError, ErrorCode};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;
use tonic::{Request, Response, Status};

/// The metadata with which a developer says which project.
const PROJECT: &str = "x-bunbase-project";
/// Characters of each name that stand in the audit log.
const TARGET_CHARS_MAX: usize = 300;

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
    peer: Option<Peer>,
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

/// Asks again, for answers that stay open.
pub(super) struct Question {
    access: Arc<dyn Access>,
    credentials: Credentials,
    project: Option<String>,
    action: Action,
}

impl Question {
    fn of<T>(access: &Arc<dyn Access>, request: &Request<T>, action: Action) -> Self {
        let headers = request.metadata().as_ref();
        // Cookies are what browsers add by themselves; they do not speak gRPC.
        let credentials =
            Credentials { session: None, end_user_session: None, ..Credentials::from_headers(headers, None) };
        let project = headers.get(PROJECT).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self { access: access.clone(), credentials, project, action }
    }

    /// The grant as it is now.
    pub(super) async fn ask(&self) -> Result<Grant, ApiError> {
        let action = self.action;
        let ask = match &self.project {
            Some(project) => Ask::Project { project, action },
            None => Ask::Key { action },
        };
        self.access.authorize(&self.credentials, ask).await.map_err(ApiError::from)
    }
}

impl Calls {
    /// Lets a call in.
    pub(super) async fn admit<T>(
        &self,
        request: &Request<T>,
        kind: Kind,
    ) -> Result<(Admitted, Question), ApiError> {
        let question = Question::of(&self.access, request, kind.action);
        let grant = question.ask().await?;
        let headers = request.metadata().as_ref();
        if headers.contains_key(TRANSACTION_HEADER) && !kind.operation.joins_transactions() {
            return Err(ApiError::new(ErrorCode::InvalidRequest, "this cannot be done inside a transaction"));
        }
        let scope = Scope::from_grant(&grant)?.with_headers(headers)?;
        let open = self.server.requests.enter(&scope.project)?;
        let peer = request.extensions().get::<Peer>().copied();
        Ok((Admitted { scope, grant, peer, _open: open }, question))
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
                let Admitted { scope, grant, peer, _open: open } = admitted;
                let done = work(self.server.clone(), scope, request.into_inner()).await;
                drop(open);
                let entry = entry(grant, peer, kind, target);
                self.recorded(entry, done).await
            }
            Err(refused) => Err(refused),
        };
        self.server.metrics.record(kind.operation, outcome(&done), begun);
        done.map(Response::new).map_err(|refused| api_status(&refused))
    }

    /// What was refused changed nothing; a change that cannot be written down is told as one.
    async fn recorded<T>(&self, mut entry: AuditEntry, done: Result<T, ApiError>) -> Result<T, ApiError> {
        entry.status = match &done {
            Ok(_) => 200,
            Err(refused) if refused.code.status().is_client_error() => return done,
            Err(failed) => failed.code.status().as_u16(),
        };
        if let Err(error) = self.access.record(entry).await {
            tracing::error!(%error, "a change could not be recorded in the audit log");
            let message = "the change was made, but could not be recorded in the audit log: look before you \
                try again";
            return Err(ApiError::new(ErrorCode::Unavailable, message));
        }
        done
    }
}

/// What a change is made to, by name.
pub(super) type Target = Vec<(&'static str, String)>;

fn entry(grant: Grant, peer: Option<Peer>, kind: Kind, target: Target) -> AuditEntry {
    let cut = |text: String| text.chars().take(TARGET_CHARS_MAX).collect();
    let target: BTreeMap<_, _> =
        target.into_iter().map(|(name, value)| (name.to_owned(), cut(value))).collect();
    AuditEntry {
        caller: grant.caller,
        project: grant.project,
        action: format!("bundoc.v1.Documents/{}", kind.method),
        summary: "A change over gRPC".to_owned(),
        target,
        status: 0,
        address: peer.map(|peer| peer.0.to_canonical().to_string()),
        user_agent: None,
        request_id: None,
    }
}

fn outcome<T>(done: &Result<T, ApiError>) -> Result<(), Refusal> {
    done.as_ref().map(drop).map_err(Refusal::from)
}
