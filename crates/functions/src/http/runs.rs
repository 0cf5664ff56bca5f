//! The calls of a function: one by one, as traces, and as figures.

use super::parameters::{Pairs, Parameters};
use super::types::{MetricsView, RunDetailView, RunList, RunView, TraceList, TracedRun};
use super::{Service, project_of};
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;
use ports::access::{Action, Grant};
use routes::{Need, Route, Routes};
use run_log::{ChartWindow, RunQuery, RunStatus, TraceId, Trigger};
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;

const RUNS_DEFAULT: usize = 50;
const TRIGGERS: &str = "http, cron, event, queue, webhook, mcp, cli, grpc, function or call";

pub(super) fn declare(routes: Routes<Service>) -> Routes<Service> {
    let need = Need::Project;
    let routes = routes
        .add(
            Route::get("/v1/projects/{project}/functions/{name}/runs", need(Action::FunctionLogs))
                .summary("The calls of a function that have ended")
                .query("status", "ok, error or cancelled")
                .query("trigger", TRIGGERS)
                .query("version", "calls of this version")
                .query("error_code", "calls that failed with this code")
                .query("since", "RFC 3339 or milliseconds: calls that began at or after it")
                .query("until", "RFC 3339 or milliseconds: calls that began before it")
                .query("cursor", "`next_cursor` of the answer before")
                .query("limit", "calls at most; 50 where absent")
                .answers::<RunList>(200, "the newest first; perhaps none, and still a `next_cursor`")
                .errors(&[ErrorCode::InvalidRequest, ErrorCode::FunctionNotFound]),
            list,
        )
        .add(
            Route::get(
                "/v1/projects/{project}/functions/{name}/runs/{invocation}",
                need(Action::FunctionLogs),
            )
            .summary("One call, with what it spent its time with and what it logged")
            .answers::<RunDetailView>(200, "the call")
            .errors(&[ErrorCode::FunctionNotFound, ErrorCode::NotFound]),
            get,
        )
        .add(
            Route::get("/v1/projects/{project}/functions/{name}/metrics", need(Action::FunctionRead))
                .summary("Figures of a function's calls over a window of time")
                .query("window", "1h, 24h or 7d; 24h where absent")
                .answers::<MetricsView>(200, "the figures")
                .errors(&[ErrorCode::InvalidRequest, ErrorCode::FunctionNotFound]),
            metrics,
        )
        .add(
            Route::get("/v1/projects/{project}/metrics", need(Action::FunctionRead))
                .summary("Figures of each version of the project's functions in Prometheus's text format")
                .answers_plain("200", "text, version 0.0.4"),
            prometheus,
        );
    declare_traces(routes)
}

fn declare_traces(routes: Routes<Service>) -> Routes<Service> {
    let need = Need::Project;
    routes
        .add(
            Route::get("/v1/projects/{project}/functions/{name}/traces", need(Action::FunctionLogs))
                .summary("The newest traced calls of a function since the server's start")
                .query("limit", "calls at most; 50 where absent")
                .answers::<TraceList>(200, "the newest first")
                .errors(&[ErrorCode::InvalidRequest, ErrorCode::FunctionNotFound]),
            traces,
        )
        .add(
            Route::get("/v1/projects/{project}/functions/{name}/traces/{trace}", need(Action::FunctionLogs))
                .summary("The calls of a trace, those of the project's other functions included")
                .answers::<TraceList>(200, "the first one first")
                .errors(&[ErrorCode::InvalidRequest, ErrorCode::FunctionNotFound, ErrorCode::NotFound]),
            trace,
        )
}

async fn list(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
    Path((_, name)): Path<(String, String)>,
    pairs: Pairs,
) -> Result<Json<RunList>, ApiError> {
    let wanted = wanted(Parameters::of(pairs)?, service.logs.query_lines_max())?;
    let (page, names) = service.runs(&project_of(grant)?, &name, wanted).await?;
    let next_cursor = page.next.filter(|_| page.more).map(|cursor| cursor.to_string());
    let runs = page.runs.into_iter().map(|run| RunView::of(run, &names)).collect();
    Ok(Json(RunList { runs, next_cursor }))
}

fn wanted(mut parameters: Parameters, runs_max: usize) -> Result<RunQuery, ApiError> {
    let wanted = RunQuery {
        status: parameters.read("status", "ok, error or cancelled", RunStatus::parse)?,
        trigger: parameters.read("trigger", TRIGGERS, Trigger::parse)?,
        version: parameters.text("version")?,
        error_code: parameters.text("error_code")?,
        since_ms: parameters.moment("since")?,
        until_ms: parameters.moment("until")?,
        before: parameters.number("cursor")?,
        limit: parameters.limit(RUNS_DEFAULT, 1..=runs_max)?,
        ..RunQuery::default()
    };
    parameters.end()?;
    Ok(wanted)
}

async fn get(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
    Path((_, name, invocation)): Path<(String, String, String)>,
) -> Result<Json<RunDetailView>, ApiError> {
    let found = service.run(&project_of(grant)?, &name, &invocation).await?;
    let (run, names) = found.ok_or_else(|| {
        ApiError::new(ErrorCode::NotFound, "there is no such call, or it is not kept any more")
    })?;
    Ok(Json(RunDetailView::of(run, &names)))
}

async fn metrics(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
    Path((_, name)): Path<(String, String)>,
    pairs: Pairs,
) -> Result<Json<MetricsView>, ApiError> {
    let mut parameters = Parameters::of(pairs)?;
    let window = parameters.read("window", "1h, 24h or 7d", ChartWindow::parse)?;
    parameters.end()?;
    let project = project_of(grant)?;
    let chart = service.chart(&project, &name, window.unwrap_or(ChartWindow::Day)).await?;
    Ok(Json(MetricsView::of(chart, service.activity(&project, &name))))
}

async fn prometheus(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
) -> Result<impl IntoResponse, ApiError> {
    let text = service.prometheus(&project_of(grant)?).await?;
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text))
}

async fn traces(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
    Path((_, name)): Path<(String, String)>,
    pairs: Pairs,
) -> Result<Json<TraceList>, ApiError> {
    let mut parameters = Parameters::of(pairs)?;
    let limit = parameters.limit(RUNS_DEFAULT, 1..=service.logs.query_lines_max())?;
    parameters.end()?;
    let (runs, names) = service.traces(&project_of(grant)?, &name, limit).await?;
    Ok(Json(TraceList { runs: runs.into_iter().map(|run| TracedRun::of(run, &names)).collect() }))
}

async fn trace(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
    Path((_, name, trace)): Path<(String, String, String)>,
) -> Result<Json<TraceList>, ApiError> {
    let trace = TraceId::parse(&trace).ok_or_else(|| {
        ApiError::new(ErrorCode::InvalidRequest, "a trace's id has to be 32 lower-case hexadecimal digits")
    })?;
    let (runs, names) = service.trace(&project_of(grant)?, &name, trace).await?;
    if runs.is_empty() {
        let message = "there is no such trace in this project, or it is not kept any more";
        return Err(ApiError::new(ErrorCode::NotFound, message));
    }
    Ok(Json(TraceList { runs: runs.into_iter().map(|run| TracedRun::of(run, &names)).collect() }))
}
