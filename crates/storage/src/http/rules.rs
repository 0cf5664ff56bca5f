//! `/storage-rules`: what public keys may do.

use super::extract::Scope;
use super::{Endpoint, Mounted, Service};
use axum::extract::State;
use ports::access::Action;
use routes::Route;
use rules::RuleList;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;

const PATHS: [&str; 2] = ["/v1/storage-rules", "/v1/projects/{project}/storage-rules"];

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let reads = Endpoint {
        method: Route::get,
        paths: PATHS,
        action: Action::ObjectAdmin,
        describe: |route: Route| {
            route.summary("The rules of the storage").answers::<RuleList>(200, "the rules")
        },
    };
    let replaces = Endpoint {
        method: Route::put,
        paths: PATHS,
        action: Action::ObjectAdmin,
        describe: |route: Route| {
            route
                .summary("Replace the rules of the storage")
                .body::<RuleList>()
                .answers::<RuleList>(200, "the rules as they hold from now on")
                .errors(&[ErrorCode::InvalidRule, ErrorCode::DiskFull])
        },
    };
    mounted.both(reads, get).both(replaces, replace)
}

async fn get(State(service): State<Service>, scope: Scope) -> Result<Json<RuleList>, ApiError> {
    Ok(Json(service.stored_rules(&scope.project).await?))
}

async fn replace(
    State(service): State<Service>,
    scope: Scope,
    Json(list): Json<RuleList>,
) -> Result<Json<RuleList>, ApiError> {
    service.save_rules(&scope.project, list.clone()).await?;
    Ok(Json(list))
}
