//! `/v1/instance`.

use crate::service::AuthService;
use axum::extract::State;
use serde::Serialize;
use service_kit::json::Json;
use std::sync::Arc;
use utoipa::ToSchema;

/// What anybody may know of this server.
#[derive(Serialize, ToSchema)]
#[schema(as = InstanceStatus)]
pub(crate) struct StatusAnswer {
    /// `self_hosted`.
    deployment_mode: &'static str,
    /// Whether the first account was made.
    setup_complete: bool,
    /// `open`, `invite` or `closed`.
    registration: &'static str,
    /// The program's version.
    version: &'static str,
}

pub(crate) async fn status(State(service): State<Arc<AuthService>>) -> Json<StatusAnswer> {
    Json(StatusAnswer {
        deployment_mode: "self_hosted",
        setup_complete: service.is_set_up(),
        registration: service.config.registration.as_str(),
        version: env!("CARGO_PKG_VERSION"),
    })
}
