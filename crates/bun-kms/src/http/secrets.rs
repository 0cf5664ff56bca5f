//! `/secrets`: named secrets.

use super::extract::{Named, PageQuery, Params};
use super::text::{self, Given};
use super::{Body, Endpoint, Mounted, Shared, paths};
use crate::kms::{Scope, uninterrupted};
use crate::operations::SecretValue;
use crate::store::SecretRow;
use axum::extract::State;
use http::StatusCode;
use ports::access::Action;
use routes::Route;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use service_kit::clock::rfc3339;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;
use utoipa::ToSchema;

const ONE_OF: &str = "send `value`, or `value_b64`";

/// A secret to be written: `value` or `value_b64`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NamedSecretBody {
    /// 1 to 256 of `A-Z a-z 0-9 . _ / -`.
    name: String,
    /// Text.
    #[serde(default, deserialize_with = "text::optional")]
    #[schema(value_type = Option<String>)]
    value: Option<SecretString>,
    /// Bytes in base64.
    #[serde(default, deserialize_with = "text::optional")]
    #[schema(value_type = Option<String>)]
    value_b64: Option<SecretString>,
}

/// The value of a secret: `value` or `value_b64`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SecretBody {
    /// Text.
    #[serde(default, deserialize_with = "text::optional")]
    #[schema(value_type = Option<String>)]
    value: Option<SecretString>,
    /// Bytes in base64.
    #[serde(default, deserialize_with = "text::optional")]
    #[schema(value_type = Option<String>)]
    value_b64: Option<SecretString>,
}

/// A secret and its newest version.
#[derive(Serialize, ToSchema)]
struct SecretWritten {
    /// The name.
    name: String,
    /// The version that was written.
    version: u32,
}

/// A secret, without its value.
#[derive(Serialize, ToSchema)]
struct SecretEntry {
    /// The name.
    name: String,
    /// The newest version.
    version: u32,
    /// The oldest version that is kept.
    oldest_version: u32,
    /// Bytes of the newest value.
    bytes: i64,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339: when the newest version was written.
    updated_at: String,
}

/// Secrets of a project.
#[derive(Serialize, ToSchema)]
struct SecretList {
    /// In the order of names.
    secrets: Vec<SecretEntry>,
    /// For the next page; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// One version of a secret, with its value.
#[derive(Serialize, ToSchema)]
struct SecretRevealed {
    /// The name.
    name: String,
    /// The version.
    version: u32,
    /// The text, where it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text::shown_some")]
    #[schema(value_type = Option<String>)]
    value: Option<SecretString>,
    /// The bytes in base64.
    #[serde(serialize_with = "text::shown")]
    #[schema(value_type = String)]
    value_b64: SecretString,
    /// RFC 3339: when this version was written.
    created_at: String,
}

/// Which version.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VersionQuery {
    version: Option<u32>,
}

impl From<SecretRow> for SecretEntry {
    fn from(row: SecretRow) -> Self {
        Self {
            name: row.name,
            version: row.newest,
            oldest_version: row.oldest,
            bytes: row.bytes,
            created_at: rfc3339(row.created_at),
            updated_at: rfc3339(row.updated_at),
        }
    }
}

impl SecretRevealed {
    fn new(name: String, secret: &SecretValue) -> Self {
        let (value, value_b64) = text::both(secret.value.expose_secret());
        Self { name, version: secret.version, value, value_b64, created_at: rfc3339(secret.created_at) }
    }
}

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let lists = Endpoint {
        method: Route::get,
        paths: paths!("/secrets"),
        action: Action::SecretRead,
        describe: |route| {
            route
                .summary("The secrets of a project, without their values")
                .query("limit", "how many, 1 to 1000; 100 where it is left out")
                .query("cursor", "`next_cursor` of the answer before")
                .answers::<SecretList>(200, "secrets, in the order of names")
                .errors(&[ErrorCode::InvalidRequest])
        },
        body: Body::Small,
    };
    let adds = Endpoint {
        method: Route::post,
        action: Action::SecretWrite,
        describe: |route| {
            route
                .summary("Write a secret: a new version where there is one of this name")
                .body::<NamedSecretBody>()
                .answers::<SecretWritten>(201, "the version that was written")
                .errors(WRITE_ERRORS)
        },
        body: Body::Value,
        ..lists
    };
    with_one(mounted.both(&lists, list).both(&adds, add))
}

const WRITE_ERRORS: &[ErrorCode] =
    &[ErrorCode::InvalidName, ErrorCode::InvalidRequest, ErrorCode::BodyTooLarge, ErrorCode::LimitExceeded];

fn with_one(mounted: Mounted) -> Mounted {
    const MISSING: &[ErrorCode] = &[ErrorCode::SecretNotFound, ErrorCode::InvalidName];
    let reveals = Endpoint {
        method: Route::get,
        paths: paths!("/secrets/{*name}"),
        action: Action::SecretReveal,
        describe: |route| {
            route
                .summary("The value of a secret")
                .query("version", "which version; the newest where it is left out")
                .answers::<SecretRevealed>(200, "the value")
                .errors(MISSING)
        },
        body: Body::Small,
    };
    let writes = Endpoint {
        method: Route::put,
        action: Action::SecretWrite,
        describe: |route| {
            route
                .summary("Write a new version of a secret")
                .body::<SecretBody>()
                .answers::<SecretWritten>(200, "the version that was written")
                .errors(WRITE_ERRORS)
        },
        body: Body::Value,
        ..reveals
    };
    let removes = Endpoint {
        method: Route::delete,
        action: Action::SecretWrite,
        describe: |route| {
            route
                .summary("Remove a secret with all its versions")
                .answers_plain("204", "the secret is gone")
                .errors(MISSING)
        },
        ..reveals
    };
    mounted.both(&reveals, reveal).both(&writes, write).both(&removes, remove)
}

async fn list(
    State(kms): State<Shared>,
    scope: Scope,
    Params(page): Params<PageQuery>,
) -> Result<Json<SecretList>, ApiError> {
    let limit = page.limit()?;
    let rows = kms.list_secrets(&scope, page.cursor.as_deref().unwrap_or_default(), limit).await?;
    let full = rows.len() == limit as usize;
    let next_cursor = rows.last().filter(|_| full).map(|row| row.name.clone());
    Ok(Json(SecretList { secrets: rows.into_iter().map(SecretEntry::from).collect(), next_cursor }))
}

async fn add(
    State(kms): State<Shared>,
    scope: Scope,
    Json(body): Json<NamedSecretBody>,
) -> Result<(StatusCode, Json<SecretWritten>), ApiError> {
    let given = Given { text: body.value, base64: body.value_b64, field: "value_b64", one_of: ONE_OF };
    let at = Named { scope, name: body.name };
    Ok((StatusCode::CREATED, Json(written(kms, at, &given).await?)))
}

async fn write(
    State(kms): State<Shared>,
    at: Named,
    Json(body): Json<SecretBody>,
) -> Result<Json<SecretWritten>, ApiError> {
    let given = Given { text: body.value, base64: body.value_b64, field: "value_b64", one_of: ONE_OF };
    Ok(Json(written(kms, at, &given).await?))
}

async fn written(kms: Shared, at: Named, given: &Given) -> Result<SecretWritten, ApiError> {
    let (name, value) = (at.name.clone(), given.bytes()?);
    let version = uninterrupted(async move { kms.write_secret(&at.scope, &at.name, &value).await }).await?;
    Ok(SecretWritten { name, version })
}

async fn reveal(
    State(kms): State<Shared>,
    at: Named,
    Params(query): Params<VersionQuery>,
) -> Result<Json<SecretRevealed>, ApiError> {
    let secret = kms.read_secret(&at.scope, &at.name, query.version).await?;
    Ok(Json(SecretRevealed::new(at.name, &secret)))
}

async fn remove(State(kms): State<Shared>, at: Named) -> Result<StatusCode, ApiError> {
    uninterrupted(async move { kms.delete_secret(&at.scope, &at.name).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
