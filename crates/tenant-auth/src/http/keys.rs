//! The keys that sign the access tokens of a project: shown, rotated, published (RFC 7517, RFC 8037).

use super::visitor::InProject;
use super::{Mounted, Service};
use crate::error::TenantAuthError;
use crate::keyring::ProjectKeys;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use http::{HeaderValue, StatusCode, header};
use ports::access::Action;
use routes::{Need, Route};
use serde::Serialize;
use service_kit::clock::rfc3339;
use service_kit::error::ErrorCode;
use service_kit::json::Json;
use utoipa::ToSchema;

/// How long others may keep the public keys. A key is published from the moment that it signs, so whoever
/// meets an unknown `kid` has to look again.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=60");

/// A key, without its private half.
#[derive(Serialize, ToSchema)]
#[schema(as = EndUserSigningKey)]
struct KeyShown {
    /// The `kid` of the tokens that it signs.
    kid: String,
    /// RFC 3339.
    created_at: String,
    /// Whether it signs; the others only verify.
    signs: bool,
    /// Until when it verifies, RFC 3339.
    verifies_until: Option<String>,
}

/// The keys, the newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = EndUserSigningKeys)]
struct KeysAnswer {
    /// The keys.
    keys: Vec<KeyShown>,
}

/// A public key as a JSON Web Key.
#[derive(Serialize, ToSchema)]
struct Jwk {
    /// `OKP`.
    kty: &'static str,
    /// `Ed25519`.
    crv: &'static str,
    /// `EdDSA`.
    alg: &'static str,
    /// `sig`.
    #[serde(rename = "use")]
    usage: &'static str,
    /// Its id.
    kid: String,
    /// The public key in base64url.
    x: String,
}

/// A JSON Web Key Set.
#[derive(Serialize, ToSchema)]
#[schema(as = EndUserJwks)]
struct Jwks {
    /// The keys.
    keys: Vec<Jwk>,
}

pub(super) fn mount(routes: Mounted) -> Mounted {
    let list = Route::get("/v1/projects/{project}/auth/keys", Need::Project(Action::EndUserRead))
        .summary("The keys that sign and verify end users' tokens")
        .answers::<KeysAnswer>(200, "the keys");
    let rotate = Route::post("/v1/projects/{project}/auth/keys/rotate", Need::Project(Action::EndUserAdmin))
        .summary("Make a new key that signs end users' tokens")
        .answers::<KeysAnswer>(201, "the keys")
        .errors(&[ErrorCode::LimitExceeded, ErrorCode::Conflict]);
    let jwks = Route::get("/v1/projects/{project}/auth/jwks.json", Need::Nobody)
        .summary("The public keys that verify end users' tokens")
        .answers::<Jwks>(200, "the keys");
    routes.add(list, list_keys).add(rotate, rotate_keys).add(jwks, publish)
}

async fn list_keys(
    State(service): State<Service>,
    InProject(project): InProject,
) -> Result<Json<KeysAnswer>, TenantAuthError> {
    let keys = service.keyring.needed(&project).await?;
    Ok(Json(shown(&service, &keys)))
}

async fn rotate_keys(
    State(service): State<Service>,
    InProject(project): InProject,
) -> Result<Response, TenantAuthError> {
    let keys = service.keyring.rotate(&project).await?;
    Ok((StatusCode::CREATED, Json(shown(&service, &keys))).into_response())
}

fn shown(service: &Service, keys: &ProjectKeys) -> KeysAnswer {
    let keys = keys.public(service.clock.now_ms()).map(|key| KeyShown {
        kid: key.id.clone(),
        created_at: rfc3339(key.created_at),
        signs: key.until.is_none(),
        verifies_until: key.until.map(rfc3339),
    });
    KeysAnswer { keys: keys.collect() }
}

/// Makes no keys: whoever asks may name any project.
async fn publish(
    State(service): State<Service>,
    InProject(project): InProject,
) -> Result<Response, TenantAuthError> {
    let known = service.keyring.known(&project).await?;
    let now = service.clock.now_ms();
    let keys = known.iter().flat_map(|keys| keys.public(now)).map(|key| Jwk {
        kty: "OKP",
        crv: "Ed25519",
        alg: "EdDSA",
        usage: "sig",
        kid: key.id.clone(),
        x: BASE64.encode(&key.bytes),
    });
    let answer = Json(Jwks { keys: keys.collect() });
    Ok(([(header::CACHE_CONTROL, CACHE)], answer).into_response())
}
