//! One call: what goes in and what comes out.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

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
    /// Which handler of the version is called.
    pub handler: CalledHandler,
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

/// The handler that a call enters; the first of the version where nothing else is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CalledHandler {
    /// Its place in [`crate::VersionSpec::handlers`].
    pub index: u16,
    /// Parameters of the path as a JSON object of texts, which the handler sees as `context.params`; empty for none.
    pub params: String,
    /// A shorter time than the version's execution timeout.
    pub timeout: Option<Duration>,
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

/// What a call waited for before a worker had it. Both are zero where a worker was free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waited {
    /// For a free slot, the start of a worker not counted.
    pub queue: Duration,
    /// For the start of the worker that took it; none where that one was there before.
    pub cold_start: Option<Duration>,
}

impl Waited {
    /// Everything together.
    pub fn total(&self) -> Duration {
        self.queue + self.cold_start.unwrap_or_default()
    }

    /// Adds the wait from `since` until now for a worker that was started as `warmed` says.
    pub(crate) fn add(&mut self, since: Instant, warmed: Option<&Warmed>) {
        let total = since.elapsed();
        let started = warmed.filter(|worker| worker.ready > since);
        let start = started.map(|worker| worker.ready.duration_since(since.max(worker.began)).min(total));
        self.queue += total - start.unwrap_or_default();
        self.cold_start = start.or(self.cold_start);
    }
}

/// When a worker was made ready for its version.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Warmed {
    pub(crate) began: Instant,
    pub(crate) ready: Instant,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_of_a_worker_counts_as_far_as_the_call_waited_for_it() {
        let now = Instant::now();
        let ago = |milliseconds| now.checked_sub(Duration::from_millis(milliseconds)).unwrap();
        let waited = |began, ready| {
            let mut waited = Waited::default();
            waited.add(ago(100), Some(&Warmed { began: ago(began), ready: ago(ready) }));
            waited
        };
        assert_eq!(waited(90, 10).cold_start, Some(Duration::from_millis(80)));
        assert_eq!(waited(500, 40).cold_start, Some(Duration::from_millis(60)));
        assert_eq!(waited(500, 200).cold_start, None);
        let half = waited(90, 10);
        assert!(half.queue >= Duration::from_millis(20) && half.total() >= Duration::from_millis(100));
    }
}
