//! What a function logged, and what it logs.

use super::project_of;
use super::types::{LogList, LogParameters, TailParameters};
use crate::service::FunctionsService;
use crate::tail::TailWish;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::HeaderMap;
use ports::access::Grant;
use routes::Standing;
use run_log::{Level, LogQuery};
use service_kit::clock::parse_ms;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;
use std::sync::Arc;

const LINES_DEFAULT: usize = 100;

pub(crate) async fn list(
    State(service): State<Arc<FunctionsService>>,
    Extension(grant): Extension<Grant>,
    Path((_, name)): Path<(String, String)>,
    parameters: Result<Query<LogParameters>, QueryRejection>,
) -> Result<Json<LogList>, ApiError> {
    let Query(parameters) = parameters.map_err(|rejection| invalid(rejection.body_text()))?;
    let wanted = wanted(parameters, service.logs.query_lines_max())?;
    Ok(Json(service.logs(&project_of(grant)?, &name, wanted).await?.into()))
}

fn wanted(parameters: LogParameters, lines_max: usize) -> Result<LogQuery, ApiError> {
    let limit = parameters.limit.unwrap_or(LINES_DEFAULT.min(lines_max));
    if !(1..=lines_max).contains(&limit) {
        return Err(invalid(format!("`limit` has to be between 1 and {lines_max}")));
    }
    Ok(LogQuery {
        invocation_id: parameters.invocation_id,
        level: parameters.level.map(|text| level(&text)).transpose()?,
        since_ms: moment("since", parameters.since.as_deref())?,
        until_ms: moment("until", parameters.until.as_deref())?,
        limit,
        after: parameters.after,
        ..LogQuery::default()
    })
}

fn moment(name: &str, text: Option<&str>) -> Result<Option<i64>, ApiError> {
    let read = |text| {
        parse_ms(text)
            .ok_or_else(|| invalid(format!("`{name}` has to be RFC 3339, or milliseconds since 1970")))
    };
    text.map(read).transpose()
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, message)
}

/// The header with which a browser says what it got last.
const LAST_EVENT_ID: &str = "last-event-id";

pub(crate) async fn subscribe(
    State(service): State<Arc<FunctionsService>>,
    (Extension(grant), Extension(standing)): (Extension<Grant>, Extension<Standing>),
    Path((_, name)): Path<(String, String)>,
    parameters: Result<Query<TailParameters>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Query(parameters) = parameters.map_err(|rejection| invalid(rejection.body_text()))?;
    let header = headers.get(LAST_EVENT_ID).map(|id| id.to_str().unwrap_or_default().to_owned());
    let lines = LogQuery {
        invocation_id: parameters.invocation_id,
        level: parameters.level.map(|text| level(&text)).transpose()?,
        ..LogQuery::default()
    };
    let last_event_id = header.or(parameters.last_event_id);
    service.tail(TailWish { project: project_of(grant)?, name, lines, last_event_id, standing }).await
}

fn level(text: &str) -> Result<Level, ApiError> {
    Level::parse(text).ok_or_else(|| invalid("`level` has to be debug, info, warn or error"))
}
