//! `ProjectApi` of another process.

use crate::MESSAGE_BYTES_MAX;
use crate::proto::ProjectApiRequest;
use crate::proto::project_api_client::ProjectApiClient as Wire;
use crate::remote::{Remote, Signed};
use crate::wire::{grant, http as wire_http};
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use ports::access::Grant;
use ports::project_api::ProjectApi;
use prost::Message as _;
use serde_json::json;
use service_kit::error::{ApiError, ErrorCode};
use std::time::Duration;
use tonic::{Code, Status};

/// What `Retry-After` says where the other process cannot be reached.
const RETRY_AFTER: Duration = Duration::from_secs(1);

const TOO_LARGE: &str = "a function's client sends and gets 20 MiB at the most, headers included";

/// Calls the routes of another process as a grant.
pub struct ProjectApiClient {
    remote: Remote,
    wire: Wire<Signed>,
}

impl ProjectApiClient {
    pub(crate) fn new(remote: Remote) -> Self {
        let wire = Wire::new(remote.channel()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        Self { remote, wire }
    }

    fn failed(&self, status: &Status) -> Response<Bytes> {
        let service = self.remote.service();
        let details = json!({ "service": service.as_str() });
        let error = match status.code() {
            Code::OutOfRange | Code::ResourceExhausted => {
                let message =
                    format!("a function's client sends and gets {MESSAGE_BYTES_MAX} bytes at the most");
                ApiError::new(ErrorCode::BodyTooLarge, message)
            }
            Code::DeadlineExceeded => {
                ApiError::new(ErrorCode::Timeout, format!("the service `{service}` did not answer in time"))
            }
            _ => ApiError::new(ErrorCode::Unavailable, format!("the service `{service}` cannot be reached"))
                .retry_after(RETRY_AFTER),
        };
        let error = error.with_details(details);
        let body = Bytes::from(error.body(None));
        error.response(None).map(|_| body)
    }
}

#[async_trait]
impl ProjectApi for ProjectApiClient {
    async fn call(&self, grant: Grant, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let message = ProjectApiRequest {
            grant: Some(grant::put(&grant)),
            method: parts.method.to_string(),
            path_and_query: parts.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            headers: wire_http::put_headers(&parts.headers),
            body,
        };
        if message.encoded_len() > MESSAGE_BYTES_MAX {
            return self.failed(&Status::out_of_range(TOO_LARGE));
        }
        let mut wire = self.wire.clone();
        let reply = self.remote.call(wire.call(message)).await.and_then(wire_http::get_response);
        reply.unwrap_or_else(|status| self.failed(&status))
    }
}
