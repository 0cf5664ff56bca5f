//! The invocation front: from an HTTP request to a worker and back. It runs before any general middleware
//! and touches memory only: no SQL, no names in metrics, bodies as they come.

mod answer;
mod body;
mod executor;
mod headers;
mod messages;
mod record;
mod socket;
mod target;
mod upgrade;
mod url;

pub use answer::CallBody;
pub(crate) use answer::{collect_answer, explain};
pub(crate) use body::{BodyLimits, of_bytes as body_of, whole as whole_body};
pub(crate) use executor::{Cause, Executor, respond};
pub(crate) use headers::INVOCATION_HEADER;
pub(crate) use headers::{continue_trace, for_handler, of_triggers};
pub(crate) use record::{Origin, PortSpan, Recorder, Recording};
pub(crate) use socket::Sockets;
pub(crate) use target::Target;

use crate::registry::APPLICATION;
use crate::settings::AccessSetting;
use answer::refused;
use bytes::Bytes;
use executor::Admission;
use http::request::Parts;
use http::{Method, Request, Response, header};
use http_body::Body;
use ports::access::{Access, AccessError, Action, Ask, Caller, Credentials, Grant, KeyKind, Peer};
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::{ProjectId, RequestId};
use std::sync::Arc;
use upgrade::Upgrade;
use worker_pool::BoxError;

/// What an application at the root cannot have: the commands speak with the server there.
const OWN_PATHS: &str = "/v1/";

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

    /// Whether a request with this path is a call of a function: `[/v1|/api]/functions/{name}[/…]`,
    /// `(/v1|/api)/projects/{project}/functions/{name}/invoke[/…]` or `(/v1|/api)/apps/{project}[/…]`.
    pub fn claims(path: &str) -> bool {
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
        if upgrade::is_wanted(&parts) {
            let answered = Box::pin(self.open(parts)).await;
            return answered.unwrap_or_else(|error| refused(error, request_id.as_ref()));
        }
        match self.find(&parts).await {
            Ok(admission) => self.executor.run(admission, parts, body).await,
            Err(error) => refused(error, request_id.as_ref()),
        }
    }

    /// Runs a call that asks for a WebSocket. The handler opens it, or gives another answer.
    async fn open(&self, mut parts: Parts) -> Result<Response<CallBody>, ApiError> {
        let upgrade = Upgrade::take(self, &mut parts)?;
        let admission = self.find(&parts).await?;
        Ok(self.executor.run_socket(admission, parts, upgrade).await)
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

    /// Whether a request for this host and this path is a call of a function, whatever else the path means: the host is
    /// a function's, or the application at the root of this server has the path.
    pub fn claims_as_it_is(&self, host: &str, path: &str) -> bool {
        let Executor { hosts, registry, .. } = &*self.executor;
        let is_at_root = |project| !path.starts_with(OWN_PATHS) && registry.application_has(project, path);
        hosts.claims(host) || hosts.root().is_some_and(is_at_root)
    }

    async fn find(&self, parts: &Parts) -> Result<Admission, ApiError> {
        let nothing = || ApiError::new(ErrorCode::NotFound, "there is nothing at this path");
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
        let mut credentials = Credentials::from_headers(&parts.headers, peer);
        if upgrade::is_wanted(parts) {
            // A browser can set no headers of it.
            credentials = credentials.with_query(parts.uri.query());
        }
        if let Some(host) = host_of(parts).filter(|host| self.executor.hosts.claims(host)) {
            return match self.executor.hosts.find(host, &self.executor.registry).await {
                Some(found) => self.admit(&found.target(), &credentials, parts).await,
                None => Err(self.unknown_project(&credentials).await),
            };
        }
        let path = parts.uri.path();
        let root = self.executor.hosts.root().filter(|_| !path.starts_with(OWN_PATHS));
        let target = match root {
            Some(project) if self.executor.registry.application_has(project, path) => {
                Target::application(project.as_str(), 0)
            }
            _ => Target::parse(path).ok_or_else(nothing)?,
        };
        if let (APPLICATION, Some(project)) = (target.name, target.project) {
            // An id, or the name that people know.
            let found = self.executor.hosts.application(project, &self.executor.registry).await;
            return match found {
                Some(found) => {
                    let target = Target { rest_at: target.rest_at, ..found.target() };
                    self.admit(&target, &credentials, parts).await
                }
                None => Err(self.unknown_project(&credentials).await),
            };
        }
        self.admit(&target, &credentials, parts).await
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
            // The signature says who sends a webhook.
            Some(Ok(admission))
                if admission.entered.access == AccessSetting::Public
                    || admission.entered.handler.webhook.is_some() =>
            {
                return Ok(admission);
            }
            Some(Err(closed)) if closed.access == Some(AccessSetting::Public) => {
                return Err(closed.why.into_api());
            }
            Some(_) | None => {}
        }
        let grant = self.in_project(text, credentials, parts).await?;
        let project = project.filter(|project| grant.project.as_ref() == Some(project));
        let project = project.ok_or(AccessError::ProjectNotFound)?;
        let admission = self.enter(&project, (target, parts), &grant.caller)?;
        // A developer is believed, who may call it in any case; others would blur whose calls these are.
        if admission.speaks_for_developer && headers::is_by_command_line(&parts.headers) {
            let origin = Origin { trigger: Origin::CLI.trigger, ..admission.origin };
            return Ok(Admission { origin, ..admission });
        }
        Ok(admission)
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
            // A WebSocket is not held back by CORS, so that another site's page could open one with the cookie of a
            // developer who is signed in.
            let method = if upgrade::is_wanted(parts) { &Method::POST } else { &parts.method };
            routes::same_site(method, &parts.headers)?;
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
        let is_webhook = admission.entered.handler.webhook.is_some();
        if admission.entered.access == AccessSetting::Secret && by_public_key && !is_webhook {
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
