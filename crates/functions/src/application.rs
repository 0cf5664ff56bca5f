//! Applications of actions: a version whose handlers have stages in front of them and behind them, which are those of the
//! crate `actions`. What signs sessions is known from the import of the bundle alone, and kept in memory.

mod cors;
mod counts;
mod delivery;
mod pages;
mod reach;

pub(crate) use counts::Counts;
pub(crate) use delivery::Delivery;
pub(crate) use pages::Page;

use crate::front::Recording;
use crate::manifest::{Handler, Manifest, ManifestError, Trigger};
use crate::runtime::Pool;
use crate::studio;
use actions::spec::{ApplicationSpec, Private, SpecError};
use actions::tables::{ApplicationDatabase, TableDirectory, Tables};
use actions::{
    Auth, Before, CONTEXT_HEADER, Call, EventContext, GuardAnswer, GuardRequest, JobContext, Refused,
};
use actions::{Taken, TriggerKind};
use bytes::{Bytes, BytesMut};
use cors::Cors;
use futures_util::StreamExt as _;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::response::Parts;
use http::{HeaderMap, HeaderValue};
use outbound::{AddressGuard, HostSet};
use reach::DatabaseReach;
use run_log::{Payload, RunError, SecretFields};
use serde::Deserialize;
use serde_json::Value;
use service_kit::clock::Clock;
use service_kit::error::{ApiError, Classify, ErrorCode};
use service_kit::ids::{ProjectId, RequestId};
use service_kit::json::too_large;
use sql::Reach;
use sql::confined::ConfinedError;
use sql::scripts::ScriptError;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::OnceCell;
use worker_pool::{InvokeError, InvokeRequest, InvokeResponse, RequestBody, ResponseBody};

/// What stands around the handlers of a version.
pub(crate) struct Application {
    manifest: Value,
    spec: ApplicationSpec,
    cors: Option<Cors>,
    handlers: Vec<Known>,
    around: Arc<Around>,
    project: ProjectId,
    allowed_hosts: Option<Arc<[String]>>,
    stages: OnceCell<actions::Application>,
}

/// What the applications of a server share.
pub(crate) struct Around {
    /// The databases of projects.
    pub(crate) tables: Arc<Tables>,
    /// Rate limits that other servers count, too.
    pub(crate) counts: Counts,
    /// Where projects may have their PostgreSQL.
    pub(crate) guard: AddressGuard,
    /// There is one application, and it is of whoever runs the server.
    pub(crate) is_alone: bool,
}

/// An application cannot take calls.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Nobody imported its code.
    #[error("the code of the application was not imported")]
    Import(#[from] InvokeError),
    /// What it says of itself.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Its tables are not what it needs.
    #[error("the tables of the application: {0}")]
    Tables(#[from] ScriptError),
}

impl Classify for LoadError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Import(_) => ErrorCode::Unavailable,
            Self::Spec(_) => ErrorCode::InvalidManifest,
            Self::Tables(ScriptError::Postgres(_) | ScriptError::Sqlite(ConfinedError::Closed)) => {
                ErrorCode::Unavailable
            }
            Self::Tables(ScriptError::Sqlite(ConfinedError::Busy)) => ErrorCode::Busy,
            Self::Tables(ScriptError::Sqlite(ConfinedError::Full)) => ErrorCode::DiskFull,
            Self::Tables(ScriptError::Sqlite(_) | ScriptError::Read { .. }) => ErrorCode::Internal,
            Self::Tables(_) => ErrorCode::MigrationFailed,
        }
    }
}

/// A handler, as far as triggers have to be told apart, and its runs recorded.
struct Known {
    name: Arc<str>,
    triggers: Vec<Trigger>,
    input_secrets: Option<Arc<SecretFields>>,
    output_secrets: Option<Arc<SecretFields>>,
}

impl Known {
    fn of(handler: &Handler) -> Self {
        let secrets = |schema: &Option<_>| schema.as_ref().and_then(SecretFields::of).map(Arc::new);
        Self {
            name: handler.name.as_str().into(),
            triggers: handler.triggers.clone(),
            input_secrets: secrets(&handler.input),
            output_secrets: secrets(&handler.output),
        }
    }
}

impl std::fmt::Debug for Application {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Application").field("actions", &self.handlers.len()).finish_non_exhaustive()
    }
}

/// What is known of a call besides its request.
pub(crate) struct Start {
    pub(crate) kind: TriggerKind,
    /// Which trigger of the handler.
    pub(crate) trigger: Option<usize>,
    /// The address that asks.
    pub(crate) ip: Option<IpAddr>,
    pub(crate) trace_id: String,
    pub(crate) request_id: Option<RequestId>,
    /// 1 for the first.
    pub(crate) attempt: u32,
    pub(crate) job: Option<JobContext>,
    pub(crate) event: Option<EventContext>,
    /// Who it is for, where the headers do not say it.
    pub(crate) identity: Option<Arc<Auth>>,
}

impl Application {
    /// That of a manifest; `None` where it is a plain function.
    pub(crate) fn of(
        manifest: &Manifest,
        (around, project): (&Arc<Around>, &ProjectId),
    ) -> Option<Arc<Self>> {
        // It was checked when it was deployed.
        let spec = ApplicationSpec::deserialize(manifest.application.as_ref()?).unwrap_or_default();
        let mut whole = serde_json::to_value(manifest).unwrap_or_default();
        if let Some(handlers) = whole["handlers"].as_array_mut().filter(|_| spec.studio.enabled) {
            handlers.extend(studio::handlers(&spec.studio.api_path));
        }
        Some(Arc::new(Self {
            manifest: whole,
            cors: spec.cors.as_ref().map(Cors::of),
            spec,
            handlers: manifest.handlers.iter().map(Known::of).collect(),
            around: around.clone(),
            project: project.clone(),
            allowed_hosts: manifest.allowed_hosts.clone(),
            stages: OnceCell::new(),
        }))
    }

    /// Takes what is private out of what a module or a deployment says of an application.
    pub(crate) fn check(config: &mut Value) -> Result<(), ManifestError> {
        let taken = Private::take_from(config);
        taken.map(drop).map_err(|error| ManifestError::new(error.place, error.problem))
    }

    /// The place of a handler.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.handlers.iter().position(|handler| *handler.name == *name)
    }

    /// The place of one of Studio's own, among the stages.
    pub(crate) fn place_in_studio(&self, index: usize) -> usize {
        self.handlers.len() + index
    }

    /// Every action as the manifest says it, and Studio's own behind them.
    pub(crate) fn actions(&self) -> &[Value] {
        self.manifest["handlers"].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// The first trigger of a handler that is meant.
    pub(crate) fn trigger(&self, handler: u16, is_meant: impl Fn(&Trigger) -> bool) -> Option<usize> {
        self.handlers.get(usize::from(handler))?.triggers.iter().position(is_meant)
    }

    /// Where its PostgreSQL may be; anywhere where it is of whoever runs the server.
    fn reach(&self) -> Option<Arc<dyn Reach>> {
        if self.around.is_alone {
            return None;
        }
        let allowed_hosts = self.allowed_hosts.as_deref().map(HostSet::new);
        Some(Arc::new(DatabaseReach { guard: self.around.guard.clone(), allowed_hosts }))
    }

    /// The stages, once the bundle was imported and the tables are what it needs: its migrations are applied here.
    pub(crate) async fn load(&self, pool: &Pool) -> Result<&actions::Application, LoadError> {
        let load = || async {
            pool.imported().await?;
            let Private { sessions, database_url, migrations } = Private::take_from(&mut reported(pool))?;
            let database =
                ApplicationDatabase::new((&self.around.tables, &self.project), database_url, self.reach())?;
            database.migrate(&migrations).await?;
            let directory = Arc::new(TableDirectory::new(database));
            let shared = (directory as _, self.around.counts.of(&self.project, self.around.is_alone));
            Ok(actions::Application::load(&self.manifest, &sessions, shared, Clock::system())?)
        };
        self.stages.get_or_try_init(load).await
    }

    /// The same for a call, which is refused where they cannot be had.
    pub(crate) async fn stages(&self, pool: &Pool) -> Result<&actions::Application, ApiError> {
        if let Some(stages) = self.stages.get() {
            return Ok(stages);
        }
        // Once for a version, and large: no call is to carry it.
        Box::pin(self.load(pool)).await.map_err(|error| match error {
            LoadError::Import(error) => crate::front::explain(&error).0,
            other => {
                tracing::warn!(error = %other, project = %self.project, "an application cannot be loaded");
                ApiError::new(ErrorCode::Unavailable, format!("the application cannot be loaded: {other}"))
            }
        })
    }

    /// Runs a call with the stages of its action around it. One that is not let in is answered without its handler.
    pub(crate) async fn invoke(
        &self,
        pool: &Pool,
        start: Start,
        request: InvokeRequest,
        run: &mut Recording<'_>,
    ) -> Result<InvokeResponse, InvokeError> {
        let trace_id = start.trace_id.clone();
        let known = self.handlers.get(usize::from(request.handler.index));
        run.action.name = known.map(|known| known.name.clone());
        run.action.is_only_counted = !self.spec.persistence.enabled;
        let answered = self.staged(pool, start, request, run).await;
        let answered = answered.unwrap_or_else(|refused| Ok(answer(refused, &trace_id)));
        if let (Ok(response), false) = (&answered, run.action.is_only_counted) {
            let secrets = known.and_then(|known| known.output_secrets.as_ref());
            (run.action.output, run.action.error) = said(response, secrets);
        }
        answered
    }

    async fn staged(
        &self,
        pool: &Pool,
        start: Start,
        mut request: InvokeRequest,
        run: &mut Recording<'_>,
    ) -> Result<Result<InvokeResponse, InvokeError>, Refused> {
        let stages = self.stages(pool).await?;
        let path = parameters(&request);
        let (trace_id, request_id) = (start.trace_id.clone(), start.request_id.clone());
        let names = (trace_id.as_str(), request_id.as_ref().map(RequestId::as_str));
        let body = std::mem::replace(&mut request.body, RequestBody::Empty);
        let admitted = stages.admit(call(start, names, (&request, &path))).await?;
        let (taken, body) = if admitted.wants_body() {
            let whole = whole(body, stages.spec().max_body_bytes).await?;
            (Taken::Whole(whole.clone()), RequestBody::Full(whole))
        } else if matches!(body, RequestBody::Empty) {
            (Taken::Whole(Bytes::new()), body)
        } else {
            (Taken::Streamed, body)
        };
        let Before { context, body: other, input, headers, trail } = admitted.prepare(taken)?;
        if let Some(input) = input.filter(|_| !run.action.is_only_counted) {
            let known = self.handlers.get(usize::from(request.handler.index));
            let secrets = known.and_then(|known| known.input_secrets.as_ref());
            run.action.input = Some(Payload::of(&input, secrets));
        }
        request.headers.insert(CONTEXT_HEADER, context);
        if other.is_some() {
            request.headers.remove(CONTENT_LENGTH);
        }
        request.body = other.map_or(body, RequestBody::Full);
        let mut response = match pool.invoke_measured(request, &mut run.waited).await {
            Ok(response) => response,
            Err(error) => return Ok(Err(error)),
        };
        stages.after(&trail, &mut response.headers).await?;
        append(&mut response.headers, &headers);
        Ok(Ok(response))
    }

    /// Who may what was changed in the tables.
    pub(crate) fn forget(&self) {
        if let Some(stages) = self.stages.get() {
            stages.forget();
        }
    }

    /// Decides a guard that the code of an action came to.
    pub(crate) async fn guard(&self, pool: &Pool, asked: AskedGuard) -> Result<GuardAnswer, Refused> {
        let missing = || ApiError::new(ErrorCode::NotFound, "the version has no such action");
        let handler = self.place(&asked.handler).ok_or_else(missing)?;
        self.stages(pool).await?.guard(handler, asked.request).await
    }
}

/// A guard that an action asks for.
#[derive(Debug, Deserialize)]
pub(crate) struct AskedGuard {
    /// Name of the action.
    handler: String,
    #[serde(flatten)]
    request: GuardRequest,
}

fn call<'a>(
    start: Start,
    (trace_id, request_id): (&'a str, Option<&'a str>),
    (request, path): (&'a InvokeRequest, &'a [(String, String)]),
) -> Call<'a> {
    let Start { kind, trigger, ip, attempt, job, event, identity, .. } = start;
    let url = request.url.as_str();
    Call {
        handler: usize::from(request.handler.index),
        trigger: kind,
        index: trigger,
        method: &request.method,
        query: url.split_once('?').map_or("", |(_, query)| query),
        headers: &request.headers,
        path,
        ip,
        is_secure: url.starts_with("https://"),
        trace_id,
        invocation_id: &request.invocation_id,
        request_id,
        identity,
        attempt,
        job,
        event,
    }
}

/// Those of the path, decoded.
fn parameters(request: &InvokeRequest) -> Vec<(String, String)> {
    if request.handler.params.is_empty() {
        return Vec::new();
    }
    let named = serde_json::from_str::<BTreeMap<String, String>>(&request.handler.params);
    named.unwrap_or_default().into_iter().collect()
}

/// The body of a request that is read before its handler is asked.
async fn whole(body: RequestBody, bytes_max: u64) -> Result<Bytes, ApiError> {
    let limit = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    let mut stream = match body {
        RequestBody::Empty | RequestBody::Socket(_) => return Ok(Bytes::new()),
        RequestBody::Full(bytes) if bytes.len() <= limit => return Ok(bytes),
        RequestBody::Full(_) => return Err(too_large(limit)),
        RequestBody::Stream(stream) => stream,
    };
    let mut whole = BytesMut::new();
    while let Some(piece) = stream.next().await {
        let early = |_| ApiError::new(ErrorCode::InvalidRequest, "the body ended early");
        let piece = piece.map_err(early)?;
        if whole.len() + piece.len() > limit {
            return Err(too_large(limit));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

/// What a module said when it was imported.
fn reported(pool: &Pool) -> Value {
    #[derive(Deserialize)]
    struct Report {
        config: Value,
    }
    let report = pool.report().and_then(|text| serde_json::from_slice::<Report>(text).ok());
    report.map_or(Value::Null, |report| report.config)
}

/// What the answer of an action says: its data, or what went wrong. Nothing of what is no JSON, or comes in pieces.
fn said(
    response: &InvokeResponse,
    secrets: Option<&Arc<SecretFields>>,
) -> (Option<Payload>, Option<RunError>) {
    #[derive(Deserialize)]
    struct Said {
        error: Option<Wrong>,
    }
    #[derive(Deserialize)]
    struct Wrong {
        code: String,
        message: String,
    }
    let ResponseBody::Full(body) = &response.body else { return (None, None) };
    let kind = response.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    if !kind.starts_with(b"application/json") {
        return (None, None);
    }
    let answered = || Some(Payload::of_answer(body, secrets));
    if !response.status.is_client_error() && !response.status.is_server_error() {
        return (answered(), None);
    }
    match serde_json::from_slice(body) {
        Ok(Said { error: Some(Wrong { code, message }) }) => {
            (None, Some(RunError { code: code.into(), message }))
        }
        _ => (answered(), None),
    }
}

/// The answer to a call that was not let in; it names the call as the errors of an action do.
pub(crate) fn answer(refused: Refused, trace_id: &str) -> InvokeResponse {
    let Refused { error, headers: more } = refused;
    let mut told: Value = serde_json::from_slice(&error.body(None)).unwrap_or_default();
    told["error"]["trace_id"] = trace_id.into();
    let body = ResponseBody::Full(told.to_string().into());
    let (Parts { status, mut headers, .. }, _) = error.response(None).into_parts();
    append(&mut headers, &more);
    InvokeResponse { status, headers, body }
}

/// Cookies stand beside each other.
fn append(headers: &mut HeaderMap, more: &HeaderMap) {
    for (name, value) in more {
        headers.append(name, value.clone());
    }
}
