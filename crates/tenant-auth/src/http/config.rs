//! The configuration of a project's end users.

use super::visitor::InProject;
use super::{Endpoint, Mounted, Service};
use crate::error::TenantAuthError;
use crate::project_config::{ConfigBody, ProjectConfig};
use axum::extract::State;
use ports::access::Action;
use routes::{Need, Route};
use serde::Serialize;
use service_kit::error::ErrorCode;
use service_kit::json::Json;
use utoipa::ToSchema;

/// The configuration in an answer.
#[derive(Serialize, ToSchema)]
#[schema(as = EndUserConfigAnswer)]
struct ConfigAnswer {
    /// The configuration.
    config: ProjectConfig,
}

const PATH: &str = "/v1/projects/{project}/auth/config";

const READ: Endpoint = Endpoint {
    method: Route::get,
    paths: ["/v1/auth/config", PATH],
    action: Action::EndUserRead,
    describe: |route| {
        route
            .summary("How the end users of the project sign in")
            .answers::<ConfigAnswer>(200, "the configuration")
    },
};

pub(super) fn mount(routes: Mounted) -> Mounted {
    let write = Route::put(PATH, Need::Project(Action::EndUserAdmin))
        .summary("Set how the end users of the project sign in, as a whole")
        .body::<ConfigBody>()
        .answers::<ConfigAnswer>(200, "the configuration")
        .errors(&[ErrorCode::InvalidRequest, ErrorCode::Conflict, ErrorCode::Unavailable]);
    routes.both(&READ, read).add(write, set)
}

async fn read(
    State(service): State<Service>,
    InProject(project): InProject,
) -> Result<Json<ConfigAnswer>, TenantAuthError> {
    Ok(Json(ConfigAnswer { config: service.config(&project).await? }))
}

async fn set(
    State(service): State<Service>,
    InProject(project): InProject,
    Json(body): Json<ConfigBody>,
) -> Result<Json<ConfigAnswer>, TenantAuthError> {
    Ok(Json(ConfigAnswer { config: service.set_config(&project, body).await? }))
}
