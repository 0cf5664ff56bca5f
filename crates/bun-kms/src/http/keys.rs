//! `/keys`: named keys.

use super::extract::{Named, PageQuery, Params};
use super::{Body, Endpoint, Mounted, Shared, paths, text};
use crate::keyring::KeyKind;
use crate::kms::{Scope, uninterrupted};
use crate::operations::KeyInfo;
use crate::store::KeyRow;
use axum::extract::State;
use http::StatusCode;
use ports::access::Action;
use routes::Route;
use serde::{Deserialize, Serialize};
use service_kit::clock::rfc3339;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;
use utoipa::ToSchema;

/// The type of a key, as it is written in bodies.
#[derive(Clone, Copy, Deserialize, ToSchema)]
enum KeyType {
    #[serde(rename = "aes-256-gcm")]
    Aes256Gcm,
    #[serde(rename = "xchacha20-poly1305")]
    XChaCha20Poly1305,
    #[serde(rename = "ed25519")]
    Ed25519,
    #[serde(rename = "ecdsa-p256")]
    EcdsaP256,
    #[serde(rename = "hmac-sha256")]
    HmacSha256,
}

impl From<KeyType> for KeyKind {
    fn from(kind: KeyType) -> Self {
        match kind {
            KeyType::Aes256Gcm => Self::Aes256Gcm,
            KeyType::XChaCha20Poly1305 => Self::XChaCha20Poly1305,
            KeyType::Ed25519 => Self::Ed25519,
            KeyType::EcdsaP256 => Self::EcdsaP256,
            KeyType::HmacSha256 => Self::HmacSha256,
        }
    }
}

/// A key to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewKmsKey {
    /// 1 to 256 of `A-Z a-z 0-9 . _ -`.
    name: String,
    /// `aes-256-gcm` and `xchacha20-poly1305` encrypt; `ed25519`, `ecdsa-p256` and `hmac-sha256` sign.
    #[serde(rename = "type")]
    #[schema(inline)]
    kind: KeyType,
}

/// A key and its active version.
#[derive(Serialize, ToSchema)]
struct KmsKeyVersionMade {
    /// The name.
    name: String,
    /// The version that encrypts and signs from now on.
    version: u32,
}

/// A key.
#[derive(Serialize, ToSchema)]
struct KmsKey {
    /// The name.
    name: String,
    /// What it is for.
    #[serde(rename = "type")]
    kind: String,
    /// The version that encrypts and signs.
    version: u32,
    /// `active` or `revoked`.
    state: &'static str,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339; left out where it is not revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<String>,
}

/// A key with its versions.
#[derive(Serialize, ToSchema)]
struct KmsKeyDetail {
    #[serde(flatten)]
    key: KmsKey,
    /// The oldest first.
    versions: Vec<KmsKeyVersion>,
}

/// One version of a key.
#[derive(Serialize, ToSchema)]
struct KmsKeyVersion {
    /// Counted from 1.
    version: u32,
    /// RFC 3339.
    created_at: String,
    /// The public key in PEM (`SubjectPublicKeyInfo`), of `ed25519` and `ecdsa-p256`.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
}

/// Keys of a project.
#[derive(Serialize, ToSchema)]
struct KmsKeyList {
    /// In the order of names.
    keys: Vec<KmsKey>,
    /// For the next page; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl From<KeyRow> for KmsKey {
    fn from(row: KeyRow) -> Self {
        Self {
            name: row.name,
            kind: row.kind,
            version: row.active,
            state: if row.revoked_at.is_some() { "revoked" } else { "active" },
            created_at: rfc3339(row.created_at),
            revoked_at: row.revoked_at.map(rfc3339),
        }
    }
}

impl From<KeyInfo> for KmsKeyDetail {
    fn from(info: KeyInfo) -> Self {
        let versions = info.versions.into_iter().map(|row| KmsKeyVersion {
            version: row.version,
            created_at: rfc3339(row.created_at),
            public_key: row.public_key.map(|der| text::pem(&der)),
        });
        Self { key: info.row.into(), versions: versions.collect() }
    }
}

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let lists = Endpoint {
        method: Route::get,
        paths: paths!("/keys"),
        action: Action::SecretRead,
        describe: |route| {
            route
                .summary("The keys of a project")
                .query("limit", "how many, 1 to 1000; 100 where it is left out")
                .query("cursor", "`next_cursor` of the answer before")
                .answers::<KmsKeyList>(200, "keys, in the order of names")
                .errors(&[ErrorCode::InvalidRequest])
        },
        body: Body::Small,
    };
    let makes = Endpoint {
        method: Route::post,
        action: Action::SecretWrite,
        describe: |route| {
            route
                .summary("Make a key")
                .body::<NewKmsKey>()
                .answers::<KmsKeyVersionMade>(201, "the key has its first version")
                .errors(&[ErrorCode::InvalidName, ErrorCode::Conflict, ErrorCode::LimitExceeded])
        },
        ..lists
    };
    with_one(mounted.both(&lists, list).both(&makes, create))
}

fn with_one(mounted: Mounted) -> Mounted {
    const MISSING: &[ErrorCode] = &[ErrorCode::SecretNotFound, ErrorCode::InvalidName];
    let reads = Endpoint {
        method: Route::get,
        paths: paths!("/keys/{name}"),
        action: Action::SecretRead,
        describe: |route| {
            route
                .summary("A key, its versions and public keys")
                .answers::<KmsKeyDetail>(200, "the key")
                .errors(MISSING)
        },
        body: Body::Small,
    };
    let removes = Endpoint {
        method: Route::delete,
        action: Action::SecretWrite,
        describe: |route| {
            route
                .summary("Remove a key; what it encrypted cannot be decrypted any more")
                .answers_plain("204", "the key is gone")
                .errors(MISSING)
        },
        ..reads
    };
    let rotates = Endpoint {
        method: Route::post,
        paths: paths!("/keys/{name}/rotate"),
        action: Action::SecretWrite,
        describe: |route| {
            route
                .summary("Give a key a new version; older ones still decrypt and verify")
                .answers::<KmsKeyVersionMade>(200, "the version that is active now")
                .errors(&[ErrorCode::SecretNotFound, ErrorCode::Conflict, ErrorCode::LimitExceeded])
        },
        body: Body::Small,
    };
    let revokes = Endpoint {
        paths: paths!("/keys/{name}/revoke"),
        describe: |route| {
            route
                .summary("End every use of a key, for good; its name and public keys stay visible")
                .answers_plain("204", "the key does nothing any more")
                .errors(MISSING)
        },
        ..rotates
    };
    mounted.both(&reads, read).both(&removes, remove).both(&rotates, rotate).both(&revokes, revoke)
}

async fn list(
    State(kms): State<Shared>,
    scope: Scope,
    Params(page): Params<PageQuery>,
) -> Result<Json<KmsKeyList>, ApiError> {
    let limit = page.limit()?;
    let rows = kms.list_keys(&scope, page.cursor.as_deref().unwrap_or_default(), limit).await?;
    let full = rows.len() == limit as usize;
    let next_cursor = rows.last().filter(|_| full).map(|row| row.name.clone());
    Ok(Json(KmsKeyList { keys: rows.into_iter().map(KmsKey::from).collect(), next_cursor }))
}

async fn create(
    State(kms): State<Shared>,
    scope: Scope,
    Json(body): Json<NewKmsKey>,
) -> Result<(StatusCode, Json<KmsKeyVersionMade>), ApiError> {
    let name = body.name.clone();
    uninterrupted(async move { kms.create_key(&scope, &body.name, body.kind.into()).await }).await?;
    Ok((StatusCode::CREATED, Json(KmsKeyVersionMade { name, version: 1 })))
}

async fn read(State(kms): State<Shared>, at: Named) -> Result<Json<KmsKeyDetail>, ApiError> {
    Ok(Json(kms.read_key(&at.scope, &at.name).await?.into()))
}

async fn rotate(State(kms): State<Shared>, at: Named) -> Result<Json<KmsKeyVersionMade>, ApiError> {
    let name = at.name.clone();
    let version = uninterrupted(async move { kms.rotate_key(&at.scope, &at.name).await }).await?;
    Ok(Json(KmsKeyVersionMade { name, version }))
}

async fn revoke(State(kms): State<Shared>, at: Named) -> Result<StatusCode, ApiError> {
    uninterrupted(async move { kms.revoke_key(&at.scope, &at.name).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove(State(kms): State<Shared>, at: Named) -> Result<StatusCode, ApiError> {
    uninterrupted(async move { kms.delete_key(&at.scope, &at.name).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
