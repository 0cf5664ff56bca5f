//! Bodies with a password: counted by the sender's address before anything is read, and small.

use crate::service::AuthService;
use axum::extract::{FromRequest, Request};
use ports::access::Peer;
use serde::de::DeserializeOwned;
use service_kit::error::ApiError;
use service_kit::json::{BodyLimit, Json};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Bytes of such a body: every field at its limit, each byte escaped.
const BODY_BYTES_MAX: usize = 16 << 10;

/// A body whose sender is within the rate limit.
pub(crate) struct LimitedBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<AuthService>> for LimitedBody<T> {
    type Rejection = ApiError;

    async fn from_request(mut request: Request, service: &Arc<AuthService>) -> Result<Self, ApiError> {
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
        // Callers whose address is not known share one limit.
        let address = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        service.limits.address(address).map_err(|error| error.answer())?;
        let limit = request.extensions().get::<BodyLimit>().map_or(BODY_BYTES_MAX, |limit| limit.0);
        request.extensions_mut().insert(BodyLimit(limit.min(BODY_BYTES_MAX)));
        Json::from_request(request, service).await.map(|Json(body)| Self(body))
    }
}
