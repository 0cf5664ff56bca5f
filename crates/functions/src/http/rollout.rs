//! Which version takes the calls: deploy, roll back, share, aliases.

use super::types::{AliasList, AliasView, FunctionView, PutAlias, Rollback, Traffic};
use super::{Service, project_of};
use crate::error::FunctionsError;
use crate::rollout::Wanted;
use axum::Extension;
use axum::extract::{Path, State};
use http::StatusCode;
use ports::access::{Action, Grant};
use routes::{Need, Recording, Route, Routes};
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;

const NOT_FOUND: &[ErrorCode] = &[ErrorCode::FunctionNotFound, ErrorCode::VersionNotFound];
const REFUSED: &[ErrorCode] = &[
    ErrorCode::InvalidRequest,
    ErrorCode::InvalidBundle,
    ErrorCode::MigrationFailed,
    ErrorCode::EnvironmentUnavailable,
];

pub(super) fn declare(routes: Routes<Service>) -> Routes<Service> {
    let need = Need::Project;
    let routes = routes
        .add(
            Route::post(
                "/v1/projects/{project}/functions/{name}/versions/{version}/deploy",
                need(Action::FunctionDeploy),
            )
            .summary("Let a version that is built take all calls")
            .answers::<FunctionView>(200, "it takes them")
            .errors(NOT_FOUND)
            .errors(REFUSED),
            deploy,
        )
        .add(
            Route::post("/v1/projects/{project}/functions/{name}/rollback", need(Action::FunctionDeploy))
                .summary(
                    "Let an earlier version take the calls; without one, the version that was active before",
                )
                .body::<Rollback>()
                .answers::<FunctionView>(200, "it takes them")
                .errors(NOT_FOUND)
                .errors(REFUSED),
            rollback,
        )
        .add(
            Route::put("/v1/projects/{project}/functions/{name}/traffic", need(Action::FunctionDeploy))
                .summary("Share the calls between two versions by weight, or give them all to one")
                .body::<Traffic>()
                .answers::<FunctionView>(200, "they take them")
                .errors(NOT_FOUND)
                .errors(REFUSED),
            share,
        );
    declare_aliases(routes)
}

fn declare_aliases(routes: Routes<Service>) -> Routes<Service> {
    const ONE: &str = "/v1/projects/{project}/functions/{name}/aliases/{alias}";
    let need = Need::Project;
    routes
        .add(
            Route::get("/v1/projects/{project}/functions/{name}/aliases", need(Action::FunctionRead))
                .summary("The aliases of a function; `live` is there always and not listed")
                .answers::<AliasList>(200, "by name")
                .errors(&[ErrorCode::FunctionNotFound]),
            aliases,
        )
        .add(
            Route::put(ONE, need(Action::FunctionDeploy))
                .summary("Give a version an address of its own: /v1/functions/name@alias")
                .body::<PutAlias>()
                .answers::<AliasView>(200, "the alias")
                .errors(NOT_FOUND)
                .errors(&[ErrorCode::InvalidRequest, ErrorCode::InvalidName, ErrorCode::LimitExceeded]),
            put_alias,
        )
        .add(
            Route::delete(ONE, need(Action::FunctionDeploy))
                .summary("Remove an alias; its version stays")
                .answers_plain("204", "removed")
                .errors(NOT_FOUND),
            delete_alias,
        )
}

type Answer = Result<(Extension<Recording>, Json<FunctionView>), ApiError>;

async fn promote(service: &Service, grant: Grant, name: String, wanted: Wanted) -> Answer {
    let promoted = service.promote((project_of(grant)?, name), wanted).await;
    let row = promoted.map_err(FunctionsError::into_api)?;
    let version = row.version.as_ref().map(|version| version.version.to_string()).unwrap_or_default();
    let recording = Recording::default().target("version", &version);
    Ok((Extension(recording), Json(FunctionView::of(row, &service.config))))
}

async fn deploy(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
    Path((_, name, version)): Path<(String, String, String)>,
) -> Answer {
    promote(&service, grant, name, Wanted::Named(version)).await
}

async fn rollback(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
    Path((_, name)): Path<(String, String)>,
    body: Option<Json<Rollback>>,
) -> Answer {
    let version = body.and_then(|Json(body)| body.version);
    promote(&service, grant, name, version.map_or(Wanted::Previous, Wanted::Named)).await
}

async fn share(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
    Path((_, name)): Path<(String, String)>,
    Json(body): Json<Traffic>,
) -> Answer {
    let wanted: Vec<_> = body.versions.into_iter().map(|share| (share.version, share.weight)).collect();
    let text: Vec<_> = wanted.iter().map(|(version, weight)| format!("{version}={weight}")).collect();
    let recording = Recording::default().target("traffic", &text.join(","));
    let row = service.share((project_of(grant)?, name), wanted).await.map_err(FunctionsError::into_api)?;
    Ok((Extension(recording), Json(FunctionView::of(row, &service.config))))
}

async fn aliases(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
    Path((_, name)): Path<(String, String)>,
) -> Result<Json<AliasList>, ApiError> {
    let row = service.get(&project_of(grant)?, &name).await?;
    let aliases = service.aliases(&row).await?.into_iter().map(AliasView::from).collect();
    Ok(Json(AliasList { aliases }))
}

async fn put_alias(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
    Path((_, name, alias)): Path<(String, String, String)>,
    Json(body): Json<PutAlias>,
) -> Result<(Extension<Recording>, Json<AliasView>), ApiError> {
    let recording = Recording::default().target("version", &body.version);
    let set = service.set_alias((project_of(grant)?, name), alias, body.version).await;
    Ok((Extension(recording), Json(AliasView::from(set.map_err(FunctionsError::into_api)?))))
}

async fn delete_alias(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
    Path((_, name, alias)): Path<(String, String, String)>,
) -> Result<StatusCode, ApiError> {
    service.remove_alias((project_of(grant)?, name), alias).await?;
    Ok(StatusCode::NO_CONTENT)
}
