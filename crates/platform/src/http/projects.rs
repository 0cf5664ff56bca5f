//! `/v1/projects`.

use crate::error::PlatformError;
use crate::projects::developer_of;
use crate::service::PlatformService;
use crate::store::ProjectRow;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use http::StatusCode;
use ports::access::Grant;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use service_kit::clock::rfc3339;
use service_kit::error::ApiError;
use service_kit::json::Json;
use std::sync::Arc;
use utoipa::ToSchema;

/// A project to be made or renamed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProjectBody {
    /// 1 to 100 characters.
    name: String,
}

/// A project.
#[derive(Serialize, ToSchema)]
pub(crate) struct Project {
    /// `prj_…`.
    id: String,
    /// The name.
    name: String,
    /// The name in addresses: lower-case ASCII letters, digits and `-`; unique, and never changed.
    slug: String,
    /// Your role: `owner`, `admin`, `member` or `viewer`; not there for a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339.
    updated_at: String,
}

impl From<ProjectRow> for Project {
    fn from(row: ProjectRow) -> Self {
        let (created_at, updated_at) = (rfc3339(row.created_at), rfc3339(row.updated_at));
        Self { id: row.id, name: row.name, slug: row.slug, role: row.role, created_at, updated_at }
    }
}

/// A project in an answer.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProjectAnswer {
    /// The project.
    project: Project,
}

/// A part of the list of projects.
#[derive(Serialize, ToSchema)]
#[schema(as = ProjectList)]
pub(crate) struct ListAnswer {
    /// The projects.
    projects: Vec<Project>,
    /// Where the next part begins; `null` in the last one.
    next_cursor: Option<String>,
}

/// A new project with its first keys.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedProject)]
pub(crate) struct CreatedAnswer {
    /// The project.
    project: Project,
    /// `pk_…`: for browsers.
    #[serde(serialize_with = "shown")]
    #[schema(value_type = String)]
    public_key: SecretString,
    /// `sk_…`: for servers; shown this once.
    #[serde(serialize_with = "shown")]
    #[schema(value_type = String)]
    secret_key: SecretString,
}

/// Writes a key into the answer to whoever made it.
pub(super) fn shown<S: Serializer>(key: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(key.expose_secret())
}

/// Which part of the list.
#[derive(Deserialize)]
pub(crate) struct PageQuery {
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(crate) async fn list(
    State(service): State<Arc<PlatformService>>,
    Extension(grant): Extension<Grant>,
    page: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<ListAnswer>, ApiError> {
    let Query(page) = page.map_err(|_| PlatformError::InvalidPage)?;
    let found = service.list_projects(developer_of(&grant)?, page.limit, page.cursor.as_deref()).await?;
    let projects = found.projects.into_iter().map(Project::from).collect();
    Ok(Json(ListAnswer { projects, next_cursor: found.next_cursor }))
}

pub(crate) async fn create(
    State(service): State<Arc<PlatformService>>,
    Extension(grant): Extension<Grant>,
    Json(body): Json<ProjectBody>,
) -> Result<(StatusCode, Json<CreatedAnswer>), ApiError> {
    let created = service.create_project(developer_of(&grant)?, &body.name).await?;
    let answer = CreatedAnswer {
        project: created.project.into(),
        public_key: created.public_key,
        secret_key: created.secret_key,
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

pub(crate) async fn read(
    State(service): State<Arc<PlatformService>>,
    Extension(grant): Extension<Grant>,
) -> Result<Json<ProjectAnswer>, ApiError> {
    Ok(Json(ProjectAnswer { project: service.read_project(&grant).await?.into() }))
}

pub(crate) async fn rename(
    State(service): State<Arc<PlatformService>>,
    Extension(grant): Extension<Grant>,
    Json(body): Json<ProjectBody>,
) -> Result<Json<ProjectAnswer>, ApiError> {
    Ok(Json(ProjectAnswer { project: service.rename_project(&grant, &body.name).await?.into() }))
}

pub(crate) async fn delete(
    State(service): State<Arc<PlatformService>>,
    Extension(grant): Extension<Grant>,
) -> Result<StatusCode, ApiError> {
    service.delete_project(&grant).await?;
    Ok(StatusCode::NO_CONTENT)
}
