//! What a function logged, and what it logs.

use super::parameters::{Pairs, Parameters};
use super::types::LogList;
use super::{Service, project_of};
use crate::service::FunctionsService;
use crate::tail::TailWish;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use ports::access::{Action, Grant};
use routes::{Need, Route, Routes, Standing};
use run_log::{Level, LogQuery, Order};
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;
use std::sync::Arc;

const LINES_DEFAULT: usize = 100;

pub(super) fn declare(routes: Routes<Service>) -> Routes<Service> {
    let need = Need::Project;
    let filtered = |route: Route| {
        route
            .query("invocation_id", "lines of this call")
            .query("version", "lines of this version")
            .query("level", "debug, info, warn or error: lines of this severity and above")
            .query("text", "lines whose message has this in it; the case of ASCII letters does not count")
            .query("fields.<name>", "lines with this value in this field, such as fields.user.id=7; up to 8")
            .errors(&[ErrorCode::InvalidRequest, ErrorCode::FunctionNotFound])
    };
    routes
        .add(
            filtered(Route::get("/v1/projects/{project}/functions/{name}/logs", need(Action::FunctionLogs)))
                .summary("What a function logged: the newest lines, or those after a cursor")
                .query("since", "RFC 3339 or milliseconds: lines at or after it")
                .query("until", "RFC 3339 or milliseconds: lines before it")
                .query("limit", "lines at most; 100 where absent")
                .query(
                    "order",
                    "oldest or newest first; where absent the newest lines, the oldest of them first",
                )
                .query("after", "`next` of an answer before: the lines that came after it")
                .query(
                    "before",
                    "`next` of an answer before with order=newest: the lines that came before it",
                )
                .answers::<LogList>(200, "in the order that was asked for"),
            list,
        )
        .add(
            filtered(Route::get(
                "/v1/projects/{project}/functions/{name}/logs/subscribe",
                need(Action::FunctionLogs),
            ))
            .summary("What a function logs, as it does (server-sent events)")
            .query("last_event_id", "begin after this line, where the header `Last-Event-ID` is not sent")
            .answers_plain("200", "`connected`, `line`, `resync`, `close`")
            .errors(&[ErrorCode::RateLimited, ErrorCode::Overloaded]),
            subscribe,
        )
}

async fn list(
    State(service): State<Arc<FunctionsService>>,
    Extension(grant): Extension<Grant>,
    Path((_, name)): Path<(String, String)>,
    pairs: Pairs,
) -> Result<Json<LogList>, ApiError> {
    let wanted = wanted(Parameters::of(pairs)?, service.logs.query_lines_max())?;
    Ok(Json(service.logs(&project_of(grant)?, &name, wanted).await?.into()))
}

fn wanted(mut parameters: Parameters, lines_max: usize) -> Result<LogQuery, ApiError> {
    let before = parameters.number("before")?;
    let usual = if before.is_some() { Order::NewestFirst } else { Order::Latest };
    let wanted = LogQuery {
        since_ms: parameters.moment("since")?,
        until_ms: parameters.moment("until")?,
        limit: parameters.limit(LINES_DEFAULT, 1..=lines_max)?,
        after: parameters.number("after")?,
        before,
        order: parameters.read("order", "oldest or newest", order)?.unwrap_or(usual),
        ..filters(&mut parameters)?
    };
    parameters.end()?;
    Ok(wanted)
}

fn order(text: &str) -> Option<Order> {
    match text {
        "oldest" => Some(Order::OldestFirst),
        "newest" => Some(Order::NewestFirst),
        _ => None,
    }
}

/// The filters that hold for pages and streams.
fn filters(parameters: &mut Parameters) -> Result<LogQuery, ApiError> {
    Ok(LogQuery {
        invocation_id: parameters.text("invocation_id")?,
        version: parameters.text("version")?,
        level: parameters.read("level", "debug, info, warn or error", Level::parse)?,
        text: parameters.text("text")?,
        fields: parameters.fields(),
        ..LogQuery::default()
    })
}

/// The header with which a browser says what it got last.
const LAST_EVENT_ID: &str = "last-event-id";

async fn subscribe(
    State(service): State<Arc<FunctionsService>>,
    (Extension(grant), Extension(standing)): (Extension<Grant>, Extension<Standing>),
    Path((_, name)): Path<(String, String)>,
    pairs: Pairs,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let mut parameters = Parameters::of(pairs)?;
    let header = headers.get(LAST_EVENT_ID).map(|id| id.to_str().unwrap_or_default().to_owned());
    let lines = filters(&mut parameters)?;
    let named = parameters.text("last_event_id")?;
    let last_event_id = header.or(named);
    parameters.end()?;
    service.tail(TailWish { project: project_of(grant)?, name, lines, last_event_id, standing }).await
}
