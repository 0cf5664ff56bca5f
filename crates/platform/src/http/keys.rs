//! `/v1/projects/{project}/keys`.

use super::Platform;
use super::projects::shown;
use crate::keys::prefix;
use crate::store::KeyRow;
use axum::Extension;
use axum::extract::{Path, State};
use http::StatusCode;
use ports::access::{Action, Grant, KeyKind};
use routes::{Need, Recording, Route, Routes};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use service_kit::clock::{now_ms, rfc3339};
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;
use utoipa::ToSchema;

const KEYS: &str = "/v1/projects/{project}/keys";
const KEY: &str = "/v1/projects/{project}/keys/{key}";
const ROTATE: &str = "/v1/projects/{project}/keys/{key}/rotate";

pub(super) fn mount(routes: Routes<Platform>) -> Routes<Platform> {
    use ErrorCode::{Forbidden, InvalidName, InvalidRequest, KeyNotFound, LimitExceeded, ProjectNotFound};
    let list_all = Route::get(KEYS, Need::Project(Action::KeyRead))
        .summary("The keys of a project")
        .answers::<ListAnswer>(200, "keys, in the order they were made")
        .errors(&[ProjectNotFound, Forbidden]);
    let make = Route::post(KEYS, Need::Project(Action::KeyWrite))
        .summary("Make a key")
        .body::<KeyBody>()
        .answers::<CreatedAnswer>(201, "the key; a secret one is shown this once")
        .errors(&[InvalidName, LimitExceeded, ProjectNotFound, Forbidden]);
    let renew = Route::post(ROTATE, Need::Project(Action::KeyWrite))
        .summary("Give a key a new text; the old one ends, at once or after a grace")
        .body::<RotateBody>()
        .answers::<CreatedAnswer>(201, "the key, with the same id; a secret one is shown this once")
        .errors(&[InvalidRequest, KeyNotFound, ProjectNotFound, Forbidden]);
    let end = Route::delete(KEY, Need::Project(Action::KeyWrite))
        .summary("Revoke a key, at once")
        .answers_plain("204", "the key opens nothing any more")
        .errors(&[KeyNotFound, ProjectNotFound, Forbidden]);
    routes.add(list_all, list).add(make, create).add(renew, rotate).add(end, revoke)
}

/// The kind of a key, as it is written in bodies.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// Stands in browsers.
    Public,
    /// Stands on servers.
    Secret,
}

impl From<Kind> for KeyKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Public => Self::Public,
            Kind::Secret => Self::Secret,
        }
    }
}

/// A key to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct KeyBody {
    /// `public` or `secret`.
    #[schema(inline)]
    kind: Kind,
    /// 1 to 100 characters; `default` where it is left out.
    name: Option<String>,
}

/// How a key is rotated.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = KeyRotation)]
#[serde(deny_unknown_fields)]
struct RotateBody {
    /// Seconds that the old text stays valid, 0 to 86400; 0 where it is left out.
    #[serde(default)]
    grace_seconds: u32,
}

/// A key of a project.
#[derive(Serialize, ToSchema)]
#[schema(as = ProjectKey)]
struct Key {
    /// `key_…`.
    id: String,
    /// `public` or `secret`.
    kind: String,
    /// The name.
    name: String,
    /// How the key begins: `pk_` or `sk_`.
    prefix: &'static str,
    /// How the key ends.
    last4: String,
    /// The whole key, where it is a public one.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339, about a minute behind; `null` where it was never used.
    last_used_at: Option<String>,
    /// RFC 3339: until when the text before the last rotation is valid; `null` where it is not.
    previous_valid_until: Option<String>,
}

impl From<KeyRow> for Key {
    fn from(row: KeyRow) -> Self {
        let kind = if row.kind == "public" { KeyKind::Public } else { KeyKind::Secret };
        Self {
            id: row.id,
            kind: row.kind,
            name: row.name,
            prefix: prefix(kind),
            last4: row.last4,
            public_key: row.public_key,
            created_at: rfc3339(row.created_at),
            last_used_at: row.last_used_at.map(rfc3339),
            previous_valid_until: row.old_until.filter(|until| *until > now_ms()).map(rfc3339),
        }
    }
}

/// The keys of a project.
#[derive(Serialize, ToSchema)]
#[schema(as = ProjectKeyList)]
struct ListAnswer {
    /// The keys.
    keys: Vec<Key>,
}

/// A new key.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedKey)]
struct CreatedAnswer {
    /// The key.
    key: Key,
    /// The key itself, where it is a secret one; shown this once.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shown_once")]
    #[schema(value_type = Option<String>)]
    secret: Option<SecretString>,
}

fn shown_once<S: serde::Serializer>(key: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    match key {
        Some(key) => shown(key, serializer),
        None => serializer.serialize_none(),
    }
}

async fn list(
    State(service): State<Platform>,
    Extension(grant): Extension<Grant>,
) -> Result<Json<ListAnswer>, ApiError> {
    let keys = service.list_keys(&grant).await?;
    Ok(Json(ListAnswer { keys: keys.into_iter().map(Key::from).collect() }))
}

async fn create(
    State(service): State<Platform>,
    Extension(grant): Extension<Grant>,
    Json(body): Json<KeyBody>,
) -> Result<(StatusCode, Extension<Recording>, Json<CreatedAnswer>), ApiError> {
    let kind = KeyKind::from(body.kind);
    let minted = service.create_key(&grant, kind, body.name.as_deref()).await?;
    let secret = (kind == KeyKind::Secret).then_some(minted.text);
    let recording = Recording::default().target("key", minted.row.id.as_str());
    let answer = CreatedAnswer { key: KeyRow::from(&minted.row).into(), secret };
    Ok((StatusCode::CREATED, Extension(recording), Json(answer)))
}

async fn rotate(
    State(service): State<Platform>,
    Extension(grant): Extension<Grant>,
    Path((_, key)): Path<(String, String)>,
    body: Option<Json<RotateBody>>,
) -> Result<(StatusCode, Json<CreatedAnswer>), ApiError> {
    let body = body.map_or_else(RotateBody::default, |Json(body)| body);
    let rotated = service.rotate_key(&grant, &key, body.grace_seconds).await?;
    Ok((StatusCode::CREATED, Json(CreatedAnswer { key: rotated.row.into(), secret: rotated.secret })))
}

async fn revoke(
    State(service): State<Platform>,
    Extension(grant): Extension<Grant>,
    Path((_, key)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    service.revoke_key(&grant, &key).await?;
    Ok(StatusCode::NO_CONTENT)
}
