//! The invocation front: from an HTTP request to a worker and back. It runs before any general middleware
//! and touches memory only: no SQL, no names in metrics, bodies as they come.

mod answer;
mod body;
mod executor;
mod headers;
mod record;
mod target;
mod url;

pub use answer::CallBody;
pub(crate) use answer::collect_answer;
pub(crate) use body::BodyLimits;
pub(crate) use executor::Executor;
pub(crate) use headers::INVOCATION_HEADER;
pub(crate) use headers::{continue_trace, of_triggers};
pub(crate) use record::{Origin, PortSpan, Recorder};
pub(crate) use target::Target;

use crate::settings::AccessSetting;
use answer::refused;
use bytes::Bytes;
use executor::Admission;
use http::request::Parts;
use http::{Request, Response, header};
use http_body::Body;
use ports::access::{Access, AccessError, Action, Ask, Caller, Credentials, Grant, KeyKind, Peer};
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::{ProjectId, RequestId};
use std::sync::Arc;
use worker_pool::BoxError;

/// Takes calls of functions straight from the listener.
#[derive(Clone)]
pub struct InvocationFront {
    executor: Arc<Executor>,
    access: Arc<dyn Access>,
}

/// A call that did not come over HTTP.
pub(crate) struct Called<'a> {
    pub(crate) target: Target<'a>,
    pub(crate) credentials: Credentials,
    pub(crate) origin: Origin,
}

impl InvocationFront {
    pub(crate) fn new(executor: Arc<Executor>, access: Arc<dyn Access>) -> Self {
        Self { executor, access }
    }

    /// Whether a request with this path is a call of a function:
    /// `[/v1|/api]/functions/{name}[/…]` or `(/v1|/api)/projects/{project}/functions/{name}/invoke[/…]`.
    pub fn matches(path: &str) -> bool {
        Target::parse(path).is_some()
    }

    /// Runs one call. Dropping the future cancels it. The request may carry the extensions `Peer` and
    /// `RequestId`; an error answer carries the `ApiError` as an extension.
    pub async fn call<B>(&self, request: Request<B>) -> Response<CallBody>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = request.into_parts();
        let request_id = parts.extensions.get::<RequestId>().cloned();
        match self.find(&parts).await {
            Ok(admission) => self.executor.run(admission, parts, body).await,
            Err(error) => refused(error, request_id.as_ref()),
        }
    }

    /// Runs a call that came another way than over HTTP: `request` is what the handler gets of it.
    pub(crate) async fn call_by<B>(&self, called: Called<'_>, request: Request<B>) -> Response<CallBody>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let Called { target, credentials, origin } = called;
        let (parts, body) = request.into_parts();
        match self.admit(&target, &credentials, &parts).await {
            // What proved who calls is not in the request.
            Ok(admission) => {
                let admission = Admission { speaks_for_developer: false, origin, ..admission };
                self.executor.run(admission, parts, body).await
            }
            Err(error) => refused(error, None),
        }
    }

    /// Whether every request for this host is a call of a function, whatever its path.
    pub fn claims_host(&self, host: &str) -> bool {
        self.executor.hosts.claims(host)
    }

    async fn find(&self, parts: &Parts) -> Result<Admission, ApiError> {
        let nothing = || ApiError::new(ErrorCode::NotFound, "there is nothing at this path");
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
        let credentials = Credentials::from_headers(&parts.headers, peer);
        if let Some(host) = host_of(parts).filter(|host| self.executor.hosts.claims(host)) {
            return match self.executor.hosts.find(host, &self.executor.registry).await {
                Some(found) => self.admit(&found.target(), &credentials, parts).await,
                None => Err(self.unknown_project(&credentials).await),
            };
        }
        self.admit(&Target::parse(parts.uri.path()).ok_or_else(nothing)?, &credentials, parts).await
    }

    /// What a caller learns of a host whose project there is not: the same as of a foreign one.
    async fn unknown_project(&self, credentials: &Credentials) -> ApiError {
        let asked = self.by_key(credentials).await;
        asked.err().unwrap_or(AccessError::ProjectNotFound).into()
    }

    /// Who calls what, and whether the function lets them.
    async fn admit(
        &self,
        target: &Target<'_>,
        credentials: &Credentials,
        parts: &Parts,
    ) -> Result<Admission, ApiError> {
        let Some(text) = target.project else {
            let grant = self.by_key(credentials).await?;
            let project = grant.project.clone().ok_or(AccessError::ProjectNotFound)?;
            return self.enter(&project, (target, parts), &grant.caller);
        };
        let project = ProjectId::parse(text).ok();
        // Whether it is public is asked first: then nobody has to say who they are.
        match project.as_ref().map(|project| self.executor.enter(project, target, parts)) {
            Some(Ok(admission)) if admission.entered.access == AccessSetting::Public => return Ok(admission),
            Some(Err(closed)) if closed.access == Some(AccessSetting::Public) => {
                return Err(closed.why.into_api());
            }
            Some(_) | None => {}
        }
        let grant = self.in_project(text, credentials, parts).await?;
        let project = project.filter(|project| grant.project.as_ref() == Some(project));
        self.enter(&project.ok_or(AccessError::ProjectNotFound)?, (target, parts), &grant.caller)
    }

    async fn by_key(&self, credentials: &Credentials) -> Result<Grant, AccessError> {
        self.access.authorize(credentials, Ask::Key { action: Action::FunctionInvoke }).await
    }

    async fn in_project(
        &self,
        project: &str,
        credentials: &Credentials,
        parts: &Parts,
    ) -> Result<Grant, ApiError> {
        if credentials.key.is_some() {
            return Ok(self.by_key(credentials).await?);
        }
        if credentials.session.is_some() {
            routes::same_site(&parts.method, &parts.headers)?;
        }
        let ask = Ask::Project { project, action: Action::FunctionInvoke };
        Ok(self.access.authorize(credentials, ask).await?)
    }

    fn enter(
        &self,
        project: &ProjectId,
        (target, parts): (&Target<'_>, &Parts),
        caller: &Caller,
    ) -> Result<Admission, ApiError> {
        let admission =
            self.executor.enter(project, target, parts).map_err(|closed| closed.why.into_api())?;
        let by_public_key = matches!(caller, Caller::Key { kind: KeyKind::Public, .. });
        if admission.entered.access == AccessSetting::Secret && by_public_key {
            let message = "this function takes secret keys (sk_…) only; its `access` setting says so";
            return Err(ApiError::new(ErrorCode::Forbidden, message));
        }
        Ok(Admission { speaks_for_developer: matches!(caller, Caller::Developer { .. }), ..admission })
    }
}

/// The host that a request is for, with its port.
fn host_of(parts: &Parts) -> Option<&str> {
    let named = || parts.headers.get(header::HOST)?.to_str().ok();
    parts.uri.authority().map(http::uri::Authority::as_str).or_else(named)
}
