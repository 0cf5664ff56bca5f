//! What the workers may ask of the server: keep a line, and reach their own project.

mod mail;
mod queue;
mod sql;

use crate::application::AskedGuard;
use crate::front::{Executor, PortSpan, Target, collect_answer, continue_trace};
use ::mail::Mailer;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ports::access::{Caller, Grant};
use ports::project_api::ProjectApi;
use ports::sql::SqlCaller;
use run_log::{Level, LogLine, RunLog};
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::ProjectId;
use std::sync::{Arc, OnceLock};
use std::time::UNIX_EPOCH;
use tokio::sync::mpsc;
use worker_pool::{Host, LogLevel, PortCall, PortReply, WorkerChange, WorkerLog};

/// The server as the workers see it.
pub(crate) struct FunctionHost {
    executor: Arc<Executor>,
    logs: Arc<RunLog>,
    /// Bound after the start: whoever implements it is made later than the workers.
    api: OnceLock<Arc<dyn ProjectApi>>,
    /// Nothing where the process has none.
    mailer: Option<Arc<Mailer>>,
    changes: mpsc::Sender<WorkerChange>,
}

/// Where actions ask for a decision of a guard that is built in.
const GUARD_PATH: &str = "/v1/app/guard";
/// Where they say that they changed who may what.
const CHANGED_PATH: &str = "/v1/app/changed";
/// Changes of workers that wait to be announced; more are left out, and counted.
const CHANGES_MAX: usize = 1_024;

impl FunctionHost {
    /// The host, and the changes of workers that it is told of.
    pub(crate) fn new(
        executor: Arc<Executor>,
        logs: Arc<RunLog>,
        mailer: Option<Arc<Mailer>>,
    ) -> (Self, mpsc::Receiver<WorkerChange>) {
        let (changes, told) = mpsc::channel(CHANGES_MAX);
        (Self { executor, logs, api: OnceLock::new(), mailer, changes }, told)
    }

    /// Binds the surface of the projects; a second call changes nothing.
    pub(crate) fn bind(&self, api: Arc<dyn ProjectApi>) {
        self.api.get_or_init(|| api);
    }
}

impl Host for FunctionHost {
    fn log(&self, line: WorkerLog) {
        let Some(owner) = self.executor.registry.owner(&line.version) else { return };
        let elapsed = line.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let kept = LogLine {
            project: owner.project,
            function: owner.function,
            version: owner.version,
            invocation_id: line.invocation_id,
            level: level(line.level),
            message: line.message,
            fields: line.fields,
            at_ms: i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX),
        };
        if line.dropped > 0 {
            let message = format!("{} lines were dropped: the function logs too fast", line.dropped);
            self.logs.write(LogLine {
                level: Level::Warn,
                message,
                invocation_id: None,
                fields: None,
                ..kept.clone()
            });
        }
        self.logs.write(kept);
    }

    fn worker_changed(&self, change: WorkerChange) {
        if self.changes.try_send(change).is_err() {
            metrics::counter!("bunbase_function_worker_changes_dropped_total").increment(1);
        }
    }

    fn port_call(&self, mut call: PortCall) -> BoxFuture<'static, PortReply> {
        let (executor, api, mailer) = (self.executor.clone(), self.api.get().cloned(), self.mailer.clone());
        async move {
            let span = begin_span(&executor, &mut call);
            let reply = match answer(executor, (api, mailer), call).await {
                Ok(response) => {
                    let (parts, body) = response.into_parts();
                    PortReply { status: parts.status, headers: parts.headers, body }
                }
                Err(error) => refusal(error),
            };
            if let Some(span) = span {
                span.ended(reply.status);
            }
            reply
        }
        .boxed()
    }
}

/// The call as a part of the run in whose course it is made; what it reaches is under it in the trace.
fn begin_span(executor: &Executor, call: &mut PortCall) -> Option<PortSpan> {
    let path = call.path.split('?').next().unwrap_or_default();
    let name = || format!("{} {path}", call.method);
    let span = executor.recorder.port_span(&call.project, call.invocation_id.as_deref()?, name)?;
    continue_trace(&mut call.headers, &span.context);
    Some(span)
}

async fn answer(
    executor: Arc<Executor>,
    (api, mailer): (Option<Arc<dyn ProjectApi>>, Option<Arc<Mailer>>),
    call: PortCall,
) -> Result<http::Response<Bytes>, ApiError> {
    let project = ProjectId::parse(&call.project)
        .map_err(|_| ApiError::new(ErrorCode::ProjectNotFound, "there is no such project"))?;
    let mut request = http::Request::builder()
        .method(call.method)
        .uri(&call.path)
        .body(call.body)
        .map_err(|_| ApiError::new(ErrorCode::InvalidRequest, "the path of the call is not valid"))?;
    *request.headers_mut() = call.headers;
    if request.uri().path() == CHANGED_PATH {
        let deployments = executor.registry.deployments_of_project(&project);
        deployments
            .iter()
            .filter_map(|deployment| deployment.application.as_ref())
            .for_each(|app| app.forget());
        return Ok(http::Response::new(Bytes::new()));
    }
    if request.uri().path() == GUARD_PATH {
        return decide(&executor, &project, request.body()).await;
    }
    if request.uri().path() == mail::PATH {
        return mail::answer(mailer.as_deref(), (&project, request.body()));
    }
    if request.uri().path() == queue::PATH {
        let service = executor.studio.service()?;
        let starting = || ApiError::new(ErrorCode::Unavailable, "queues are still starting");
        let triggers = service.triggers.get().ok_or_else(starting)?;
        return queue::answer(triggers, &project, request.body()).await;
    }
    if let Some(what) = request.uri().path().strip_prefix(sql::PREFIX) {
        let caller = SqlCaller { project, invocation: call.invocation_id };
        return sql::answer(&*executor.tables, &caller, (what, request.body())).await;
    }
    if Target::parse(request.uri().path()).is_some() {
        return collect_answer(executor.call_inside(&project, call.invocation_id, request).await).await;
    }
    let api = api.ok_or_else(|| ApiError::new(ErrorCode::Unavailable, "the server is still starting"))?;
    let grant = Grant { caller: Caller::Function, project: Some(project), end_user: None };
    Ok(api.call(grant, request).await)
}

/// Decides a guard for an action that runs.
async fn decide(
    executor: &Executor,
    project: &ProjectId,
    body: &[u8],
) -> Result<http::Response<Bytes>, ApiError> {
    let wrong = |error: serde_json::Error| ApiError::new(ErrorCode::InvalidRequest, error.to_string());
    let asked: AskedGuard = serde_json::from_slice(body).map_err(wrong)?;
    let missing = || ApiError::new(ErrorCode::NotFound, "the project has no application");
    let (application, pool) = executor.registry.stages(project).ok_or_else(missing)?;
    match application.guard(&pool, asked).await {
        Ok(decided) => Ok(http::Response::new(serde_json::to_vec(&decided).map_err(wrong)?.into())),
        Err(refused) => {
            let PortReply { status, mut headers, body } = refusal(refused.error);
            // How much is left of a rate limit is for the caller.
            headers.extend(*refused.headers);
            let mut response = http::Response::new(body);
            (*response.status_mut(), *response.headers_mut()) = (status, headers);
            Ok(response)
        }
    }
}

fn refusal(error: ApiError) -> PortReply {
    let body = Bytes::from(error.body(None));
    let (parts, _) = error.response(None).into_parts();
    PortReply { status: parts.status, headers: parts.headers, body }
}

fn level(level: LogLevel) -> Level {
    match level {
        LogLevel::Debug => Level::Debug,
        LogLevel::Info => Level::Info,
        LogLevel::Warn => Level::Warn,
        LogLevel::Error => Level::Error,
    }
}
