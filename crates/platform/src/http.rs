//! The HTTP routes of projects and keys.

mod keys;
mod projects;

use crate::service::PlatformService;
use ports::access::{Access, Action};
use routes::{Need, Route, Routes, ServiceRoutes};
use service_kit::error::ErrorCode;
use std::sync::Arc;

const PROJECTS: &str = "/v1/projects";
const PROJECT: &str = "/v1/projects/{project}";
const KEYS: &str = "/v1/projects/{project}/keys";
const KEY: &str = "/v1/projects/{project}/keys/{key}";

pub(crate) fn routes(service: Arc<PlatformService>, access: Arc<dyn Access>) -> ServiceRoutes {
    let routes = Routes::new("platform", service, access);
    with_keys(with_projects(routes)).finish()
}

fn with_projects(routes: Routes<Arc<PlatformService>>) -> Routes<Arc<PlatformService>> {
    use ErrorCode::{Forbidden, InvalidName, InvalidRequest, LimitExceeded, ProjectNotFound};
    let list = Route::get(PROJECTS, Need::Developer(Action::ProjectList))
        .summary("The projects that you are a member of")
        .query("limit", "how many, 1 to 1000; 100 where it is left out")
        .query("cursor", "`next_cursor` of the answer before")
        .answers::<projects::ListAnswer>(200, "projects, in the order they were made")
        .errors(&[InvalidRequest]);
    let create = Route::post(PROJECTS, Need::Developer(Action::ProjectCreate))
        .summary("Make a project with a public and a secret key")
        .body::<projects::ProjectBody>()
        .answers::<projects::CreatedAnswer>(201, "the project; the secret key is shown this once")
        .errors(&[InvalidName, LimitExceeded]);
    let read = Route::get(PROJECT, Need::Project(Action::ProjectRead))
        .summary("One project")
        .answers::<projects::ProjectAnswer>(200, "the project")
        .errors(&[ProjectNotFound, Forbidden]);
    let rename = Route::patch(PROJECT, Need::Project(Action::ProjectUpdate))
        .summary("Give a project another name; its slug stays")
        .body::<projects::ProjectBody>()
        .answers::<projects::ProjectAnswer>(200, "the project")
        .errors(&[InvalidName, ProjectNotFound, Forbidden]);
    let delete = Route::delete(PROJECT, Need::Project(Action::ProjectDelete))
        .summary("Delete a project with everything in it")
        .answers_plain("204", "the project is gone; its data is removed in the background")
        .errors(&[ProjectNotFound, Forbidden]);
    routes
        .add(list, projects::list)
        .add(create, projects::create)
        .add(read, projects::read)
        .add(rename, projects::rename)
        .add(delete, projects::delete)
}

fn with_keys(routes: Routes<Arc<PlatformService>>) -> Routes<Arc<PlatformService>> {
    use ErrorCode::{Forbidden, InvalidName, KeyNotFound, LimitExceeded, ProjectNotFound};
    let list = Route::get(KEYS, Need::Project(Action::KeyRead))
        .summary("The keys of a project")
        .answers::<keys::ListAnswer>(200, "keys, in the order they were made")
        .errors(&[ProjectNotFound, Forbidden]);
    let create = Route::post(KEYS, Need::Project(Action::KeyWrite))
        .summary("Make a key")
        .body::<keys::KeyBody>()
        .answers::<keys::CreatedAnswer>(201, "the key; a secret one is shown this once")
        .errors(&[InvalidName, LimitExceeded, ProjectNotFound, Forbidden]);
    let revoke = Route::delete(KEY, Need::Project(Action::KeyWrite))
        .summary("Revoke a key, at once")
        .answers_plain("204", "the key opens nothing any more")
        .errors(&[KeyNotFound, Forbidden]);
    routes.add(list, keys::list).add(create, keys::create).add(revoke, keys::revoke)
}
