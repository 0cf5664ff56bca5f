//! Server-sent events (WHATWG HTML §9.2): how an event is written, and the bounded box between whoever has
//! events and the connection that sends them. A box takes a few hundred bytes while nothing waits in it,
//! and needs no task of its own.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, header};
use http_body::Frame;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::Notify;

/// How often a silent stream is sent a comment, so that nobody between takes it for dead.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(15);

const HEARTBEAT: Bytes = Bytes::from_static(b": ping\n\n");

/// One event as it is sent. `data` may have several lines; `event` and `id` have none.
pub fn event(event: &str, id: Option<&str>, data: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(32 + event.len() + id.map_or(0, str::len) + data.len());
    if let Some(id) = id {
        field(&mut out, "id", id.as_bytes());
    }
    field(&mut out, "event", event.as_bytes());
    for line in data.split(|byte| *byte == b'\n') {
        field(&mut out, "data", line);
    }
    out.push(b'\n');
    out.into()
}

fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// What a box holds at the most.
#[derive(Debug, Clone, Copy)]
pub struct OutboxLimits {
    /// Events.
    pub events_max: usize,
    /// Bytes of them; a larger event is taken where nothing else waits.
    pub bytes_max: usize,
}

/// The box has no room, or nobody reads it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// No room: the connection does not take what is sent.
    Full,
    /// The connection is gone, or the stream was ended.
    Closed,
}

/// Events on their way to one connection.
pub struct Outbox {
    limits: OutboxLimits,
    state: Mutex<State>,
    room: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Bytes>,
    bytes: usize,
    reader: Option<Waker>,
    /// What waits is sent, and nothing after it.
    ended: bool,
    gone: bool,
}

impl Outbox {
    /// A box, and the answer that sends what is put into it. `guard` is dropped when the connection ends.
    pub fn open<G: Send + Unpin + 'static>(limits: OutboxLimits, guard: G) -> (Arc<Self>, Response) {
        let outbox = Arc::new(Self { limits, state: Mutex::default(), room: Notify::new() });
        let body = Body::new(Reader { outbox: outbox.clone(), _guard: guard });
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        (outbox, response)
    }

    /// Puts an event in.
    ///
    /// # Errors
    /// There is no room, or nobody reads any more.
    pub fn offer(&self, event: Bytes) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.ended || state.gone {
            return Err(Refused::Closed);
        }
        let bytes = state.bytes + event.len();
        let too_large = bytes > self.limits.bytes_max && !state.waiting.is_empty();
        if state.waiting.len() >= self.limits.events_max || too_large {
            return Err(Refused::Full);
        }
        state.put(event);
        Ok(())
    }

    /// Puts an event in when there is room; `Refused::Closed` is the only error.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub async fn send(&self, event: Bytes) -> Result<(), Refused> {
        loop {
            let room = self.room.notified();
            match self.offer(event.clone()) {
                Err(Refused::Full) => room.await,
                answer => return answer,
            }
        }
    }

    /// Drops what waits and puts an event in its place: what a reader is told that was too slow.
    pub fn replace(&self, event: Bytes) {
        let mut state = self.lock();
        if !state.ended && !state.gone {
            state.waiting.clear();
            state.bytes = 0;
            state.put(event);
        }
    }

    /// Shows that the stream lives, where nothing else waits to show it.
    pub fn heartbeat(&self) {
        let mut state = self.lock();
        if state.waiting.is_empty() && !state.ended && !state.gone {
            state.put(HEARTBEAT);
        }
    }

    /// Ends the stream after what waits and a last event.
    pub fn end(&self, last: Bytes) {
        let mut state = self.lock();
        if !state.ended && !state.gone {
            state.put(last);
            state.ended = true;
        }
        drop(state);
        self.room.notify_waiters();
    }

    /// Whether nothing is taken any more.
    pub fn is_closed(&self) -> bool {
        let state = self.lock();
        state.ended || state.gone
    }

    /// Waits until nothing is taken any more.
    pub async fn closed(&self) {
        loop {
            let changed = self.room.notified();
            if self.is_closed() {
                return;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, context: &Context<'_>) -> Poll<Option<Bytes>> {
        let mut state = self.lock();
        let Some(event) = state.waiting.pop_front() else {
            if state.ended {
                return Poll::Ready(None);
            }
            state.reader = Some(context.waker().clone());
            return Poll::Pending;
        };
        state.bytes -= event.len();
        if state.waiting.is_empty() {
            // Most of the time nothing waits, in very many boxes.
            state.waiting = VecDeque::new();
        }
        drop(state);
        self.room.notify_waiters();
        Poll::Ready(Some(event))
    }
}

impl State {
    fn put(&mut self, event: Bytes) {
        self.bytes += event.len();
        self.waiting.push_back(event);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

/// The body of the answer.
struct Reader<G> {
    outbox: Arc<Outbox>,
    _guard: G,
}

impl<G: Unpin> http_body::Body for Reader<G> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.outbox.take(context).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}

impl<G> Drop for Reader<G> {
    fn drop(&mut self) {
        let mut state = self.outbox.lock();
        state.gone = true;
        state.waiting = VecDeque::new();
        drop(state);
        self.outbox.room.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    fn open() -> (Arc<Outbox>, Body) {
        let limits = OutboxLimits { events_max: 2, bytes_max: 10 };
        let (outbox, response) = Outbox::open(limits, ());
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        (outbox, response.into_body())
    }

    async fn next(body: &mut Body) -> Option<Bytes> {
        body.frame().await.map(|frame| frame.unwrap().into_data().unwrap())
    }

    #[test]
    fn an_event_has_its_lines() {
        let written = event("change", Some("a-1"), b"{\"x\":1}");
        assert_eq!(written, "id: a-1\nevent: change\ndata: {\"x\":1}\n\n");
        assert_eq!(event("line", None, b"a\nb"), "event: line\ndata: a\ndata: b\n\n");
    }

    #[tokio::test]
    async fn a_box_is_bounded_and_a_slow_reader_is_told_one_thing() {
        let (outbox, mut body) = open();
        assert_eq!(outbox.offer("larger than the limit".into()), Ok(()));
        assert_eq!(outbox.offer("x".into()), Err(Refused::Full));
        outbox.replace("resync".into());
        assert_eq!(outbox.offer("1234".into()), Ok(()));
        assert_eq!(outbox.offer("5".into()), Err(Refused::Full));
        outbox.heartbeat();
        assert_eq!(next(&mut body).await.unwrap(), "resync");
        assert_eq!(next(&mut body).await.unwrap(), "1234");
        outbox.heartbeat();
        assert_eq!(next(&mut body).await.unwrap(), ": ping\n\n");
    }

    #[tokio::test]
    async fn who_waits_for_room_goes_on_when_there_is_some() {
        let (outbox, mut body) = open();
        for text in ["1", "2"] {
            outbox.offer(text.into()).unwrap();
        }
        let waiting = tokio::spawn({
            let outbox = outbox.clone();
            async move { outbox.send("3".into()).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        assert_eq!(next(&mut body).await.unwrap(), "1");
        assert_eq!(waiting.await.unwrap(), Ok(()));
        assert_eq!(next(&mut body).await.unwrap(), "2");
        outbox.end("end".into());
        assert_eq!(outbox.offer("4".into()), Err(Refused::Closed));
        assert_eq!(next(&mut body).await.unwrap(), "3");
        assert_eq!(next(&mut body).await.unwrap(), "end");
        assert_eq!(next(&mut body).await, None);
    }

    #[tokio::test]
    async fn the_end_of_the_connection_is_seen() {
        let (outbox, body) = open();
        let closed = tokio::spawn({
            let outbox = outbox.clone();
            async move { outbox.closed().await }
        });
        drop(body);
        closed.await.unwrap();
        assert_eq!(outbox.send("x".into()).await, Err(Refused::Closed));
    }
}
