//! Publish an event.

use super::extract::{TopicInPath, realm_of};
use super::types::Published;
use super::{Endpoint, Mounted, Service};
use crate::rights;
use ::routes::Route;
use ::rules::Access;
use axum::Extension;
use axum::extract::{Request, State};
use http::StatusCode;
use ports::access::{Action, Grant};
use ports::events::EventBus as _;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::{Json, read_body};

pub(super) fn mount(mounted: Mounted, payload_bytes_max: usize) -> Mounted {
    let paths = ["/v1/events/{topic}", "/v1/projects/{project}/events/{topic}"];
    let describe = |route: Route| {
        route
            .summary("Publish an event: the body, any bytes")
            .body_bytes_max(payload_bytes_max)
            .answers::<Published>(201, "it is on disk, under this offset")
            .answers::<Published>(202, "it went out to those who subscribe now")
            .errors(&[
                ErrorCode::InvalidName,
                ErrorCode::Forbidden,
                ErrorCode::BodyTooLarge,
                ErrorCode::Overloaded,
            ])
    };
    mounted.both(&Endpoint { method: Route::post, paths, action: Action::EventPublish }, describe, publish)
}

async fn publish(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
    TopicInPath(topic): TopicInPath,
    request: Request,
) -> Result<(StatusCode, Json<Published>), ApiError> {
    let realm = realm_of(&grant)?;
    rights::check(service.rights(&grant).await?.as_ref(), Access::Write, &topic)?;
    let payload = read_body(request.into_body(), service.config.payload_bytes_max).await?;
    let offset = service.broker.publish(&realm, &topic, payload).await?;
    let status = if offset.is_some() { StatusCode::CREATED } else { StatusCode::ACCEPTED };
    Ok((status, Json(Published { offset })))
}
