//! The answer of a call: the handler's, or an error of ours.

use crate::metrics::Outcome;
use bytes::Bytes;
use http::header::ALLOW;
use http::{HeaderValue, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full, Limited};
use serde_json::json;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::RequestId;
use std::pin::Pin;
use std::task::{Context, Poll};
use worker_pool::{BodyError, InvokeError, ResponseBody};

use super::headers::INVOCATION_HEADER;

/// Largest answer of a function that another function reads over its channel.
const INSIDE_BYTES_MAX: usize = 16 << 20;

/// The body of an answer.
#[derive(Debug)]
pub enum CallBody {
    /// The handler's.
    Function(ResponseBody),
    /// Events of the server itself, as they happen.
    Events(axum::body::Body),
    /// An error of ours, or nothing.
    Error(Full<Bytes>),
}

impl Body for CallBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Function(body) => Pin::new(body).poll_frame(context),
            Self::Events(body) => Pin::new(body)
                .poll_frame(context)
                .map_err(|error| BodyError { reason: error.to_string(), is_retired: false }),
            Self::Error(body) => Pin::new(body)
                .poll_frame(context)
                .map(|frame| frame.map(|frame| frame.map_err(|never| match never {}))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Function(body) => body.is_end_stream(),
            Self::Events(body) => body.is_end_stream(),
            Self::Error(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Function(body) => body.size_hint(),
            Self::Events(body) => body.size_hint(),
            Self::Error(body) => body.size_hint(),
        }
    }
}

/// The answer to a call that was refused or failed.
pub(crate) fn refused(error: ApiError, request_id: Option<&RequestId>) -> Response<CallBody> {
    let body = error.body(request_id.map(RequestId::as_str));
    let allow = error.details.as_ref().filter(|_| error.code == ErrorCode::MethodNotAllowed);
    let allow = allow.and_then(|details| HeaderValue::try_from(details["allow"].as_str()?).ok());
    let (mut parts, _) = error.response(None).into_parts();
    // RFC 9110 §15.5.6.
    parts.headers.extend(allow.map(|methods| (ALLOW, methods)));
    Response::from_parts(parts, CallBody::Error(Full::new(body.into())))
}

/// Adds the id of the call.
pub(crate) fn name_call(response: &mut Response<CallBody>, invocation_id: &str) {
    if let Ok(value) = HeaderValue::try_from(invocation_id) {
        response.headers_mut().insert(INVOCATION_HEADER, value);
    }
}

/// The code that a failed call has.
pub(crate) fn code_of(error: &InvokeError) -> ErrorCode {
    classify(error).0
}

/// How a failed call is counted.
pub(crate) fn outcome_of(error: &InvokeError) -> Outcome {
    classify(error).1
}

fn classify(error: &InvokeError) -> (ErrorCode, Outcome) {
    match error {
        InvokeError::HandlerError { .. } => (ErrorCode::HandlerError, Outcome::HandlerError),
        InvokeError::NoResponse { .. } => (ErrorCode::NoResponse, Outcome::HandlerError),
        InvokeError::Timeout(_) => (ErrorCode::Timeout, Outcome::Timeout),
        InvokeError::WorkerCrashed => (ErrorCode::WorkerCrashed, Outcome::WorkerLost),
        InvokeError::MemoryLimit { .. } => (ErrorCode::MemoryLimit, Outcome::WorkerLost),
        InvokeError::Overloaded { .. } | InvokeError::QueueTimeout { .. } => {
            (ErrorCode::Overloaded, Outcome::Overloaded)
        }
        InvokeError::StartFailed { .. } | InvokeError::Retired => {
            (ErrorCode::Unavailable, Outcome::Overloaded)
        }
        InvokeError::HeadTooLarge { .. } => (ErrorCode::HeadersTooLarge, Outcome::Refused),
    }
}

/// What a caller learns of a failed call: never the stack, always what to do.
pub(crate) fn explain(error: &InvokeError) -> (ApiError, Outcome) {
    let (code, outcome) = classify(error);
    let mut told = match error {
        InvokeError::HandlerError { error_id, .. } | InvokeError::NoResponse { error_id, .. } => {
            let message = format!("{error}; `bunbase functions logs` has the stack");
            ApiError::new(code, message).with_details(json!({ "error_id": error_id }))
        }
        InvokeError::StartFailed { message } => {
            tracing::warn!(cause = %message, "a worker of a function could not be started");
            ApiError::new(code, "no worker of the function could be started; its log says why")
        }
        other => ApiError::new(code, other.to_string()),
    };
    told.retry_after = error.retry_after();
    (told, outcome)
}

/// What a developer learns of a failed call.
pub(crate) fn reason(error: &InvokeError) -> String {
    match error {
        InvokeError::HandlerError { message, .. }
        | InvokeError::NoResponse { message, .. }
        | InvokeError::StartFailed { message } => message.clone(),
        other => other.to_string(),
    }
}

/// An answer with its whole body, for a function that called another.
pub(crate) async fn collect_answer(response: Response<CallBody>) -> Result<Response<Bytes>, ApiError> {
    let (parts, body) = response.into_parts();
    let whole = Limited::new(body, INSIDE_BYTES_MAX).collect().await.map_err(|_| {
        let message = format!("the answer broke off, or is larger than {INSIDE_BYTES_MAX} bytes");
        ApiError::new(ErrorCode::HandlerError, message)
    })?;
    Ok(Response::from_parts(parts, whole.to_bytes()))
}
