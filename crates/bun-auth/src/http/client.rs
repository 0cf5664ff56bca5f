//! Where a request comes from, read off its connection and headers.

use crate::client::{Client, USER_AGENT_CHARS_MAX};
use axum::extract::FromRequestParts;
use http::header;
use http::request::Parts;
use ports::access::Peer;
use std::convert::Infallible;

impl<S: Send + Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        Ok(Self {
            address: parts.extensions.get::<Peer>().map(|peer| peer.0),
            user_agent: agent.map(|agent| agent.chars().take(USER_AGENT_CHARS_MAX).collect()),
        })
    }
}
