//! `/v1/auth/tokens`: API tokens of an account.

use super::developer;
use crate::api_tokens::{Lifetime, ShownToken, WantedToken};
use crate::error::AuthError;
use crate::service::AuthService;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use ports::access::{Grant, Scope};
use routes::Recording;
use secrecy::ExposeSecret;
use serde::{Deserialize, Deserializer, Serialize};
use service_kit::clock::rfc3339;
use service_kit::json::Json;
use std::sync::Arc;
use utoipa::ToSchema;

/// A token to be made.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewApiToken)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTokenBody {
    /// 1 to 100 characters.
    name: String,
    /// What it may be used for: areas with a level, such as `functions:write`, `*:read` or `*`.
    scopes: Vec<String>,
    /// Seconds until it expires; `null` for never. 30 days where it is left out.
    #[schema(value_type = Option<i64>)]
    #[serde(default, deserialize_with = "present")]
    ttl: Option<Option<i64>>,
}

/// A token.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiToken)]
pub(crate) struct TokenBody {
    /// `tok_…`.
    id: String,
    /// The name.
    name: String,
    /// What it may be used for.
    scopes: Vec<String>,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339; null where it does not expire.
    expires_at: Option<String>,
    /// RFC 3339; null where it was not used yet.
    last_used_at: Option<String>,
}

/// A token that was made.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeApiToken)]
pub(crate) struct MadeTokenAnswer {
    #[serde(flatten)]
    shown: TokenBody,
    /// `bb_…`, shown this once.
    token: String,
}

/// The tokens of an account.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiTokenList)]
pub(crate) struct TokensAnswer {
    /// The newest first.
    tokens: Vec<TokenBody>,
}

impl From<ShownToken> for TokenBody {
    fn from(token: ShownToken) -> Self {
        Self {
            id: token.id,
            name: token.name,
            scopes: token.scopes.iter().map(Scope::as_str).map(str::to_owned).collect(),
            created_at: rfc3339(token.created_at),
            expires_at: token.expires_at.map(rfc3339),
            last_used_at: token.last_used_at.map(rfc3339),
        }
    }
}

/// Tells `null` from what is left out.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<i64>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

fn lifetime(ttl: Option<Option<i64>>) -> Lifetime {
    match ttl {
        None => Lifetime::Default,
        Some(None) => Lifetime::Endless,
        Some(Some(seconds)) => Lifetime::Seconds(seconds),
    }
}

pub(crate) async fn create(
    State(service): State<Arc<AuthService>>,
    Extension(grant): Extension<Grant>,
    Json(body): Json<NewTokenBody>,
) -> Result<Response, AuthError> {
    let wanted = WantedToken { name: body.name, scopes: body.scopes, lifetime: lifetime(body.ttl) };
    let (shown, token) = service.create_token(developer(&grant)?, wanted).await?;
    let recording = Extension(Recording::default().target("token", &shown.id));
    let answer = MadeTokenAnswer { shown: shown.into(), token: token.expose_secret().to_owned() };
    let unkept = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::CREATED, unkept, recording, Json(answer)).into_response())
}

pub(crate) async fn list(
    State(service): State<Arc<AuthService>>,
    Extension(grant): Extension<Grant>,
) -> Result<Json<TokensAnswer>, AuthError> {
    let tokens = service.tokens_of(developer(&grant)?).await?;
    Ok(Json(TokensAnswer { tokens: tokens.into_iter().map(TokenBody::from).collect() }))
}

pub(crate) async fn delete(
    State(service): State<Arc<AuthService>>,
    Extension(grant): Extension<Grant>,
    Path(token): Path<String>,
) -> Result<StatusCode, AuthError> {
    service.delete_token(developer(&grant)?, &token).await?;
    Ok(StatusCode::NO_CONTENT)
}
