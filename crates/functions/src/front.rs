//! The invocation front: from an HTTP request to a worker and back. It runs before any general middleware
//! and touches memory only: no SQL, no names in metrics, bodies as they come.

mod answer;
mod body;
mod executor;
mod headers;
mod target;
mod url;

pub use answer::CallBody;
pub(crate) use answer::collect_answer;
pub(crate) use body::BodyLimits;
pub(crate) use executor::Executor;
pub(crate) use target::Target;

use crate::settings::AccessSetting;
use answer::refused;
use bytes::Bytes;
use executor::Admission;
use http::request::Parts;
use http::{Request, Response};
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
        let admitted = match Target::parse(parts.uri.path()) {
            Some(target) => self.admit(&target, &parts).await,
            None => Err(ApiError::new(ErrorCode::NotFound, "there is nothing at this path")),
        };
        match admitted {
            Ok(admission) => self.executor.run(admission, parts, body).await,
            Err(error) => refused(error, request_id.as_ref()),
        }
    }

    /// Who calls what, and whether the function lets them.
    async fn admit(&self, target: &Target<'_>, parts: &Parts) -> Result<Admission, ApiError> {
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
        let credentials = Credentials::from_headers(&parts.headers, peer);
        let Some(text) = target.project else {
            let grant = self.by_key(&credentials).await?;
            let project = grant.project.clone().ok_or(AccessError::ProjectNotFound)?;
            return self.enter(&project, target, &grant.caller);
        };
        let project = ProjectId::parse(text).ok();
        let public = project.as_ref().and_then(|project| self.executor.registry.enter(project, target.name));
        if let Some(entered) = public.filter(|entered| entered.access == AccessSetting::Public) {
            return Ok(Admission { entered, rest_at: target.rest_at, speaks_for_developer: false });
        }
        let grant = self.in_project(text, &credentials, parts).await?;
        let project = project.filter(|project| grant.project.as_ref() == Some(project));
        self.enter(&project.ok_or(AccessError::ProjectNotFound)?, target, &grant.caller)
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
        target: &Target<'_>,
        caller: &Caller,
    ) -> Result<Admission, ApiError> {
        let admission = self.executor.enter(project, target)?;
        let by_public_key = matches!(caller, Caller::Key { kind: KeyKind::Public, .. });
        if admission.entered.access == AccessSetting::Secret && by_public_key {
            let message = "this function takes secret keys (sk_…) only; its `access` setting says so";
            return Err(ApiError::new(ErrorCode::Forbidden, message));
        }
        Ok(Admission { speaks_for_developer: matches!(caller, Caller::Developer { .. }), ..admission })
    }
}
