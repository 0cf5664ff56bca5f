//! Bodies of end users' requests, and which may be left out.

use axum::extract::{FromRequest, Request};
use http::header;
use serde::de::DeserializeOwned;
use service_kit::error::ApiError;
use service_kit::json::Json;

/// Bytes of a body of these routes. Roomy, so that a password that is far too long is told as one.
pub(super) const BODY_BYTES_MAX: usize = 2 << 20;

/// A body that may be left out.
pub(super) struct Optional<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for Optional<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !request.headers().contains_key(header::CONTENT_TYPE) {
            return Ok(Self(T::default()));
        }
        Json::from_request(request, state).await.map(|Json(body)| Self(body))
    }
}
