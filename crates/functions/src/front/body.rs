//! The body of a call: small ones whole, others as a stream, none over the limit.

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::too_large;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use worker_pool::{BoxError, FULL_BODY_BYTES_MAX, RequestBody};

/// Limits of a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    /// Bytes.
    pub(crate) bytes_max: usize,
    /// For a body that is taken whole.
    pub(crate) timeout: Duration,
}

impl BodyLimits {
    /// These, for a body that is not to have more than `bytes_max`.
    pub(crate) fn at_most(self, bytes_max: usize) -> Self {
        Self { bytes_max: bytes_max.min(self.bytes_max), ..self }
    }
}

/// What became of a streamed body, seen after the call.
#[derive(Debug, Default)]
pub(crate) struct Fate(AtomicU8);

const WENT_OVER: u8 = 1;
const BROKE_OFF: u8 = 2;

impl Fate {
    /// The error that the caller gets whatever the handler made of it.
    pub(crate) fn error(&self, limits: BodyLimits) -> Option<ApiError> {
        match self.0.load(Ordering::Relaxed) {
            WENT_OVER => Some(too_large(limits.bytes_max)),
            BROKE_OFF => Some(ended_early()),
            _ => None,
        }
    }
}

fn late() -> ApiError {
    ApiError::new(ErrorCode::RequestTimeout, "the body did not arrive in time")
}

fn ended_early() -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, "the body ended early")
}

/// Takes the body of a request; the fate is there for a stream only.
pub(crate) async fn take<B>(body: B, limits: BodyLimits) -> Result<(RequestBody, Option<Arc<Fate>>), ApiError>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    if body.is_end_stream() {
        return Ok((RequestBody::Empty, None));
    }
    let size = body.size_hint();
    if size.lower() > limits.bytes_max as u64 {
        return Err(too_large(limits.bytes_max));
    }
    if size.exact().is_some_and(|bytes| bytes <= FULL_BODY_BYTES_MAX as u64) {
        let whole = tokio::time::timeout(limits.timeout, body.collect()).await;
        let bytes = whole.map_err(|_| late())?.map_err(|_| ended_early())?.to_bytes();
        return Ok((RequestBody::Full(bytes), None));
    }
    let fate = Arc::new(Fate::default());
    let stream = Metered { body: Box::pin(body), bytes_left: limits.bytes_max, fate: fate.clone() };
    Ok((RequestBody::Stream(Box::pin(stream)), Some(fate)))
}

/// Takes a body whole, up to the limit.
pub(crate) async fn whole<B>(body: B, limits: BodyLimits) -> Result<Bytes, ApiError>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let read = tokio::time::timeout(limits.timeout, Limited::new(body, limits.bytes_max).collect()).await;
    match read.map_err(|_| late())? {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large(limits.bytes_max)),
        Err(_) => Err(ended_early()),
    }
}

/// Bytes as the body of a call.
pub(crate) fn of_bytes(bytes: Bytes) -> RequestBody {
    if bytes.is_empty() {
        return RequestBody::Empty;
    }
    if bytes.len() <= FULL_BODY_BYTES_MAX {
        return RequestBody::Full(bytes);
    }
    RequestBody::Stream(futures_util::stream::iter([Ok(bytes)]).boxed())
}

/// A body that ends in an error when it goes over its limit.
struct Metered<B> {
    body: Pin<Box<B>>,
    bytes_left: usize,
    fate: Arc<Fate>,
}

impl<B> Stream for Metered<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(frame) = ready!(self.body.as_mut().poll_frame(context)) else {
                return Poll::Ready(None);
            };
            let data = match frame {
                Ok(frame) => frame.into_data(),
                Err(error) => {
                    self.fate.0.store(BROKE_OFF, Ordering::Relaxed);
                    return Poll::Ready(Some(Err(error.into())));
                }
            };
            // Trailers are not passed on.
            let Ok(data) = data else { continue };
            let Some(left) = self.bytes_left.checked_sub(data.len()) else {
                self.fate.0.store(WENT_OVER, Ordering::Relaxed);
                return Poll::Ready(Some(Err("the body is too large".into())));
            };
            self.bytes_left = left;
            return Poll::Ready(Some(Ok(data)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{Full, StreamBody};

    const LIMITS: BodyLimits = BodyLimits { bytes_max: 10, timeout: Duration::from_secs(5) };

    fn chunks(count: usize) -> impl Body<Data = Bytes, Error = BoxError> + Send + 'static {
        let frames = (0..count).map(|_| Ok(http_body::Frame::data(Bytes::from_static(b"1234"))));
        StreamBody::new(futures_util::stream::iter(frames))
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused_with_and_without_a_length() {
        let error = take(Full::new(Bytes::from(vec![0; 11])), LIMITS).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::BodyTooLarge);
        let (body, fate) = take(chunks(3), LIMITS).await.unwrap();
        let RequestBody::Stream(stream) = body else { panic!("no length: a stream") };
        let read: Vec<_> = stream.collect().await;
        assert!(read[0].is_ok() && read[1].is_ok() && read[2].is_err());
        assert_eq!(fate.unwrap().error(LIMITS).unwrap().code, ErrorCode::BodyTooLarge);
    }

    #[tokio::test]
    async fn small_and_empty_bodies_are_taken_whole() {
        let (body, fate) = take(Full::new(Bytes::from_static(b"abc")), LIMITS).await.unwrap();
        assert!(matches!(body, RequestBody::Full(bytes) if bytes == "abc") && fate.is_none());
        let (body, _) = take(Full::new(Bytes::new()), LIMITS).await.unwrap();
        assert!(matches!(body, RequestBody::Empty));
    }
}
