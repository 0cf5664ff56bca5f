//! A subscription as an event stream. What the client does not take waits in the subscription's queue.
//! With many thousands of streams each wake-up counts: the body is polled by hand, has one timer for all that
//! is due some time, and hands out the bytes that all streams share.

use super::close::{Answer, Reason, Watch};
use crate::subscription::{Ended, Item, Subscription};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderValue, header};
use http_body::Frame;
use ports::events::Pattern;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// How often something is sent, so that nobody between takes the connection for dead.
pub(super) const PING_EVERY: Duration = Duration::from_secs(15);

/// The answer.
pub(super) fn open(subscription: Subscription, watch: Watch, pattern: &Pattern) -> Response {
    let connected = event("connected", &json!({ "topic": pattern.as_str() }));
    let timer = Box::pin(sleep_until(watch.due_at()));
    let ping_at = Instant::now() + PING_EVERY;
    let stream = Stream {
        subscription,
        watch,
        asking: None,
        timer,
        ping_at,
        connected: Some(connected),
        closed: false,
    };
    let mut response = Response::new(Body::new(stream));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

struct Stream {
    subscription: Subscription,
    watch: Watch,
    /// Whether the stream may stay open is being asked.
    asking: Option<BoxFuture<'static, Answer>>,
    /// Runs until the earlier of `watch.due_at()` and `ping_at`.
    timer: Pin<Box<Sleep>>,
    ping_at: Instant,
    connected: Option<Bytes>,
    closed: bool,
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let stream = self.get_mut();
        if let Some(connected) = stream.connected.take() {
            return Poll::Ready(Some(Ok(Frame::data(connected))));
        }
        if stream.closed {
            return Poll::Ready(None);
        }
        let chunk = stream.poll_chunk(context).map(|chunk| chunk.unwrap_or_else(|end| stream.close(end)));
        chunk.map(|chunk| Some(Ok(Frame::data(chunk))))
    }
}

impl Stream {
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, Reason>> {
        loop {
            // First, so that a stream which always has something to say is asked about all the same.
            self.poll_standing(context)?;
            if let Poll::Ready(item) = self.subscription.poll_next(context) {
                match self.text(item)? {
                    Some(chunk) => return Poll::Ready(Ok(chunk)),
                    None => continue,
                }
            }
            let now = Instant::now();
            if now >= self.ping_at {
                self.ping_at = now + PING_EVERY;
                return Poll::Ready(Ok(Bytes::from_static(b": ping\n\n")));
            }
            if self.poll_timer(context).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Goes on with what is asked, and asks when it is time.
    fn poll_standing(&mut self, context: &mut Context<'_>) -> Result<(), Reason> {
        if self.asking.is_none() && Instant::now() >= self.watch.due_at() {
            self.asking = Some(Box::pin(self.watch.ask()));
        }
        if let Some(asking) = &mut self.asking
            && let Poll::Ready(answer) = asking.as_mut().poll(context)
        {
            self.asking = None;
            self.watch.take(answer)?;
        }
        Ok(())
    }

    /// Pending until something is due. While it is asked, only a ping is.
    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let due_at = if self.asking.is_some() { self.ping_at } else { self.ping_at.min(self.watch.due_at()) };
        if self.timer.deadline() != due_at {
            self.timer.as_mut().reset(due_at);
        }
        self.timer.as_mut().poll(context)
    }

    /// What an item is in the stream; nothing where the caller may not see it.
    fn text(&mut self, item: Result<Item, Ended>) -> Result<Option<Bytes>, Reason> {
        match item {
            Ok(Item::Events(part)) => Ok(self.watch.shows(&part).then(|| part.sse())),
            Ok(Item::Missed(count)) => Ok(Some(event("missed", &json!({ "count": count })))),
            Ok(Item::Resync) => Ok(Some(event("resync", &json!({})))),
            Err(ended) => Err((&ended).into()),
        }
    }

    fn close(&mut self, reason: Reason) -> Bytes {
        self.closed = true;
        event("close", &json!({ "reason": reason.0 }))
    }
}

fn event(name: &str, data: &Value) -> Bytes {
    format!("event: {name}\ndata: {data}\n\n").into()
}
