//! Deploy, list, look at, configure and remove functions.

use super::project_of;
use super::types::{
    AliasView, ChangeView, CreateFunction, FunctionDetail, FunctionList, FunctionView, ShareView,
};
use super::upload::{Sent, read};
use crate::deploy::{Deploy, Deployed};
use crate::error::FunctionsError;
use crate::service::FunctionsService;
use crate::settings::{Overrides, SettingsPatch};
use crate::store::functions::FunctionRow;
use axum::Extension;
use axum::extract::{Path, Request, State};
use http::StatusCode;
use ports::access::Grant;
use routes::Recording;
use service_kit::error::ApiError;
use service_kit::ids::ProjectId;
use service_kit::json::Json;
use std::sync::Arc;

type Service = State<Arc<FunctionsService>>;
/// Project and name, as they stand in the path.
type Named = Path<(String, String)>;

pub(crate) async fn deploy(
    State(service): Service,
    Extension(grant): Extension<Grant>,
    request: Request,
) -> Result<(StatusCode, Extension<Recording>, Json<FunctionView>), ApiError> {
    let project = project_of(grant)?;
    let wanted = wanted(read(request).await?).map_err(FunctionsError::into_api)?;
    let (status, row) = match service.deploy(project, wanted).await.map_err(FunctionsError::into_api)? {
        Deployed::New(row) => (StatusCode::CREATED, row),
        Deployed::Known(row) => (StatusCode::OK, row),
    };
    let version = row.version.as_ref().map(|version| version.version.to_string()).unwrap_or_default();
    let recording = Recording::default().target("name", &row.name).target("version", &version);
    Ok((status, Extension(recording), Json(FunctionView::of(row, &service.config))))
}

/// The registration or deployment that was sent.
pub(crate) fn wanted(Sent { body, code }: Sent<CreateFunction>) -> Result<Deploy, FunctionsError> {
    let has_code = code.is_some() || body.bundle.is_some();
    if !has_code && (body.version.is_some() || body.manifest.is_some()) {
        return Err(FunctionsError::Invalid("a version has code: send `bundle` or an archive"));
    }
    let CreateFunction { name, handler, runtime, settings, .. } = &body;
    let (name, handler, runtime, settings) = (name.clone(), handler.clone(), *runtime, settings.clone());
    let build = if has_code { Some(body.into_upload().build(code)?) } else { None };
    Ok(Deploy { name, settings, handler, runtime, build })
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
) -> Result<Json<FunctionDetail>, ApiError> {
    Ok(Json(detail(&service, &project_of(grant)?, &name).await?))
}

async fn detail(
    service: &FunctionsService,
    project: &ProjectId,
    name: &str,
) -> Result<FunctionDetail, FunctionsError> {
    let row = service.get(project, name).await?;
    let routing = service.routing_of(&row).await?;
    let aliases = service.aliases(&row).await?.into_iter().map(AliasView::from).collect();
    let changes = service.history(&row).await?.into_iter().map(ChangeView::from).collect();
    let domains = service.domains(project).await?;
    let domains = domains.into_iter().filter(|domain| domain.function == row.name).map(|domain| domain.host);
    let of_version = row
        .version
        .as_ref()
        .map(|version| version.manifest.version_settings(service.config.execution_timeout_ms));
    Ok(FunctionDetail {
        traffic: routing.live.iter().map(ShareView::of).collect(),
        aliases,
        domains: own_host(service, &row).into_iter().chain(domains).collect(),
        settings_from: row.settings.explained(&of_version.unwrap_or(Overrides::default()), &service.config),
        manifest: row.version.as_ref().map(|version| (*version.manifest).clone()),
        changes,
        function: FunctionView::of(row, &service.config),
    })
}

/// Its host under the server's domain for functions.
fn own_host(service: &FunctionsService, row: &FunctionRow) -> Option<String> {
    let domain = service.config.domain.as_deref()?;
    Some(format!("{}.{}.{domain}", row.name, row.project.as_str().replacen('_', "-", 1)))
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
