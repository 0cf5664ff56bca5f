//! One call: what goes in and what comes out.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use http::{HeaderMap, Method, StatusCode};
use http_body::{Body, Frame, SizeHint};

use crate::stream::ResponseStream;

/// What a body stream may end with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A call of a function, however it was triggered.
#[derive(Debug)]
pub struct InvokeRequest {
    /// Names this call in logs and in the handler's `X-Invocation-Id`.
    pub invocation_id: Arc<str>,
    /// Method.
    pub method: Method,
    /// Absolute URL as the handler sees it.
    pub url: String,
    /// Headers as the handler sees them (but for `X-Invocation-Id`, which the pool sets).
    pub headers: HeaderMap,
    /// Body.
    pub body: RequestBody,
    /// An earlier deadline than the version's execution timeout.
    pub deadline: Option<Instant>,
}

/// Body of a call.
pub enum RequestBody {
    /// None.
    Empty,
    /// All of it is here. At most [`crate::FULL_BODY_BYTES_MAX`]; a larger one is streamed.
    Full(Bytes),
    /// Comes in pieces; read only as fast as the handler reads.
    Stream(BoxStream<'static, Result<Bytes, BoxError>>),
}

impl std::fmt::Debug for RequestBody {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => formatter.write_str("Empty"),
            Self::Full(bytes) => write!(formatter, "Full({} bytes)", bytes.len()),
            Self::Stream(_) => formatter.write_str("Stream"),
        }
    }
}

/// What the handler answered.
#[derive(Debug)]
pub struct InvokeResponse {
    /// Status.
    pub status: StatusCode,
    /// Headers; several `Set-Cookie` stay several.
    pub headers: HeaderMap,
    /// Body.
    pub body: ResponseBody,
}

/// Body of a response: an [`http_body::Body`] of [`Bytes`].
#[derive(Debug)]
pub enum ResponseBody {
    /// All of it is here.
    Full(Bytes),
    /// Comes in pieces. Dropping it aborts `req.signal` in the handler.
    Stream(ResponseStream),
}

/// A streamed response ended early: the handler's stream failed, or its worker ended.
#[derive(Debug, thiserror::Error)]
#[error("response stream of the function broke off: {reason}")]
pub struct BodyError {
    /// What happened.
    pub reason: String,
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Stream(stream) => {
                stream.poll_chunk(context).map(|next| next.map(|chunk| chunk.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Full(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}
