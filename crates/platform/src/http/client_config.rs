//! `/v1/projects/{project}/config` and `/v1/project`: what a client has to know.

use super::Platform;
use super::projects::Project;
use crate::client_config::ClientConfig;
use axum::Extension;
use axum::extract::State;
use ports::access::{Action, Grant};
use routes::{Need, Route, Routes};
use serde::Serialize;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;
use utoipa::ToSchema;

pub(super) fn mount(routes: Routes<Platform>) -> Routes<Platform> {
    use ErrorCode::{Forbidden, ProjectNotFound};
    let in_project = Route::get("/v1/projects/{project}/config", Need::Project(Action::ProjectRead))
        .summary("Where the project's services are")
        .answers::<ConfigAnswer>(200, "the project and its client configuration")
        .errors(&[ProjectNotFound, Forbidden]);
    let with_key = Route::get("/v1/project", Need::Key(Action::ProjectRead))
        .summary("The project that a secret key belongs to, and where its services are")
        .answers::<ConfigAnswer>(200, "the project and its client configuration")
        .errors(&[Forbidden]);
    routes.add(in_project, read).add(with_key, read)
}

/// A project and where its services are.
#[derive(Serialize, ToSchema)]
#[schema(as = ClientConfigAnswer)]
struct ConfigAnswer {
    /// The project.
    project: Project,
    /// Where its services are.
    config: ClientConfig,
}

async fn read(
    State(service): State<Platform>,
    Extension(grant): Extension<Grant>,
) -> Result<Json<ConfigAnswer>, ApiError> {
    let (project, config) = service.client_config(&grant).await?;
    Ok(Json(ConfigAnswer { project: project.into(), config }))
}
