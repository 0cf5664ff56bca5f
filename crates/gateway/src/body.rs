//! The body of a request as the services get it. What a service leaves unread is read and thrown away, up
//! to a bound: a client that is still sending when the server closes would not see the answer.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Bytes that are thrown away at the most; beyond that the connection is closed.
const LINGER_BYTES_MAX: usize = 64 << 20;
/// How long they may take.
const LINGER_TIME_MAX: Duration = Duration::from_secs(10);

/// The body of a request from the listener.
pub struct RequestBody(Source);

enum Source {
    /// From hyper.
    Incoming(Incoming),
    /// All of it is here, or nothing is left.
    Whole(Bytes),
}

impl RequestBody {
    pub(crate) fn new(body: Incoming) -> Self {
        Self(Source::Incoming(body))
    }

    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self(Source::Whole(bytes))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.0 {
            Source::Incoming(body) => Pin::new(body).poll_frame(context),
            Source::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Source::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Incoming(body) => body.is_end_stream(),
            Source::Whole(bytes) => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Incoming(body) => body.size_hint(),
            Source::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let Source::Incoming(body) = std::mem::replace(&mut self.0, Source::Whole(Bytes::new())) else {
            return;
        };
        if !body.is_end_stream()
            && body.size_hint().lower() <= LINGER_BYTES_MAX as u64
            && tokio::runtime::Handle::try_current().is_ok()
        {
            tokio::spawn(tokio::time::timeout(LINGER_TIME_MAX, throw_away(body)));
        }
    }
}

async fn throw_away(mut body: Incoming) {
    let mut left = LINGER_BYTES_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        let Some(remaining) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { return };
        left = remaining;
    }
}
