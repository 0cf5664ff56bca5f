//! `/v1/auth/sessions`: where an account is signed in.

use super::{developer, session};
use crate::error::AuthError;
use crate::service::AuthService;
use axum::Extension;
use axum::extract::{Path, State};
use http::{HeaderMap, StatusCode};
use ports::access::{Credentials, Grant};
use serde::Serialize;
use service_kit::clock::rfc3339;
use service_kit::json::Json;
use service_kit::secret::TokenHash;
use std::sync::Arc;
use utoipa::ToSchema;

/// A session.
#[derive(Serialize, ToSchema)]
pub(crate) struct Session {
    /// `ses_…`.
    id: String,
    /// When it was opened, RFC 3339.
    created_at: String,
    /// RFC 3339.
    last_used_at: String,
    /// The address that it was opened from.
    address: Option<String>,
    /// The `User-Agent` that it was opened with.
    user_agent: Option<String>,
    /// Whether it is the one that asks.
    current: bool,
}

/// The sessions of an account.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionList)]
pub(crate) struct SessionsAnswer {
    /// The newest first.
    sessions: Vec<Session>,
}

pub(crate) async fn list(
    State(service): State<Arc<AuthService>>,
    Extension(grant): Extension<Grant>,
    headers: HeaderMap,
) -> Result<Json<SessionsAnswer>, AuthError> {
    let current = Credentials::from_headers(&headers, None).session.as_ref().map(TokenHash::of);
    let sessions = service.sessions_of(developer(&grant)?).await?.into_iter().map(|session| Session {
        current: current.is_some_and(|hash| hash.as_bytes() == session.token_hash),
        id: session.id,
        created_at: rfc3339(session.created_at),
        last_used_at: rfc3339(session.last_used_at),
        address: session.address,
        user_agent: session.user_agent,
    });
    Ok(Json(SessionsAnswer { sessions: sessions.collect() }))
}

pub(crate) async fn end(
    State(service): State<Arc<AuthService>>,
    Extension(grant): Extension<Grant>,
    Path(session): Path<String>,
) -> Result<StatusCode, AuthError> {
    service.end_session(developer(&grant)?, &session).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn end_others(
    State(service): State<Arc<AuthService>>,
    Extension(grant): Extension<Grant>,
    headers: HeaderMap,
) -> Result<StatusCode, AuthError> {
    service.end_other_sessions(developer(&grant)?, &session(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
