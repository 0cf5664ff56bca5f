//! Deploy, list, look at, configure and remove functions.

use super::project_of;
use super::types::{CreateFunction, FunctionList, FunctionView};
use crate::deploy::{Deploy, Deployed, Form, RUNTIME};
use crate::error::FunctionsError;
use crate::service::FunctionsService;
use crate::settings::SettingsPatch;
use axum::Extension;
use axum::extract::{Path, State};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use ports::access::Grant;
use service_kit::error::ApiError;
use service_kit::json::Json;
use std::sync::Arc;

type Service = State<Arc<FunctionsService>>;
/// Project and name, as they stand in the path.
type Named = Path<(String, String)>;

pub(crate) async fn deploy(
    State(service): Service,
    Extension(grant): Extension<Grant>,
    Json(body): Json<CreateFunction>,
) -> Result<(StatusCode, Json<FunctionView>), ApiError> {
    let project = project_of(grant)?;
    let wanted = wanted(body).map_err(FunctionsError::into_api)?;
    let (status, row) = match service.deploy(project, wanted).await.map_err(FunctionsError::into_api)? {
        Deployed::New(row) => (StatusCode::CREATED, row),
        Deployed::Known(row) => (StatusCode::OK, row),
    };
    Ok((status, Json(FunctionView::of(row, &service.config))))
}

fn wanted(body: CreateFunction) -> Result<Deploy, FunctionsError> {
    if body.runtime.is_some_and(|runtime| runtime != RUNTIME) {
        return Err(FunctionsError::Invalid("`runtime` has to be \"bun\""));
    }
    let code = STANDARD
        .decode(&body.bundle)
        .map_err(|_| FunctionsError::Invalid("`bundle` is not valid base64 (RFC 4648 §4)"))?;
    Ok(Deploy {
        name: body.name,
        handler: body.handler.unwrap_or_else(|| "default".to_owned()),
        version: body.version,
        code,
        form: if body.bundled { Form::Bundle } else { Form::Source },
        settings: body.settings,
    })
}

pub(crate) async fn list(
    State(service): Service,
    Extension(grant): Extension<Grant>,
) -> Result<Json<FunctionList>, ApiError> {
    let rows = service.list(&project_of(grant)?).await?;
    let functions = rows.into_iter().map(|row| FunctionView::of(row, &service.config)).collect();
    Ok(Json(FunctionList { functions }))
}

pub(crate) async fn get(
    State(service): Service,
    Extension(grant): Extension<Grant>,
    Path((_, name)): Named,
) -> Result<Json<FunctionView>, ApiError> {
    let row = service.get(&project_of(grant)?, &name).await?;
    Ok(Json(FunctionView::of(row, &service.config)))
}

pub(crate) async fn configure(
    State(service): Service,
    Extension(grant): Extension<Grant>,
    Path((_, name)): Named,
    Json(patch): Json<SettingsPatch>,
) -> Result<Json<FunctionView>, ApiError> {
    let changed = service.configure(project_of(grant)?, name, patch).await;
    Ok(Json(FunctionView::of(changed.map_err(FunctionsError::into_api)?, &service.config)))
}

pub(crate) async fn delete(
    State(service): Service,
    Extension(grant): Extension<Grant>,
    Path((_, name)): Named,
) -> Result<StatusCode, ApiError> {
    service.delete(project_of(grant)?, name).await?;
    Ok(StatusCode::NO_CONTENT)
}
