//! The routes of the service: those for developers, and the rows of those that the front serves.

mod domains;
mod environment;
mod functions;
mod logs;
mod parameters;
mod rollout;
mod runs;
mod tools;
mod types;
mod upload;
mod versions;

use crate::service::FunctionsService;
pub(crate) use functions::wanted;
use ports::access::{Access, AccessError, Action, Grant};
use routes::{Need, Route, Routes, ServiceRoutes};
use service_kit::error::ErrorCode;
use service_kit::ids::ProjectId;
use std::sync::Arc;
pub(crate) use types::{CreateFunction, FunctionView, LogView};
use types::{FunctionDetail, FunctionList};
pub(crate) use upload::{Code, Sent};

use crate::settings::SettingsPatch;

type Service = Arc<FunctionsService>;

const CALL_ERRORS: &[ErrorCode] = &[
    ErrorCode::FunctionNotFound,
    ErrorCode::FunctionNotDeployed,
    ErrorCode::VersionNotFound,
    ErrorCode::Conflict,
    ErrorCode::BodyTooLarge,
    ErrorCode::Forbidden,
    ErrorCode::HandlerError,
    ErrorCode::NoResponse,
    ErrorCode::WorkerCrashed,
    ErrorCode::MemoryLimit,
    ErrorCode::Overloaded,
    ErrorCode::Unavailable,
    ErrorCode::EnvironmentUnavailable,
    ErrorCode::Timeout,
];

/// What an upload can be refused with.
const DEPLOY_ERRORS: &[ErrorCode] = &[
    ErrorCode::InvalidRequest,
    ErrorCode::InvalidName,
    ErrorCode::InvalidBundle,
    ErrorCode::InvalidManifest,
    ErrorCode::InvalidArchive,
    ErrorCode::MigrationFailed,
    ErrorCode::VersionExists,
    ErrorCode::BodyTooLarge,
    ErrorCode::LimitExceeded,
    ErrorCode::Overloaded,
    ErrorCode::EnvironmentUnavailable,
];

pub(crate) fn routes(service: &Service, access: Arc<dyn Access>) -> ServiceRoutes {
    let routes = Routes::new("functions", service.clone(), access);
    let routes = declare_functions(routes, service.config.deployment_bytes_max);
    let routes = versions::declare(routes, service.config.deployment_bytes_max);
    let routes = rollout::declare(routes);
    let routes = environment::declare(routes);
    let routes = domains::declare(routes);
    let routes = crate::triggers::declare(routes);
    let routes = logs::declare(routes);
    let routes = runs::declare(routes);
    let routes = tools::declare(routes);
    declare_calls(routes).finish()
}

fn declare_functions(routes: Routes<Service>, bytes_max: usize) -> Routes<Service> {
    let need = Need::Project;
    routes
        .add(
            Route::post("/v1/projects/{project}/functions", need(Action::FunctionDeploy))
                .summary("Deploy a version of a function; it takes calls when this answers. Without code: register it")
                .body_bytes_max(bytes_max)
                .body::<CreateFunction>()
                .answers::<FunctionView>(201, "a new version takes calls, or the function is registered")
                .answers::<FunctionView>(200, "it was there: the version with the same code takes calls")
                .errors(DEPLOY_ERRORS),
            functions::deploy,
        )
        .add(
            Route::get("/v1/projects/{project}/functions", need(Action::FunctionRead))
                .summary("The functions of a project")
                .answers::<FunctionList>(200, "by name"),
            functions::list,
        )
        .add(
            Route::get("/v1/projects/{project}/functions/{name}", need(Action::FunctionRead))
                .summary("One function, with what holds for it and what became of it")
                .answers::<FunctionDetail>(200, "the function")
                .errors(&[ErrorCode::FunctionNotFound]),
            functions::get,
        )
        .add(
            Route::patch("/v1/projects/{project}/functions/{name}", need(Action::FunctionDeploy))
                .summary("Change settings; later calls have them")
                .body::<SettingsPatch>()
                .answers::<FunctionView>(200, "the function")
                .errors(&[ErrorCode::InvalidRequest, ErrorCode::FunctionNotFound]),
            functions::configure,
        )
        .add(
            Route::delete("/v1/projects/{project}/functions/{name}", need(Action::FunctionDelete))
                .summary("Remove a function with its versions, its variables and its log")
                .answers_plain("204", "removed")
                .errors(&[ErrorCode::FunctionNotFound]),
            functions::delete,
        )
}

/// The calls that `InvocationFront` serves.
fn declare_calls(routes: Routes<Service>) -> Routes<Service> {
    const PATHS: [&str; 6] = [
        "/v1/functions/{name}",
        "/v1/functions/{name}/{*path}",
        "/v1/projects/{project}/functions/{name}/invoke",
        "/v1/projects/{project}/functions/{name}/invoke/{*path}",
        "/v1/apps/{project}",
        "/v1/apps/{project}/{*path}",
    ];
    PATHS.into_iter().fold(routes, |routes, path| {
        let summary = if path.contains("apps") {
            "Call the application of a project; the answer is that of its action"
        } else {
            "Call a function, or with `name@alias` one of its versions; the answer is the handler's"
        };
        let route = Route::any(path, Need::Invocation)
            .summary(summary)
            .answers_plain("default", "whatever the handler answers")
            .errors(CALL_ERRORS);
        routes.declare(route)
    })
}

/// The project that the caller was let into.
pub(crate) fn project_of(grant: Grant) -> Result<ProjectId, AccessError> {
    grant.project.ok_or(AccessError::ProjectNotFound)
}
