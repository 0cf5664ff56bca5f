//! `/v1/projects`.

use super::Platform;
use crate::error::PlatformError;
use crate::projects::developer_of;
use crate::store::ProjectRow;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use http::StatusCode;
use ports::access::{Action, Grant};
use routes::{Need, Recording, Route, Routes};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use service_kit::clock::rfc3339;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::ProjectId;
use service_kit::json::Json;
use utoipa::ToSchema;

const PROJECTS: &str = "/v1/projects";
const PROJECT: &str = "/v1/projects/{project}";

pub(super) fn mount(routes: Routes<Platform>) -> Routes<Platform> {
    use ErrorCode::{Forbidden, InvalidName, InvalidRequest, LimitExceeded, ProjectNotFound};
    let list_all = Route::get(PROJECTS, Need::Developer(Action::ProjectList))
        .summary("The projects that you are a member of, with your role in each")
        .query("limit", "how many, 1 to 1000; 100 where it is left out")
        .query("cursor", "`next_cursor` of the answer before")
        .answers::<ListAnswer>(200, "projects, in the order they were made")
        .errors(&[InvalidRequest, Forbidden]);
    let make = Route::post(PROJECTS, Need::Developer(Action::ProjectCreate))
        .summary("Make a project with a public and a secret key")
        .body::<ProjectBody>()
        .answers::<CreatedAnswer>(201, "the project; the secret key is shown this once")
        .errors(&[InvalidName, LimitExceeded, Forbidden]);
    let show = Route::get(PROJECT, Need::Project(Action::ProjectRead))
        .summary("One project")
        .answers::<ProjectAnswer>(200, "the project")
        .errors(&[ProjectNotFound, Forbidden]);
    let change = Route::patch(PROJECT, Need::Project(Action::ProjectUpdate))
        .summary("Give a project another name; its slug stays")
        .body::<ProjectBody>()
        .answers::<ProjectAnswer>(200, "the project")
        .errors(&[InvalidName, ProjectNotFound, Forbidden]);
    let remove = Route::delete(PROJECT, Need::Project(Action::ProjectDelete))
        .summary("Delete a project with everything in it")
        .answers_plain("204", "the project is gone; its data is removed in the background")
        .errors(&[ProjectNotFound, Forbidden]);
    routes.add(list_all, list).add(make, create).add(show, read).add(change, rename).add(remove, delete)
}

/// A project to be made or renamed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProjectBody {
    /// 1 to 100 characters.
    name: String,
}

/// A project.
#[derive(Serialize, ToSchema)]
pub(super) struct Project {
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
struct ProjectAnswer {
    /// The project.
    project: Project,
}

/// A part of the list of projects.
#[derive(Serialize, ToSchema)]
#[schema(as = ProjectList)]
struct ListAnswer {
    /// The projects.
    projects: Vec<Project>,
    /// Where the next part begins; `null` in the last one.
    next_cursor: Option<String>,
}

/// A new project with its first keys.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedProject)]
struct CreatedAnswer {
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
struct PageQuery {
    limit: Option<u32>,
    cursor: Option<String>,
}

async fn list(
    State(service): State<Platform>,
    Extension(grant): Extension<Grant>,
    page: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<ListAnswer>, ApiError> {
    let Query(page) = page.map_err(|_| PlatformError::InvalidPage)?;
    let found = service.list_projects(developer_of(&grant)?, page.limit, page.cursor.as_deref()).await?;
    let projects = found.projects.into_iter().map(Project::from).collect();
    Ok(Json(ListAnswer { projects, next_cursor: found.next_cursor }))
}

async fn create(
    State(service): State<Platform>,
    Extension(grant): Extension<Grant>,
    Json(body): Json<ProjectBody>,
) -> Result<(StatusCode, Extension<Recording>, Json<CreatedAnswer>), ApiError> {
    let created = service.create_project(developer_of(&grant)?, &body.name).await?;
    let id = ProjectId::parse(&created.project.id).map_err(|error| ApiError::internal(&error))?;
    let recording = Recording::default().target("project", id.as_str()).project(id);
    let answer = CreatedAnswer {
        project: created.project.into(),
        public_key: created.public_key,
        secret_key: created.secret_key,
    };
    Ok((StatusCode::CREATED, Extension(recording), Json(answer)))
}

async fn read(
    State(service): State<Platform>,
    Extension(grant): Extension<Grant>,
) -> Result<Json<ProjectAnswer>, ApiError> {
    Ok(Json(ProjectAnswer { project: service.read_project(&grant).await?.into() }))
}

async fn rename(
    State(service): State<Platform>,
    Extension(grant): Extension<Grant>,
    Json(body): Json<ProjectBody>,
) -> Result<Json<ProjectAnswer>, ApiError> {
    Ok(Json(ProjectAnswer { project: service.rename_project(&grant, &body.name).await?.into() }))
}

async fn delete(
    State(service): State<Platform>,
    Extension(grant): Extension<Grant>,
) -> Result<StatusCode, ApiError> {
    service.delete_project(&grant).await?;
    Ok(StatusCode::NO_CONTENT)
}
