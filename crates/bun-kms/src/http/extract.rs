//! What a request is about: on whose behalf, which key or secret, which part of a list.

use crate::error::OperationError;
use crate::kms::Scope;
use axum::extract::{FromRequestParts, Query, RawPathParams};
use http::request::Parts;
use ports::access::{AccessError, Grant};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use service_kit::error::{ApiError, ErrorCode};

/// Entries of a page where nothing is said.
const PAGE_DEFAULT: u32 = 100;
/// Entries of a page.
const PAGE_MAX: u32 = 1_000;

/// A key or a secret of the caller's project, as it is named in the path.
pub(super) struct Named {
    pub(super) scope: Scope,
    pub(super) name: String,
}

/// The parameters behind `?`; unknown ones are refused by name.
pub(super) struct Params<T>(pub(super) T);

/// Which part of a list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    limit: Option<u32>,
    pub(super) cursor: Option<String>,
}

impl PageQuery {
    /// How many entries.
    pub(super) fn limit(&self) -> Result<u32, OperationError> {
        match self.limit.unwrap_or(PAGE_DEFAULT) {
            limit @ 1..=PAGE_MAX => Ok(limit),
            _ => Err(OperationError::Invalid("`limit` is 1 to 1000")),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Scope {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Ok(Self::of(parts.extensions.get::<Grant>().ok_or(AccessError::ProjectNotFound)?)?)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let scope = Scope::from_request_parts(parts, state).await?;
        let params = RawPathParams::from_request_parts(parts, &()).await;
        let params =
            params.map_err(|rejected| ApiError::new(ErrorCode::InvalidRequest, rejected.body_text()))?;
        let name = params.iter().find(|(name, _)| *name == "name").map(|(_, value)| value.to_owned());
        Ok(Self { scope, name: name.unwrap_or_default() })
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
