//! List, declare and remove topics.

use super::extract::{TopicInPath, realm_of};
use super::types::{DeclareTopic, TopicList, TopicView};
use super::{Endpoint, Mounted, Service};
use crate::error::BuncastError;
use ::routes::Route;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use http::StatusCode;
use ports::access::{Action, Grant};
use serde::Deserialize;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1_000;

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let all = ["/v1/events", "/v1/projects/{project}/events"];
    let one = ["/v1/events/{topic}", "/v1/projects/{project}/events/{topic}"];
    let action = Action::EventAdmin;
    let describe_list = |route: Route| {
        route
            .summary("List topics that were declared or published to")
            .query("limit", "topics on a page, 1 to 1000")
            .query("cursor", "`next_cursor` of the page before")
            .answers::<TopicList>(200, "the topics, by name")
    };
    let describe_declare = |route: Route| {
        route
            .summary("Declare a topic, or change how long its events are kept")
            .body::<DeclareTopic>()
            .answers::<TopicView>(200, "the topic")
            .errors(&[ErrorCode::InvalidName, ErrorCode::Conflict, ErrorCode::LimitExceeded])
    };
    let describe_remove = |route: Route| {
        route
            .summary("Remove a topic with the events that it keeps")
            .answers_plain("204", "it is gone")
            .errors(&[ErrorCode::TopicNotFound])
    };
    mounted
        .both(&Endpoint { method: Route::get, paths: all, action }, describe_list, list)
        .both(&Endpoint { method: Route::put, paths: one, action }, describe_declare, declare)
        .both(&Endpoint { method: Route::delete, paths: one, action }, describe_remove, remove)
}

#[derive(Debug, Deserialize)]
struct ListParameters {
    limit: Option<usize>,
    cursor: Option<String>,
}

async fn list(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
    parameters: Result<Query<ListParameters>, QueryRejection>,
) -> Result<Json<TopicList>, ApiError> {
    let parameters = parameters.map(|Query(parameters)| parameters);
    let ListParameters { limit, cursor } = parameters.map_err(|_| INVALID_LIMIT)?;
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(INVALID_LIMIT.into());
    }
    let after = cursor.unwrap_or_default();
    let topics = service.broker.topics(&realm_of(&grant)?, &after, limit);
    let next_cursor =
        topics.last().filter(|_| topics.len() == limit).map(|info| info.topic.as_str().to_owned());
    Ok(Json(TopicList { topics: topics.into_iter().map(TopicView::from).collect(), next_cursor }))
}

const INVALID_LIMIT: BuncastError = BuncastError::Invalid("`limit` has to be between 1 and 1000");

async fn declare(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
    TopicInPath(topic): TopicInPath,
    Json(body): Json<DeclareTopic>,
) -> Result<Json<TopicView>, ApiError> {
    let declared = service.declare(&realm_of(&grant)?, &topic, body.retention(&service.config)).await?;
    Ok(Json(declared.into()))
}

async fn remove(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
    TopicInPath(topic): TopicInPath,
) -> Result<StatusCode, ApiError> {
    service.remove(&realm_of(&grant)?, &topic).await?;
    Ok(StatusCode::NO_CONTENT)
}
