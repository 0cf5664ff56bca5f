//! `/incr/{key}`: add to a number.

use super::extract::AtKey;
use super::{Endpoint, Mounted, Service};
use axum::extract::State;
use ports::access::Action;
use ports::key_value::{KeyValue, KvIncrement};
use routes::Route;
use rules::Access;
use serde::{Deserialize, Serialize};
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;
use std::time::Duration;
use utoipa::ToSchema;

/// How much to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KvIncrement)]
struct Increment {
    /// May be negative.
    #[serde(default = "one")]
    #[schema(default = 1)]
    by: i64,
    /// Seconds after which a key that this call makes is gone; one that is there keeps its expiry.
    ttl: Option<u64>,
}

fn one() -> i64 {
    1
}

impl Default for Increment {
    fn default() -> Self {
        Self { by: one(), ttl: None }
    }
}

/// The sum.
#[derive(Serialize, ToSchema)]
#[schema(as = KvSum)]
struct Sum {
    value: i64,
}

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let increments = Endpoint {
        method: Route::post,
        paths: ["/v1/kv/incr/{*key}", "/v1/projects/{project}/kv/incr/{*key}"],
        action: Action::KvWrite,
        describe: |route: Route| {
            route
                .summary("Add to a number, which begins with 0, and answer the sum")
                .body::<Increment>()
                .answers::<Sum>(200, "the sum")
                .errors(&[
                    ErrorCode::InvalidName,
                    ErrorCode::Forbidden,
                    ErrorCode::WrongType,
                    ErrorCode::LimitExceeded,
                    ErrorCode::Overloaded,
                    ErrorCode::DiskFull,
                ])
        },
    };
    mounted.both(increments, increment)
}

async fn increment(
    State(service): State<Service>,
    at: AtKey,
    body: Option<Json<Increment>>,
) -> Result<Json<Sum>, ApiError> {
    let body = body.map_or_else(Increment::default, |Json(body)| body);
    at.permit(&service, Access::Write).await?;
    let increment = KvIncrement { by: body.by, ttl: body.ttl.map(Duration::from_secs) };
    let value = service.increment(&at.scope.project, &at.key, increment).await?;
    Ok(Json(Sum { value }))
}
