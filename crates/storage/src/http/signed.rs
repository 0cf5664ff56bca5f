//! `/signed-urls`, and `/objects/{project}/{path}` where signed addresses lead: who has one may do the one
//! thing that it names, until it ends or all of the project's are revoked.

use super::extract::{Named, Params, Scope, not_signed};
use super::objects::{Asked, PUT_ERRORS, READ_ERRORS, read, receive};
use super::{Endpoint, Mounted, Service};
use crate::signature::{Permission, SignedMethod};
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode};
use ports::access::Action;
use ports::objects::ObjectName;
use routes::{Need, Route};
use rules::Access;
use serde::{Deserialize, Serialize};
use service_kit::clock::rfc3339;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;
use utoipa::ToSchema;

const PATHS: [&str; 2] = ["/v1/signed-urls", "/v1/projects/{project}/signed-urls"];
const SERVED: &str = "/v1/objects/{project}/{*path}";
/// Seven days.
const SECONDS_MAX: i64 = 604_800;
/// An hour, where a public key asks: nobody asks its rules again while the address lives.
const RULED_SECONDS_MAX: i64 = 3_600;

/// What an address is wanted for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SignedUrlRequest)]
struct Wanted {
    /// The name of the object.
    path: String,
    method: SignedMethod,
    /// Seconds: at most 604800, and 3600 with a public key.
    expires_in: i64,
}

/// An address.
#[derive(Serialize, ToSchema)]
#[schema(as = SignedUrl)]
struct Signed {
    url: String,
    expires_at: String,
}

/// What was revoked.
#[derive(Serialize, ToSchema)]
#[schema(as = SignedUrlsRevoked)]
struct Revoked {
    revoked: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    expires: i64,
    signature: String,
}

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let object_bytes_max = mounted.object_bytes_max;
    let signs = Endpoint {
        method: Route::post,
        paths: PATHS,
        action: Action::ObjectWrite,
        describe: |route: Route| {
            route
                .summary("Sign an address that reads or puts one object without a key")
                .body::<Wanted>()
                .answers::<Signed>(201, "the address")
                .errors(&[ErrorCode::InvalidName, ErrorCode::InvalidRequest, ErrorCode::Forbidden])
        },
    };
    let revokes = Endpoint {
        method: Route::delete,
        paths: PATHS,
        action: Action::ObjectAdmin,
        describe: |route: Route| {
            route.summary("End every signed address of the project").answers::<Revoked>(200, "they ended")
        },
    };
    let mut mounted = mounted.both(signs, sign).both(revokes, revoke);
    let reads = Route::get(SERVED, Need::Nobody)
        .summary("Read an object by its signed address")
        .answers_plain("200", "the object")
        .answers_plain("206", "the part that `Range` asked for")
        .errors(&READ_ERRORS);
    let puts = Route::put(SERVED, Need::Nobody)
        .summary("Put an object by its signed address")
        .from_any_site()
        .body_bytes_max(object_bytes_max)
        .answers_plain("201", "it is there")
        .errors(&PUT_ERRORS);
    mounted.routes = mounted.routes.add(described(reads), get).add(described(puts), put);
    mounted
}

fn described(route: Route) -> Route {
    route.query("expires", "seconds since 1970").query("signature", "what the server signed it with")
}

async fn sign(
    State(service): State<Service>,
    scope: Scope,
    Json(wanted): Json<Wanted>,
) -> Result<(StatusCode, Json<Signed>), ApiError> {
    let name = ObjectName::parse(&wanted.path)?;
    let access = match wanted.method {
        SignedMethod::Get => Access::Read,
        SignedMethod::Put => Access::Write,
    };
    scope.permit(&service, access, &name).await?;
    let max = if scope.is_ruled() { RULED_SECONDS_MAX } else { SECONDS_MAX };
    if !(1..=max).contains(&wanted.expires_in) {
        let message = format!("`expires_in` is 1 to {max} seconds here");
        return Err(ApiError::new(ErrorCode::InvalidRequest, message));
    }
    let expires = service.inner.clock.now_ms().div_euclid(1_000) + wanted.expires_in;
    let permission = Permission { project: &scope.project, method: wanted.method, name: &name, expires };
    let url = service.signed_url(permission).await?;
    Ok((StatusCode::CREATED, Json(Signed { url, expires_at: rfc3339(expires * 1_000) })))
}

async fn revoke(State(service): State<Service>, scope: Scope) -> Result<Json<Revoked>, ApiError> {
    service.revoke_signed_urls(&scope.project).await?;
    Ok(Json(Revoked { revoked: true }))
}

async fn get(
    State(service): State<Service>,
    named: Named,
    Params(signature): Params<Signature>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let asked = allowed(&service, &named, SignedMethod::Get, &signature).await?;
    read(&service, asked, (&method, &headers)).await
}

async fn put(
    State(service): State<Service>,
    named: Named,
    Params(signature): Params<Signature>,
    request: Request,
) -> Result<Response, ApiError> {
    let asked = allowed(&service, &named, SignedMethod::Put, &signature).await?;
    receive(&service, asked, request).await
}

async fn allowed<'a>(
    service: &Service,
    named: &'a Named,
    method: SignedMethod,
    signature: &Signature,
) -> Result<Asked<'a>, ApiError> {
    let Named { project, name } = named;
    let permission = Permission { project, method, name, expires: signature.expires };
    if !service.is_allowed(permission, &signature.signature).await? {
        return Err(not_signed());
    }
    Ok(Asked { project, name, watch: None })
}
