//! Runs a call that was admitted: builds what the worker needs, and turns its answer into a response.

use super::answer::{CallBody, code_of, explain, name_call, outcome_of, reason, refused};
use super::body::{self, BodyLimits, Fate};
use super::record::{Begun, Origin, Recorder, Recording};
use super::socket::Sockets;
use super::target::Target;
use super::upgrade::{self, Upgrade};
use super::{headers, url};
use crate::application::{Delivery, Page, Start};
use crate::error::FunctionsError;
use crate::hosts::Hosts;
use crate::metrics::{CallMetrics, Measured, Outcome};
use crate::registry::{Closed, Entered, Registry, Wanted};
use crate::studio::{self, Studio};
use crate::webhooks::{Accepted, Webhook, Webhooks};
use actions::tables::Tables;
use actions::{Auth, EventContext, JobContext, TriggerKind};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use ports::access::Peer;
use run_log::Trigger;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::{InvocationId, ProjectId, RequestId};
use std::sync::Arc;
use worker_pool::{BoxError, InvokeError, InvokeRequest, InvokeResponse, RequestBody, ResponseBody};

/// A call that may run.
pub(crate) struct Admission {
    pub(crate) entered: Entered,
    /// Where the function's own part of the path begins.
    pub(crate) rest_at: usize,
    /// Whether a developer's session or token proved who calls.
    pub(crate) speaks_for_developer: bool,
    pub(crate) origin: Origin,
}

/// What starts a call that is no request, as an action is told of it.
pub(crate) struct Cause {
    pub(crate) kind: TriggerKind,
    /// Which trigger of the handler.
    pub(crate) trigger: Option<usize>,
    pub(crate) job: Option<JobContext>,
    pub(crate) event: Option<EventContext>,
    /// Who it is for, where the headers do not say it.
    pub(crate) identity: Option<Arc<Auth>>,
}

/// The one way to a worker.
pub(crate) struct Executor {
    pub(crate) registry: Registry,
    pub(crate) hosts: Hosts,
    pub(crate) recorder: Recorder,
    pub(crate) sockets: Sockets,
    /// The databases of projects.
    pub(crate) tables: Arc<Tables>,
    /// What Studio reaches.
    pub(crate) studio: Studio,
    webhooks: Webhooks,
    metrics: CallMetrics,
    limits: BodyLimits,
}

impl Executor {
    pub(crate) fn new(
        limits: BodyLimits,
        (hosts, recorder, tables): (Hosts, Recorder, Arc<Tables>),
        (sockets, webhooks): (Sockets, Webhooks),
    ) -> Self {
        let (registry, metrics) = (Registry::default(), CallMetrics::new());
        let studio = Studio::default();
        Self { registry, hosts, recorder, sockets, tables, studio, webhooks, metrics, limits }
    }

    /// Finds a function of a project, and the handler that takes the request.
    pub(crate) fn enter(
        &self,
        project: &ProjectId,
        target: &Target<'_>,
        parts: &Parts,
    ) -> Result<Admission, Closed> {
        let Target { name, alias, rest_at, .. } = *target;
        let path = parts.uri.path().get(rest_at..).unwrap_or_default();
        let entered = self.registry.enter(project, &Wanted { name, alias, method: &parts.method, path })?;
        Ok(Admission { entered, rest_at, speaks_for_developer: false, origin: Origin::HTTP })
    }

    /// Runs a call from inside: a function of `project` calls another one of it, in the course of the call
    /// `parent_id`.
    pub(crate) async fn call_inside(
        self: &Arc<Self>,
        project: &ProjectId,
        parent_id: Option<Arc<str>>,
        request: Request<Bytes>,
    ) -> Response<CallBody> {
        let (parts, body) = request.into_parts();
        let admitted = match Target::parse(parts.uri.path()) {
            Some(target) if target.project.is_none_or(|named| named == project.as_str()) => {
                self.enter(project, &target, &parts).map_err(|closed| closed.why.into_api())
            }
            _ => Err(FunctionsError::NotFound.into_api()),
        };
        match admitted {
            // The future of a call is large, and this one is awaited inside another.
            Ok(admission) => {
                let origin = Origin::inside(parent_id);
                Box::pin(self.run(Admission { origin, ..admission }, parts, Full::new(body))).await
            }
            Err(error) => refused(error, None),
        }
    }

    /// Runs a call.
    pub(crate) async fn run<B>(
        self: &Arc<Self>,
        admission: Admission,
        parts: Parts,
        body: B,
    ) -> Response<CallBody>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (id, request_id) = ids(&parts);
        let delivery = admission.entered.application.as_ref().map(|known| Delivery::of(known, &parts));
        let measured = self.metrics.start();
        let invoked = match admission.entered.page {
            None => self.invoke(&id, admission, parts, body).await,
            Some(page) => Box::pin(self.show(page, admission, parts, body)).await,
        };
        let answered = answer((measured, &id, request_id), invoked);
        match delivery {
            Some(delivery) => delivery.finish(answered).await,
            None => answered,
        }
    }

    /// Answers what an application answers besides its actions.
    async fn show<B>(
        self: &Arc<Self>,
        page: Page,
        Admission { entered, rest_at, .. }: Admission,
        mut parts: Parts,
        body: B,
    ) -> Result<Response<CallBody>, (ApiError, Outcome)>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let refused = |error| (error, Outcome::Refused);
        let missing = || refused(FunctionsError::NotFound.into_api());
        let application = entered.application.clone().ok_or_else(missing)?;
        if page == Page::Studio {
            let url = url::for_handler(&parts, rest_at);
            headers::for_handler(&mut parts.headers, false);
            let request = (url, parts, body);
            return Box::pin(studio::answer(self, self.limits, (application, entered), request))
                .await
                .map_err(refused);
        }
        let is_head = parts.method == Method::HEAD;
        let prefix = parts.uri.path().get(..rest_at).unwrap_or_default().to_owned();
        headers::for_handler(&mut parts.headers, false);
        let shown = application.show(page, (self, self.limits), &entered, (&prefix, parts, body)).await;
        Ok(respond(shown.map_err(refused)?, is_head))
    }

    /// Runs a call that asks for a WebSocket.
    pub(crate) async fn run_socket(
        &self,
        admission: Admission,
        parts: Parts,
        upgrade: Upgrade,
    ) -> Response<CallBody> {
        let (id, request_id) = ids(&parts);
        let measured = self.metrics.start();
        let invoked = self.invoke_socket(&id, admission, parts, upgrade).await;
        answer((measured, &id, request_id), invoked)
    }

    /// Runs a call that a trigger starts.
    pub(crate) async fn run_triggered(
        &self,
        (entered, origin): (Entered, Origin),
        mut request: InvokeRequest,
        cause: Cause,
    ) -> Result<InvokeResponse, InvokeError> {
        let measured = self.metrics.start();
        let attempt = origin.attempt;
        let begun = Begun { owner: entered.owner, id: request.invocation_id.clone(), origin };
        request.handler = entered.handler.called;
        let mut run = self.recorder.begin(begun, &mut request.headers);
        let answered = match &entered.application {
            None => entered.pool.invoke_measured(request, &mut run.waited).await,
            Some(application) => {
                let Cause { kind, trigger, job, event, identity } = cause;
                let (trace_id, request_id) = (run.trace_id(), None);
                let start =
                    Start { kind, trigger, ip: None, trace_id, request_id, attempt, job, event, identity };
                Box::pin(application.invoke(&entered.pool, start, request, &mut run)).await
            }
        };
        drop(entered.call);
        match &answered {
            Ok(response) => run.answered(response.status),
            Err(error) => {
                let code = code_of(error);
                run.failed(code.status(), code.as_str(), reason(error));
            }
        }
        measured.ended(answered.as_ref().map_or_else(outcome_of, |_| Outcome::Answered));
        answered
    }

    async fn invoke<B>(
        &self,
        invocation_id: &Arc<str>,
        admission: Admission,
        parts: Parts,
        body: B,
    ) -> Result<Response<CallBody>, (ApiError, Outcome)>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let refused = |error| (error, Outcome::Refused);
        let webhook = admission.entered.handler.webhook.as_ref().filter(|webhook| !webhook.is_custom());
        if let Some(webhook) = webhook.cloned() {
            return Box::pin(self.invoke_signed(invocation_id, (admission, webhook), parts, body)).await;
        }
        let taken = body::take(body, self.limits).await.map_err(refused)?;
        let is_head = parts.method == Method::HEAD;
        let answered = self.invoke_taken(invocation_id, admission, parts, taken).await?;
        Ok(respond(answered, is_head))
    }

    /// Asks the handler of a webhook, once it is known who sent the request.
    async fn invoke_signed<B>(
        &self,
        invocation_id: &Arc<str>,
        (admission, webhook): (Admission, Arc<Webhook>),
        parts: Parts,
        body: B,
    ) -> Result<Response<CallBody>, (ApiError, Outcome)>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let sent = (&*webhook, &*admission.entered.owner);
        let accepted = self.webhooks.accept(sent, &parts.headers, (body, self.limits)).await;
        let (body, turn) = match accepted.map_err(|error| (error, Outcome::Refused))? {
            Accepted::Again => return Ok(handled_before()),
            Accepted::New(body, turn) => (body, turn),
        };
        let taken = (body::of_bytes(body), None);
        let answered = self.invoke_taken(invocation_id, admission, parts, taken).await?;
        // What failed may come again.
        if let Some(turn) = turn.filter(|_| answered.status.is_success()) {
            turn.done();
        }
        Ok(respond(answered, false))
    }

    async fn invoke_socket(
        &self,
        invocation_id: &Arc<str>,
        admission: Admission,
        parts: Parts,
        upgrade: Upgrade,
    ) -> Result<Response<CallBody>, (ApiError, Outcome)> {
        if admission.entered.page.is_some() {
            let message = "this path opens no WebSocket";
            return Err((ApiError::new(ErrorCode::InvalidRequest, message), Outcome::Refused));
        }
        let offered = self.sockets.offer(&admission.entered.owner.project);
        let (offer, body) = offered.map_err(|error| (error, Outcome::Refused))?;
        let answered = self.invoke_taken(invocation_id, admission, parts, (body, None)).await?;
        match answered {
            InvokeResponse { status: StatusCode::SWITCHING_PROTOCOLS, headers, body } => {
                let ResponseBody::Stream(_) = body else {
                    let message = "the function answered 101 without `upgradeWebSocket`";
                    return Err((ApiError::new(ErrorCode::NoResponse, message), Outcome::HandlerError));
                };
                let response = upgrade.answer(headers);
                self.sockets.open(offer, upgrade, body);
                Ok(response)
            }
            ordinary => Ok(respond(ordinary, false)),
        }
    }

    /// Asks the handler; the run ends with the head of its answer.
    async fn invoke_taken(
        &self,
        invocation_id: &Arc<str>,
        admission: Admission,
        mut parts: Parts,
        (body, fate): (RequestBody, Option<Arc<Fate>>),
    ) -> Result<InvokeResponse, (ApiError, Outcome)> {
        let url = url::for_handler(&parts, admission.rest_at);
        headers::for_handler(&mut parts.headers, admission.speaks_for_developer);
        if matches!(body, RequestBody::Socket(_)) {
            upgrade::show(&mut parts.headers);
        }
        let Admission { entered, mut origin, .. } = admission;
        let kind = if entered.handler.webhook.is_some() { TriggerKind::Webhook } else { TriggerKind::Api };
        let trigger = Some(usize::from(entered.handler.trigger));
        if entered.handler.webhook.is_some() {
            parts.headers.insert(headers::of_triggers::TRIGGER, HeaderValue::from_static("webhook"));
            origin.trigger = Trigger::Webhook;
        }
        origin.handler = entered.handler.name;
        let begun = Begun { owner: entered.owner, id: invocation_id.clone(), origin };
        let mut run = self.recorder.begin(begun, &mut parts.headers);
        let request_id = parts.extensions.remove::<RequestId>();
        let ip = parts.extensions.get::<Peer>().map(|peer| peer.0);
        let request = InvokeRequest {
            invocation_id: invocation_id.clone(),
            handler: entered.handler.called,
            method: parts.method,
            url,
            headers: parts.headers,
            body,
            deadline: None,
        };
        let answered = match &entered.application {
            None => entered.pool.invoke_measured(request, &mut run.waited).await,
            Some(application) => {
                let start = Start {
                    kind,
                    trigger,
                    ip,
                    trace_id: run.trace_id(),
                    request_id,
                    attempt: 1,
                    job: None,
                    event: None,
                    identity: None,
                };
                Box::pin(application.invoke(&entered.pool, start, request, &mut run)).await
            }
        };
        drop(entered.call);
        let fate = fate.as_deref().and_then(|fate: &Fate| fate.error(self.limits));
        note(&mut run, answered, fate)
    }
}

/// A new id of the call, and the one that its request came with.
fn ids(parts: &Parts) -> (Arc<str>, Option<RequestId>) {
    (InvocationId::generate().into(), parts.extensions.get().cloned())
}

/// Ends the measuring of a call and names its answer.
fn answer(
    (measured, invocation_id, request_id): (Measured<'_>, &str, Option<RequestId>),
    invoked: Result<Response<CallBody>, (ApiError, Outcome)>,
) -> Response<CallBody> {
    let (mut response, outcome) = match invoked {
        Ok(response) => (response, Outcome::Answered),
        Err((error, outcome)) => (refused(error, request_id.as_ref()), outcome),
    };
    measured.ended(outcome);
    name_call(&mut response, invocation_id);
    response
}

/// Tells the run how the call ended: by the fate of its body, where that decides.
fn note(
    run: &mut Recording<'_>,
    answered: Result<InvokeResponse, InvokeError>,
    fate: Option<ApiError>,
) -> Result<InvokeResponse, (ApiError, Outcome)> {
    if let Some(error) = fate {
        run.failed(error.code.status(), error.code.as_str(), error.message.clone());
        return Err((error, Outcome::Refused));
    }
    match answered {
        Ok(response) => {
            run.answered(response.status);
            Ok(response)
        }
        Err(error) => {
            let (told, outcome) = explain(&error);
            run.failed(told.code.status(), told.code.as_str(), reason(&error));
            Err((told, outcome))
        }
    }
}

/// The answer to an event that a sender sends again: what it asks for has been done.
fn handled_before() -> Response<CallBody> {
    let mut response = Response::new(CallBody::Error(Full::from(r#"{"duplicate":true}"#)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(crate) fn respond(answered: InvokeResponse, is_head: bool) -> Response<CallBody> {
    let InvokeResponse { status, headers, body } = answered;
    let is_stream = matches!(body, ResponseBody::Stream(_));
    let whole_bytes = body.size_hint().exact();
    let mut response = Response::new(CallBody::Function(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    headers::for_caller(response.headers_mut(), is_head || is_stream);
    // The listener counts what it sends, and here it sends nothing.
    if let (true, Some(bytes @ 1..)) = (is_head, whole_bytes) {
        response.headers_mut().insert(CONTENT_LENGTH, bytes.into());
    }
    response
}
