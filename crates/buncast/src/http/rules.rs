//! The rules: which topics the project's public keys and end users may read and write.

use super::extract::project_of;
use super::{Endpoint, Mounted, Service};
use ::routes::Route;
use ::rules::RuleList;
use axum::Extension;
use axum::extract::State;
use ports::access::{Action, Grant};
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let paths = ["/v1/event-rules", "/v1/projects/{project}/event-rules"];
    let action = Action::EventAdmin;
    let describe_get =
        |route: Route| route.summary("See the rules of the topics").answers::<RuleList>(200, "the rules");
    let describe_put = |route: Route| {
        route
            .summary("Set the rules of the topics: `read` is subscribing, `write` is publishing")
            .body::<RuleList>()
            .answers::<RuleList>(200, "the rules")
            .errors(&[ErrorCode::InvalidRule])
    };
    mounted.both(&Endpoint { method: Route::get, paths, action }, describe_get, get).both(
        &Endpoint { method: Route::put, paths, action },
        describe_put,
        put,
    )
}

async fn get(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
) -> Result<Json<RuleList>, ApiError> {
    Ok(Json(service.rules(&project_of(&grant)?).await?))
}

async fn put(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
    Json(list): Json<RuleList>,
) -> Result<Json<RuleList>, ApiError> {
    Ok(Json(service.set_rules(&project_of(&grant)?, list).await?))
}
