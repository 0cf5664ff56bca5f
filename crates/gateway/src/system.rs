//! The pages about the process itself, and the answers where there is no page.

use crate::pages;
use crate::upstreams::{GATEWAY, service_of};
use axum::extract::State as AxumState;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, Uri, header};
use ports::access::Access;
use routes::{Need, Route, Routes, ServiceRoutes, openapi};
use serde::Serialize;
use service_kit::drain::Drain;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::health::Health;
use service_kit::json::{Json, raw};
use std::sync::Arc;
use utoipa::ToSchema;

#[derive(Clone)]
pub(crate) struct State {
    health: Health,
    drain: Drain,
    metrics: Arc<dyn Fn() -> String + Send + Sync>,
    document: Arc<str>,
}

impl State {
    pub(crate) fn new(health: Health, drain: Drain, metrics: Arc<dyn Fn() -> String + Send + Sync>) -> Self {
        Self { health, drain, metrics, document: Arc::from("") }
    }
}

#[derive(Serialize, ToSchema)]
struct HealthStatus {
    /// `ok`: the process runs.
    status: &'static str,
}

#[derive(Serialize, ToSchema)]
struct Readiness {
    /// `ready`, `not_ready` or `draining`.
    status: &'static str,
    /// One entry for each part: name, whether it is ready, why not.
    #[schema(value_type = Vec<Object>)]
    parts: Vec<service_kit::health::Part>,
    /// The version of the program.
    version: &'static str,
}

/// The routes of the process itself; the document describes `services` and these.
pub(crate) fn routes(services: &[ServiceRoutes], access: Arc<dyn Access>, mut state: State) -> ServiceRoutes {
    let own = declare(access.clone(), state.clone());
    let document = openapi::document(env!("CARGO_PKG_VERSION"), services.iter().chain([&own]));
    state.document = document.to_json().unwrap_or_default().into();
    declare(access, state)
}

fn declare(access: Arc<dyn Access>, state: State) -> ServiceRoutes {
    Routes::new("gateway", state, access)
        .add(
            Route::get("/", Need::Nobody).summary("What is running here").answers_plain("200", "HTML"),
            pages::welcome,
        )
        .add(
            Route::get("/auth/action", Need::Nobody)
                .summary("Where links in mails lead: passwords, invitations, addresses")
                .answers_plain("200", "HTML"),
            pages::action,
        )
        .add(
            Route::get("/health", Need::Nobody)
                .summary("Whether the process runs")
                .answers::<HealthStatus>(200, "it does"),
            health,
        )
        .add(
            Route::get("/ready", Need::Nobody)
                .summary("Whether every part can serve")
                .answers::<Readiness>(200, "all can")
                .answers::<Readiness>(503, "some cannot, or the process is draining"),
            ready,
        )
        .add(
            Route::get("/metrics", Need::Operator)
                .summary("Metrics in Prometheus's text format; on loopback or with the instance token")
                .answers_plain("200", "text"),
            metrics,
        )
        .add(
            Route::get("/openapi.json", Need::Nobody)
                .summary("This document")
                .answers_plain("200", "OpenAPI 3.1"),
            document,
        )
        .finish()
}

async fn health() -> Json<HealthStatus> {
    Json(HealthStatus { status: "ok" })
}

async fn ready(AxumState(state): AxumState<State>) -> Response {
    let report = state.health.report();
    let status = if state.drain.is_started() { "draining" } else { report.status };
    let mut response =
        Json(Readiness { status, parts: report.parts, version: env!("CARGO_PKG_VERSION") }).into_response();
    if status != "ready" {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

async fn metrics(AxumState(state): AxumState<State>) -> Response {
    let mut response = (state.metrics)().into_response();
    let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}

async fn document(AxumState(state): AxumState<State>) -> Response {
    raw(state.document.as_bytes().to_vec())
}

/// `here` names the services of this process.
pub(crate) async fn not_found(uri: Uri, here: Arc<[&'static str]>) -> ApiError {
    let service = service_of(uri.path());
    if service != GATEWAY && !here.contains(&service) {
        let message = format!("the service `{service}` does not run here: see `rpc.addresses.{service}`");
        return ApiError::new(ErrorCode::ServiceNotEnabled, message);
    }
    ApiError::new(ErrorCode::NotFound, "there is nothing at this path; /openapi.json lists what there is")
}

pub(crate) async fn method_not_allowed() -> ApiError {
    ApiError::new(ErrorCode::MethodNotAllowed, "this path is there, but not with this method")
}
