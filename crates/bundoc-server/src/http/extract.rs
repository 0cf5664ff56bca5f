//! What a request is about: on whose behalf, and which collection, document or index.

use crate::error;
use crate::scope::{Scope, no_transaction};
use axum::extract::{FromRequestParts, Query, RawPathParams};
use bundoc::engine::{CollectionName, CollectionPattern, DocumentId};
use http::request::Parts;
use ports::access::{AccessError, Grant};
use serde::de::DeserializeOwned;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::TransactionId;

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

/// A transaction, by its id in the path.
pub(super) struct InTransaction {
    pub(super) scope: Scope,
    pub(super) id: TransactionId,
}

/// Several collections of the caller's project, by a pattern.
pub(super) struct InGroup {
    pub(super) scope: Scope,
    pub(super) pattern: CollectionPattern,
    pub(super) name: String,
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
        let grant = parts.extensions.get::<Grant>().ok_or(AccessError::ProjectNotFound)?;
        Self::from_grant(grant)?.with_headers(&parts.headers)
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
        // A document may be called like one of the fixed segments, which the router takes first.
        let last_segment = || parts.uri.path().rsplit('/').next().unwrap_or_default();
        let id = param(&params, "id").unwrap_or_else(last_segment);
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

impl<S: Send + Sync> FromRequestParts<S> for InTransaction {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let scope = Scope::from_request_parts(parts, state).await?;
        let params = path_params(parts).await?;
        let id = TransactionId::parse(param(&params, "transaction").unwrap_or_default());
        Ok(Self { scope, id: id.map_err(|_| no_transaction())? })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for InGroup {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let scope = Scope::from_request_parts(parts, state).await?;
        let params = path_params(parts).await?;
        let pattern = scope.pattern(param(&params, "pattern").unwrap_or_default())?;
        let name = param(&params, "name").unwrap_or_default().to_owned();
        Ok(Self { scope, pattern, name })
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
