//! Domains of a project's functions.

use super::types::{DomainList, DomainView, PutDomain};
use super::{Service, project_of};
use crate::error::FunctionsError;
use axum::Extension;
use axum::extract::{Path, State};
use http::StatusCode;
use ports::access::{Action, Grant};
use routes::{Need, Recording, Route, Routes};
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;

pub(super) fn declare(routes: Routes<Service>) -> Routes<Service> {
    const ONE: &str = "/v1/projects/{project}/domains/{host}";
    let need = Need::Project;
    routes
        .add(
            Route::get("/v1/projects/{project}/domains", need(Action::FunctionRead))
                .summary("The domains of a project's functions")
                .answers::<DomainList>(200, "by host"),
            list,
        )
        .add(
            Route::get(ONE, need(Action::FunctionRead))
                .summary("The function that a domain means")
                .answers::<DomainView>(200, "the domain")
                .errors(&[ErrorCode::DomainNotFound]),
            get,
        )
        .add(
            Route::put(ONE, need(Action::FunctionDeploy))
                .summary("Let every request for a host be a call of a function")
                .body::<PutDomain>()
                .answers::<DomainView>(200, "the domain")
                .errors(&[ErrorCode::InvalidName, ErrorCode::FunctionNotFound, ErrorCode::LimitExceeded])
                .errors(&[ErrorCode::Conflict]),
            put,
        )
        .add(
            Route::delete(ONE, need(Action::FunctionDeploy))
                .summary("Remove a domain")
                .answers_plain("204", "removed")
                .errors(&[ErrorCode::DomainNotFound]),
            delete,
        )
}

async fn list(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
) -> Result<Json<DomainList>, ApiError> {
    let rows = service.domains(&project_of(grant)?).await?;
    Ok(Json(DomainList { domains: rows.into_iter().map(DomainView::from).collect() }))
}

async fn get(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
    Path((_, host)): Path<(String, String)>,
) -> Result<Json<DomainView>, ApiError> {
    Ok(Json(service.domain(&project_of(grant)?, &host).await?.into()))
}

async fn put(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
    Path((_, host)): Path<(String, String)>,
    Json(body): Json<PutDomain>,
) -> Result<(Extension<Recording>, Json<DomainView>), ApiError> {
    let recording = Recording::default().target("function", &body.function);
    let set = service.set_domain(project_of(grant)?, host, body.function).await;
    Ok((Extension(recording), Json(set.map_err(FunctionsError::into_api)?.into())))
}

async fn delete(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
    Path((_, host)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    service.remove_domain(&project_of(grant)?, &host).await?;
    Ok(StatusCode::NO_CONTENT)
}
