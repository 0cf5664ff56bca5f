//! Runs a call that was admitted: builds what the worker needs, and turns its answer into a response.

use super::answer::{CallBody, explain, name_call, outcome_of, refused};
use super::body::{self, BodyLimits, Fate};
use super::target::Target;
use super::{headers, url};
use crate::error::FunctionsError;
use crate::hosts::Hosts;
use crate::metrics::{CallMetrics, Outcome};
use crate::registry::{Closed, Entered, Registry};
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::Full;
use service_kit::error::ApiError;
use service_kit::ids::{InvocationId, ProjectId, RequestId};
use std::sync::Arc;
use worker_pool::{BoxError, InvokeError, InvokeRequest, InvokeResponse, ResponseBody};

/// A call that may run.
pub(crate) struct Admission {
    pub(crate) entered: Entered,
    /// Where the function's own part of the path begins.
    pub(crate) rest_at: usize,
    /// Whether a developer's session or token proved who calls.
    pub(crate) speaks_for_developer: bool,
}

/// The one way to a worker.
pub(crate) struct Executor {
    pub(crate) registry: Registry,
    pub(crate) hosts: Hosts,
    metrics: CallMetrics,
    limits: BodyLimits,
}

impl Executor {
    pub(crate) fn new(limits: BodyLimits, hosts: Hosts) -> Self {
        Self { registry: Registry::default(), hosts, metrics: CallMetrics::new(), limits }
    }

    /// Finds a function of a project.
    pub(crate) fn enter(&self, project: &ProjectId, target: &Target<'_>) -> Result<Admission, Closed> {
        let entered = self.registry.enter(project, target.name, target.alias)?;
        Ok(Admission { entered, rest_at: target.rest_at, speaks_for_developer: false })
    }

    /// Runs a call from inside: a function of `project` calls another one of it.
    pub(crate) async fn call_inside(
        &self,
        project: &ProjectId,
        request: Request<Bytes>,
    ) -> Response<CallBody> {
        let (parts, body) = request.into_parts();
        let admitted = match Target::parse(parts.uri.path()) {
            Some(target) if target.project.is_none_or(|named| named == project.as_str()) => {
                self.enter(project, &target).map_err(|closed| closed.why.into_api())
            }
            _ => Err(FunctionsError::NotFound.into_api()),
        };
        match admitted {
            // The future of a call is large, and this one is awaited inside another.
            Ok(admission) => Box::pin(self.run(admission, parts, Full::new(body))).await,
            Err(error) => refused(error, None),
        }
    }

    /// Runs a call.
    pub(crate) async fn run<B>(&self, admission: Admission, parts: Parts, body: B) -> Response<CallBody>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let measured = self.metrics.start();
        let invocation_id: Arc<str> = InvocationId::generate().as_str().into();
        let request_id = parts.extensions.get::<RequestId>().cloned();
        let (answered, outcome) = match self.invoke(&invocation_id, admission, parts, body).await {
            Ok(response) => (response, Outcome::Answered),
            Err((error, outcome)) => (refused(error, request_id.as_ref()), outcome),
        };
        measured.ended(outcome);
        let mut response = answered;
        name_call(&mut response, &invocation_id);
        response
    }

    /// Runs a call that a trigger starts.
    pub(crate) async fn run_triggered(
        &self,
        entered: Entered,
        request: InvokeRequest,
    ) -> Result<InvokeResponse, InvokeError> {
        let measured = self.metrics.start();
        let answered = entered.pool.invoke(request).await;
        drop(entered.call);
        measured.ended(answered.as_ref().map_or_else(outcome_of, |_| Outcome::Answered));
        answered
    }

    async fn invoke<B>(
        &self,
        invocation_id: &Arc<str>,
        admission: Admission,
        mut parts: Parts,
        body: B,
    ) -> Result<Response<CallBody>, (ApiError, Outcome)>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let taken = body::take(body, self.limits).await;
        let (body, fate) = taken.map_err(|error| (error, Outcome::Refused))?;
        let url = url::for_handler(&parts, admission.rest_at);
        headers::for_handler(&mut parts.headers, admission.speaks_for_developer);
        let is_head = parts.method == Method::HEAD;
        let request = InvokeRequest {
            invocation_id: invocation_id.clone(),
            method: parts.method,
            url,
            headers: parts.headers,
            body,
            deadline: None,
        };
        let answered = admission.entered.pool.invoke(request).await;
        drop(admission.entered.call);
        if let Some(error) = fate.as_deref().and_then(|fate: &Fate| fate.error(self.limits)) {
            return Err((error, Outcome::Refused));
        }
        match answered {
            Ok(response) => Ok(respond(response, is_head)),
            Err(error) => Err(explain(&error)),
        }
    }
}

fn respond(answered: InvokeResponse, is_head: bool) -> Response<CallBody> {
    let InvokeResponse { status, headers, body } = answered;
    let is_stream = matches!(body, ResponseBody::Stream(_));
    let mut response = Response::new(CallBody::Function(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    headers::for_caller(response.headers_mut(), is_head || is_stream);
    response
}
