//! Versions: build one, list them, look at one.

use super::types::{CreateVersion, VersionList, VersionView};
use super::upload::read;
use super::{DEPLOY_ERRORS, Service, project_of};
use crate::deploy::Deployed;
use crate::error::FunctionsError;
use crate::service::FunctionsService;
use crate::store::functions::FunctionRow;
use crate::store::versions::VersionRow;
use axum::Extension;
use axum::extract::{Path, Request, State};
use http::StatusCode;
use ports::access::{Action, Grant};
use routes::{Need, Recording, Route, Routes};
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;

pub(super) fn declare(routes: Routes<Service>, bytes_max: usize) -> Routes<Service> {
    let need = Need::Project;
    routes
        .add(
            Route::post("/v1/projects/{project}/functions/{name}/versions", need(Action::FunctionDeploy))
                .summary("Build a version; it takes no calls yet")
                .body_bytes_max(bytes_max)
                .body::<CreateVersion>()
                .answers::<VersionView>(201, "the version")
                .answers::<VersionView>(200, "the version was there with the same code")
                .errors(DEPLOY_ERRORS)
                .errors(&[ErrorCode::FunctionNotFound]),
            build,
        )
        .add(
            Route::get("/v1/projects/{project}/functions/{name}/versions", need(Action::FunctionRead))
                .summary("The versions of a function that are kept")
                .answers::<VersionList>(200, "the newest first")
                .errors(&[ErrorCode::FunctionNotFound]),
            list,
        )
        .add(
            Route::get(
                "/v1/projects/{project}/functions/{name}/versions/{version}",
                need(Action::FunctionRead),
            )
            .summary("One version, with its manifest")
            .answers::<VersionView>(200, "the version")
            .errors(&[ErrorCode::FunctionNotFound, ErrorCode::VersionNotFound]),
            get,
        )
}

async fn build(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
    Path((_, name)): Path<(String, String)>,
    request: Request,
) -> Result<(StatusCode, Extension<Recording>, Json<VersionView>), ApiError> {
    let project = project_of(grant)?;
    let sent = read::<CreateVersion>(request).await?;
    let wanted = sent.body.into_upload().build(sent.code).map_err(FunctionsError::into_api)?;
    let built = service.build_version(project.clone(), name.clone(), wanted).await;
    let (status, version) = match built.map_err(FunctionsError::into_api)? {
        Deployed::New(version) => (StatusCode::CREATED, version),
        Deployed::Known(version) => (StatusCode::OK, version),
    };
    let recording = Recording::default().target("version", &version.version);
    let row = service.get(&project, &name).await?;
    let mut views = views(&service, &row, vec![version]).await?;
    let view = views.pop().ok_or(FunctionsError::VersionNotFound)?;
    Ok((status, Extension(recording), Json(view)))
}

async fn list(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
    Path((_, name)): Path<(String, String)>,
) -> Result<Json<VersionList>, ApiError> {
    let row = service.get(&project_of(grant)?, &name).await?;
    let versions = views(&service, &row, service.versions(&row).await?).await?;
    let versions = versions.into_iter().map(VersionView::without_manifest).collect();
    Ok(Json(VersionList { versions }))
}

async fn get(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
    Path((_, name, version)): Path<(String, String, String)>,
) -> Result<Json<VersionView>, ApiError> {
    let row = service.get(&project_of(grant)?, &name).await?;
    let version = service.version(&row, &version).await?;
    let mut views = views(&service, &row, vec![version]).await?;
    Ok(Json(views.pop().ok_or(FunctionsError::VersionNotFound)?))
}

/// With what each of them takes of the calls.
async fn views(
    service: &FunctionsService,
    row: &FunctionRow,
    versions: Vec<VersionRow>,
) -> Result<Vec<VersionView>, FunctionsError> {
    let (routing, history) = (service.routing_of(row).await?, service.history(row).await?);
    Ok(versions.into_iter().map(|version| VersionView::of(version, &routing, &history)).collect())
}
