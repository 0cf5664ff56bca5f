//! What handlers take out of a request.

use crate::error::BuncastError;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use ports::access::{AccessError, Grant};
use ports::events::{Pattern, Realm, Topic};
use service_kit::error::ApiError;
use service_kit::ids::ProjectId;

/// The topic in the path.
pub(crate) struct TopicInPath(pub(crate) Topic);

/// The topic or pattern in the path.
pub(crate) struct PatternInPath(pub(crate) Pattern);

impl<S: Send + Sync> FromRequestParts<S> for TopicInPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let text = topic_param(parts, state).await?;
        Ok(Self(Topic::parse(&text)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PatternInPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let text = topic_param(parts, state).await?;
        Ok(Self(Pattern::parse(&text)?))
    }
}

async fn topic_param<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<String, ApiError> {
    let params = RawPathParams::from_request_parts(parts, state).await;
    let params =
        params.map_err(|_: RawPathParamsRejection| BuncastError::Invalid("the path is not valid UTF-8"))?;
    let topic = params.iter().find(|(name, _)| *name == "topic").map(|(_, value)| value.to_owned());
    Ok(topic.unwrap_or_default())
}

/// The project of a grant.
pub(crate) fn project_of(grant: &Grant) -> Result<ProjectId, ApiError> {
    grant.project.clone().ok_or_else(|| AccessError::ProjectNotFound.into())
}

/// Its realm.
pub(crate) fn realm_of(grant: &Grant) -> Result<Realm, ApiError> {
    project_of(grant).map(Realm::Project)
}
