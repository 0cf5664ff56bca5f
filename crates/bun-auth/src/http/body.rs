//! Bodies with a password or a link's token: counted by the sender's address before anything is read, and
//! small.

use crate::service::AuthService;
use axum::extract::{FromRequest, Request};
use ports::access::Peer;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, de};
use service_kit::error::ApiError;
use service_kit::json::{BodyLimit, Json};
use std::sync::Arc;

/// Bytes of such a body: every field at its limit, each byte escaped.
pub(crate) const BODY_BYTES_MAX: usize = 16 << 10;

/// A body whose sender is within the rate limit.
pub(crate) struct LimitedBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<AuthService>> for LimitedBody<T> {
    type Rejection = ApiError;

    async fn from_request(mut request: Request, service: &Arc<AuthService>) -> Result<Self, ApiError> {
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
        service.limits.address(peer).map_err(|error| error.answer())?;
        let limit = request.extensions().get::<BodyLimit>().map_or(BODY_BYTES_MAX, |limit| limit.0);
        request.extensions_mut().insert(BodyLimit(limit.min(BODY_BYTES_MAX)));
        Json::from_request(request, service).await.map(|Json(body)| Self(body))
    }
}

/// Reads a link's token. Errors say nothing of the value: serde's own would repeat it.
pub(crate) fn link_token<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => Ok(SecretString::from(text)),
        _ => Err(de::Error::custom("`token` must be text")),
    }
}
