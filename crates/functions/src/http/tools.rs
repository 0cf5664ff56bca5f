//! The tools of a project for clients of the Model Context Protocol.

use crate::service::FunctionsService;
use crate::tools::{REQUEST_BYTES_MAX, Scope, serve};
use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use ports::access::{AccessError, Action, Caller, Grant, KeyKind};
use routes::{Need, Route, Routes};
use service_kit::error::{ApiError, ErrorCode};
use std::sync::Arc;

pub(super) fn declare(routes: Routes<Arc<FunctionsService>>) -> Routes<Arc<FunctionsService>> {
    let both = [
        ("/v1/mcp", Need::Key(Action::FunctionInvoke)),
        ("/v1/projects/{project}/mcp", Need::Project(Action::FunctionInvoke)),
    ];
    both.into_iter().fold(routes, |routes, (path, need)| {
        let route = Route::post(path, need)
            .summary("The tools of the project, over the Model Context Protocol (streamable HTTP, without sessions); a public key has those of functions with the access `public`")
            .body_bytes_max(REQUEST_BYTES_MAX)
            .answers_plain("200", "an answer of JSON-RPC")
            .answers_plain("202", "a notification was taken")
            .errors(&[ErrorCode::BodyTooLarge]);
        routes.add(route, ask)
    })
}

async fn ask(
    State(service): State<Arc<FunctionsService>>,
    Extension(grant): Extension<Grant>,
    request: Request,
) -> Result<Response, ApiError> {
    let scope = Scope {
        project: grant.project.ok_or(AccessError::ProjectNotFound)?,
        function: None,
        is_public: matches!(grant.caller, Caller::Key { kind: KeyKind::Public, .. }),
        speaks_for_developer: matches!(grant.caller, Caller::Developer { .. }),
    };
    Ok(serve(service.executor.clone(), scope, request).await)
}
