//! `/v1/projects/{project}/keys`.

use super::projects::shown;
use crate::keys::prefix;
use crate::service::PlatformService;
use crate::store::KeyRow;
use axum::Extension;
use axum::extract::{Path, State};
use http::StatusCode;
use ports::access::{Grant, KeyKind};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use service_kit::clock::rfc3339;
use service_kit::error::ApiError;
use service_kit::json::Json;
use std::sync::Arc;
use utoipa::ToSchema;

/// The kind of a key, as it is written in bodies.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
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
pub(crate) struct KeyBody {
    /// `public` or `secret`.
    #[schema(inline)]
    kind: Kind,
    /// 1 to 100 characters; `default` where it is left out.
    name: Option<String>,
}

/// A key of a project.
#[derive(Serialize, ToSchema)]
#[schema(as = ProjectKey)]
pub(crate) struct Key {
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
        }
    }
}

/// The keys of a project.
#[derive(Serialize, ToSchema)]
#[schema(as = ProjectKeyList)]
pub(crate) struct ListAnswer {
    /// The keys.
    keys: Vec<Key>,
}

/// A new key.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedKey)]
pub(crate) struct CreatedAnswer {
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

pub(crate) async fn list(
    State(service): State<Arc<PlatformService>>,
    Extension(grant): Extension<Grant>,
) -> Result<Json<ListAnswer>, ApiError> {
    let keys = service.list_keys(&grant).await?;
    Ok(Json(ListAnswer { keys: keys.into_iter().map(Key::from).collect() }))
}

pub(crate) async fn create(
    State(service): State<Arc<PlatformService>>,
    Extension(grant): Extension<Grant>,
    Json(body): Json<KeyBody>,
) -> Result<(StatusCode, Json<CreatedAnswer>), ApiError> {
    let kind = KeyKind::from(body.kind);
    let minted = service.create_key(&grant, kind, body.name.as_deref()).await?;
    let secret = (kind == KeyKind::Secret).then_some(minted.text);
    Ok((StatusCode::CREATED, Json(CreatedAnswer { key: KeyRow::from(&minted.row).into(), secret })))
}

pub(crate) async fn revoke(
    State(service): State<Arc<PlatformService>>,
    Extension(grant): Extension<Grant>,
    Path((_, key)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    service.revoke_key(&grant, &key).await?;
    Ok(StatusCode::NO_CONTENT)
}
