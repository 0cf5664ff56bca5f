//! `/kv/{key}`: read, set and remove one value. Values are bytes; what they mean is the application's.

use super::extract::{AtKey, Params};
use super::{Endpoint, Mounted, Service, conditions};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use ports::access::Action;
use ports::key_value::{KeyValue, KvEntry, KvError, KvSet};
use routes::Route;
use rules::Access;
use serde::{Deserialize, Serialize};
use service_kit::clock::rfc3339;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::{Json, read_body};
use std::time::Duration;
use utoipa::ToSchema;

const PATHS: [&str; 2] = ["/v1/kv/kv/{*key}", "/v1/projects/{project}/kv/kv/{*key}"];
/// Seconds until the value goes.
const TTL: HeaderName = HeaderName::from_static("x-ttl");
const MS_PER_SECOND: i64 = 1_000;

/// A value that was set.
#[derive(Serialize, ToSchema)]
#[schema(as = KvWritten)]
struct Written {
    key: String,
    /// Also in `ETag`; what `If-Match` compares with.
    version: u64,
    expires_at: Option<String>,
}

/// A key that was removed.
#[derive(Serialize, ToSchema)]
#[schema(as = KvDeleted)]
struct Deleted {
    deleted: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetParams {
    ttl: Option<u64>,
}

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let value_bytes_max = mounted.value_bytes_max;
    let reads = Endpoint {
        method: Route::get,
        paths: PATHS,
        action: Action::KvRead,
        describe: |route: Route| {
            route
                .summary("Read a value; `ETag` is its version, `X-Ttl` the seconds it has left")
                .answers_plain("200", "the value")
                .answers_plain("304", "it still has the version of `If-None-Match`")
                .errors(&[ErrorCode::InvalidName, ErrorCode::Forbidden, ErrorCode::KvKeyNotFound])
        },
    };
    let sets = Endpoint {
        method: Route::put,
        paths: PATHS,
        action: Action::KvWrite,
        describe: move |route: Route| {
            route
                .summary("Set a value; `If-Match` and `If-None-Match: *` make it conditional")
                .query("ttl", "seconds after which the key is gone; without, it stays")
                .body_bytes_max(value_bytes_max)
                .answers::<Written>(200, "replaced")
                .answers::<Written>(201, "created")
                .errors(&[
                    ErrorCode::InvalidName,
                    ErrorCode::Forbidden,
                    ErrorCode::PreconditionFailed,
                    ErrorCode::BodyTooLarge,
                    ErrorCode::LimitExceeded,
                    ErrorCode::Overloaded,
                    ErrorCode::DiskFull,
                ])
        },
    };
    let removes = Endpoint {
        method: Route::delete,
        paths: PATHS,
        action: Action::KvWrite,
        describe: |route: Route| {
            route.summary("Remove a key").answers::<Deleted>(200, "removed").errors(&[
                ErrorCode::InvalidName,
                ErrorCode::Forbidden,
                ErrorCode::KvKeyNotFound,
                ErrorCode::PreconditionFailed,
                ErrorCode::Overloaded,
            ])
        },
    };
    mounted.both(reads, get).both(sets, set).both(removes, delete)
}

async fn get(State(service): State<Service>, at: AtKey, headers: HeaderMap) -> Result<Response, ApiError> {
    at.permit(&service, Access::Read).await?;
    let found = service.get(&at.scope.project, &at.key).await?;
    let KvEntry { value, version, expires_at } = found.ok_or(KvError::NotFound)?;
    let mut response = if conditions::is_known(&headers, version) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Response::new(Body::from(value))
    };
    let set = response.headers_mut();
    set.insert(header::ETAG, conditions::etag(version));
    set.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    set.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    set.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(expires_at) = expires_at {
        let left_ms = expires_at.saturating_sub(service.now_ms()).max(0);
        set.insert(TTL, HeaderValue::from(left_ms.saturating_add(MS_PER_SECOND - 1) / MS_PER_SECOND));
    }
    Ok(response)
}

async fn set(
    State(service): State<Service>,
    at: AtKey,
    Params(params): Params<SetParams>,
    request: Request,
) -> Result<Response, ApiError> {
    at.permit(&service, Access::Write).await?;
    let condition = conditions::of_write(request.headers())?;
    let value = read_body(request.into_body(), service.config.value_bytes_max.get()).await?;
    let set = KvSet { value, ttl: params.ttl.map(Duration::from_secs), condition };
    let written = service.set(&at.scope.project, &at.key, set).await?;
    let status = if written.created { StatusCode::CREATED } else { StatusCode::OK };
    let body = Written {
        key: at.key.as_str().to_owned(),
        version: written.version,
        expires_at: written.expires_at.map(rfc3339),
    };
    Ok((status, [(header::ETAG, conditions::etag(written.version))], Json(body)).into_response())
}

async fn delete(
    State(service): State<Service>,
    at: AtKey,
    headers: HeaderMap,
) -> Result<Json<Deleted>, ApiError> {
    at.permit(&service, Access::Write).await?;
    let condition = conditions::of_write(&headers)?;
    service.delete(&at.scope.project, &at.key, condition).await?;
    Ok(Json(Deleted { deleted: true }))
}
