//! Variables of a project and of its functions: written, listed by name, never read.

use super::types::{PutVariable, VariableChange, VariableList, VariableView};
use super::{Service, project_of};
use crate::environment::{Content, Variable};
use crate::error::FunctionsError;
use axum::Extension;
use axum::extract::{Path, State};
use ports::access::{Action, Grant};
use routes::{Need, Route, Routes};
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::ProjectId;
use service_kit::json::Json;

const WRITE_ERRORS: &[ErrorCode] = &[
    ErrorCode::InvalidRequest,
    ErrorCode::InvalidName,
    ErrorCode::InvalidBundle,
    ErrorCode::FunctionNotFound,
    ErrorCode::SecretNotFound,
    ErrorCode::BodyTooLarge,
    ErrorCode::LimitExceeded,
    ErrorCode::EnvironmentUnavailable,
];
const DELETE_ERRORS: &[ErrorCode] = &[
    ErrorCode::InvalidName,
    ErrorCode::InvalidBundle,
    ErrorCode::FunctionNotFound,
    ErrorCode::VariableNotFound,
    ErrorCode::EnvironmentUnavailable,
];

pub(super) fn declare(routes: Routes<Service>) -> Routes<Service> {
    let need = Need::Project;
    let list = |path, summary| {
        Route::get(path, need(Action::FunctionRead)).summary(summary).answers::<VariableList>(200, "by name")
    };
    let put = |path, summary| {
        Route::put(path, need(Action::FunctionDeploy))
            .summary(summary)
            .body::<PutVariable>()
            .answers::<VariableChange>(200, "later calls have it")
            .errors(WRITE_ERRORS)
    };
    let delete = |path, summary| {
        Route::delete(path, need(Action::FunctionDeploy))
            .summary(summary)
            .answers::<VariableChange>(200, "later calls do not have it")
            .errors(DELETE_ERRORS)
    };
    const OF_PROJECT: &str = "/v1/projects/{project}/env/{key}";
    const OF_FUNCTION: &str = "/v1/projects/{project}/functions/{name}/env/{key}";
    routes
        .add(
            list("/v1/projects/{project}/env", "The variables that all functions of a project have"),
            list_project,
        )
        .add(put(OF_PROJECT, "Set a variable of all functions of a project"), put_project)
        .add(delete(OF_PROJECT, "Remove a variable of all functions of a project"), delete_project)
        .add(
            list("/v1/projects/{project}/functions/{name}/env", "A function's own variables")
                .errors(&[ErrorCode::FunctionNotFound]),
            list_function,
        )
        .add(put(OF_FUNCTION, "Set a variable of a function; it wins over the project's"), put_function)
        .add(delete(OF_FUNCTION, "Remove a variable of a function"), delete_function)
}

async fn listed(
    service: &Service,
    project: &ProjectId,
    function: Option<&str>,
) -> Result<Json<VariableList>, ApiError> {
    let rows = service.variables(project, function).await?;
    Ok(Json(VariableList { variables: rows.into_iter().map(VariableView::from).collect() }))
}

async fn changed(
    service: &Service,
    variable: Variable,
    content: Option<Content>,
) -> Result<Json<VariableChange>, ApiError> {
    let changed = service.change_variable(variable, content).await.map_err(FunctionsError::into_api)?;
    Ok(Json(VariableChange::from(changed)))
}

async fn list_project(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
) -> Result<Json<VariableList>, ApiError> {
    listed(&service, &project_of(grant)?, None).await
}

async fn list_function(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
    Path((_, name)): Path<(String, String)>,
) -> Result<Json<VariableList>, ApiError> {
    listed(&service, &project_of(grant)?, Some(&name)).await
}

async fn put_project(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
    Path((_, key)): Path<(String, String)>,
    Json(body): Json<PutVariable>,
) -> Result<Json<VariableChange>, ApiError> {
    let variable = Variable { project: project_of(grant)?, function: None, key };
    changed(&service, variable, Some(body.content().map_err(FunctionsError::into_api)?)).await
}

async fn put_function(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
    Path((_, name, key)): Path<(String, String, String)>,
    Json(body): Json<PutVariable>,
) -> Result<Json<VariableChange>, ApiError> {
    let variable = Variable { project: project_of(grant)?, function: Some(name), key };
    changed(&service, variable, Some(body.content().map_err(FunctionsError::into_api)?)).await
}

async fn delete_project(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
    Path((_, key)): Path<(String, String)>,
) -> Result<Json<VariableChange>, ApiError> {
    changed(&service, Variable { project: project_of(grant)?, function: None, key }, None).await
}

async fn delete_function(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
    Path((_, name, key)): Path<(String, String, String)>,
) -> Result<Json<VariableChange>, ApiError> {
    changed(&service, Variable { project: project_of(grant)?, function: Some(name), key }, None).await
}
