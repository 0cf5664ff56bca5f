//! What a request is about: on whose behalf, and which collection, document or index.

use crate::error;
use crate::scope::Scope;
use axum::extract::{FromRequestParts, Query, RawPathParams};
use bundoc::engine::{CollectionName, DocumentId};
use http::request::Parts;
use ports::access::{AccessError, Grant};
use serde::de::DeserializeOwned;
use service_kit::error::{ApiError, ErrorCode};

/// The last segment of the query route. A document may have it as its id, and the router takes the fixed
/// segment before the parameter.
const QUERY_SEGMENT: &str = "query";

/// A collection of the caller's project.
pub(super) struct InCollection {
    pub(super) scope: Scope,
    pub(super) collection: CollectionName,
}

/// A document of the caller's project.
pub(super) struct InDocument {
    pub(super) scope: Scope,
    pub(super) collection: CollectionName,
    pub(super) id: DocumentId,
}

/// An index of the caller's project.
pub(super) struct InIndex {
    pub(super) scope: Scope,
    pub(super) collection: CollectionName,
    pub(super) name: String,
}

/// The parameters behind `?`; unknown ones are refused by name.
pub(super) struct Params<T>(pub(super) T);

async fn path_params(parts: &mut Parts) -> Result<RawPathParams, ApiError> {
    RawPathParams::from_request_parts(parts, &())
        .await
        .map_err(|rejected| ApiError::new(ErrorCode::InvalidRequest, rejected.body_text()))
}

fn param<'a>(params: &'a RawPathParams, name: &str) -> Option<&'a str> {
    params.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
}

fn collection_in(scope: &Scope, params: &RawPathParams) -> Result<CollectionName, ApiError> {
    scope.collection(param(params, "c").unwrap_or_default())
}

impl<S: Send + Sync> FromRequestParts<S> for Scope {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Self::from_grant(parts.extensions.get::<Grant>().ok_or(AccessError::ProjectNotFound)?)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for InCollection {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let scope = Scope::from_request_parts(parts, state).await?;
        let collection = collection_in(&scope, &path_params(parts).await?)?;
        Ok(Self { scope, collection })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for InDocument {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let scope = Scope::from_request_parts(parts, state).await?;
        let params = path_params(parts).await?;
        let id = param(&params, "id").unwrap_or(QUERY_SEGMENT);
        let id = DocumentId::parse(id).map_err(error::engine)?;
        let collection = collection_in(&scope, &params)?;
        Ok(Self { scope, collection, id })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for InIndex {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let scope = Scope::from_request_parts(parts, state).await?;
        let params = path_params(parts).await?;
        let name = param(&params, "name").unwrap_or_default().to_owned();
        let collection = collection_in(&scope, &params)?;
        Ok(Self { scope, collection, name })
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejected) => Err(ApiError::new(ErrorCode::InvalidRequest, rejected.body_text())),
        }
    }
}
