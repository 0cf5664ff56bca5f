//! A subscription as an event stream. What the client does not take waits in the subscription's queue.

use super::close::{Reason, Watch};
use crate::subscription::{Item, Subscription};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, header};
use ports::events::Pattern;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::time::Duration;
use tokio::time::{Instant, Interval, interval_at};

/// How often something is sent, so that nobody between takes the connection for dead.
pub(super) const PING_EVERY: Duration = Duration::from_secs(15);

/// The answer.
pub(super) fn open(subscription: Subscription, watch: Watch, pattern: &Pattern) -> Response {
    let connected = event("connected", &json!({ "topic": pattern.as_str() }));
    let pings = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    let stream = Stream { subscription, watch, pings, connected: Some(connected), closed: false };
    let chunks = stream::unfold(stream, |mut stream| async move {
        let chunk = stream.next().await?;
        Some((Ok::<_, Infallible>(chunk), stream))
    });
    let mut response = Response::new(Body::from_stream(chunks));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

struct Stream {
    subscription: Subscription,
    watch: Watch,
    pings: Interval,
    connected: Option<Bytes>,
    closed: bool,
}

impl Stream {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(connected) = self.connected.take() {
            return Some(connected);
        }
        loop {
            if self.closed {
                return None;
            }
            tokio::select! {
                biased;
                () = self.watch.due() => {
                    if let Err(reason) = self.watch.check().await {
                        return Some(self.close(reason));
                    }
                }
                item = self.subscription.next() => match item {
                    Ok(Item::Events(part)) if !self.watch.shows(&part) => {}
                    Ok(Item::Events(part)) => return Some(part.sse()),
                    Ok(Item::Missed(count)) => return Some(event("missed", &json!({ "count": count }))),
                    Ok(Item::Resync) => return Some(event("resync", &json!({}))),
                    Err(ended) => return Some(self.close((&ended).into())),
                },
                _ = self.pings.tick() => return Some(Bytes::from_static(b": ping\n\n")),
            }
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
