//! Runs: consecutive events of one topic, kept once for all subscribers in the form in which the socket
//! carries them (`docs/buncast-protocol.md`): `length u32 | topic length u16 | topic | payload length u32 |
//! payload`, little endian, back to back. What a subscriber on the socket gets is written from here
//! without a copy; what subscribers over HTTP get is rendered once and shared.

use crate::budget::Charge;
use crate::config::FRAME_HEAD_BYTES;
use crate::render::{self, Rendered};
use bytes::Bytes;
use ports::events::{Event, Topic};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

/// A run is closed when it has this many bytes: small enough to stay in a core's cache while it is copied
/// to several subscribers.
pub(crate) const RUN_BYTES: usize = 64 << 10;

/// Events on their way to become a run.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) topic: Topic,
    pub(crate) published_at: SystemTime,
    frames: Vec<u8>,
    ends: Vec<u32>,
}

impl Draft {
    /// No events yet; `bytes` is how many their frames will have, as far as that is known.
    pub(crate) fn new(topic: Topic, published_at: SystemTime, bytes: usize) -> Self {
        Self { topic, published_at, frames: Vec::with_capacity(bytes), ends: Vec::new() }
    }

    /// One event, now.
    pub(crate) fn one(topic: &Topic, payload: &[u8]) -> Self {
        let bytes = FRAME_HEAD_BYTES + topic.as_str().len() + payload.len();
        let mut draft = Self::new(topic.clone(), SystemTime::now(), bytes);
        draft.push(payload);
        draft
    }

    /// Adds an event.
    pub(crate) fn push(&mut self, payload: &[u8]) {
        let topic = self.topic.as_str().as_bytes();
        let inner = FRAME_HEAD_BYTES - 4 + topic.len() + payload.len();
        self.frames.extend_from_slice(&(inner as u32).to_le_bytes());
        self.frames.extend_from_slice(&(topic.len() as u16).to_le_bytes());
        self.frames.extend_from_slice(topic);
        self.frames.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        self.frames.extend_from_slice(payload);
        self.ends.push(self.frames.len() as u32);
    }

    /// Adds an event whose frame is there already.
    pub(crate) fn push_frame(&mut self, frame: &[u8]) {
        self.frames.extend_from_slice(frame);
        self.ends.push(self.frames.len() as u32);
    }

    /// Events.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of their frames.
    pub(crate) fn bytes(&self) -> usize {
        self.frames.len()
    }

    /// The payloads, in order.
    pub(crate) fn payloads(&self) -> impl Iterator<Item = &[u8]> {
        let skip = FRAME_HEAD_BYTES + self.topic.as_str().len();
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(move |(start, end)| &self.frames[start as usize + skip..*end as usize])
    }

    /// The run; `first_offset` is the number of its first event in the topic's log.
    pub(crate) fn finish(self, first_offset: Option<u64>, charge: Charge) -> Arc<Run> {
        let Self { topic, published_at, frames, ends } = self;
        let frames = Bytes::from(frames);
        Arc::new(Run { topic, published_at, first_offset, frames, ends, rendered: OnceLock::new(), charge })
    }
}

/// Consecutive events of one topic.
#[derive(Debug)]
pub struct Run {
    topic: Topic,
    published_at: SystemTime,
    first_offset: Option<u64>,
    frames: Bytes,
    ends: Vec<u32>,
    rendered: OnceLock<Rendered>,
    charge: Charge,
}

impl Run {
    /// The topic of all of them.
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    pub(crate) fn published_at(&self) -> SystemTime {
        self.published_at
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    fn start(&self, index: usize) -> usize {
        if index == 0 { 0 } else { self.ends[index - 1] as usize }
    }

    /// Bytes of the frames from `index` on.
    pub(crate) fn bytes_from(&self, index: usize) -> usize {
        self.frames.len() - self.start(index)
    }

    pub(crate) fn payload(&self, index: usize) -> Bytes {
        let skip = FRAME_HEAD_BYTES + self.topic.as_str().len();
        self.frames.slice(self.start(index) + skip..self.ends[index] as usize)
    }

    pub(crate) fn offset(&self, index: usize) -> Option<u64> {
        self.first_offset.map(|first| first + index as u64)
    }

    /// Only the last event, without holding the others in memory.
    pub(crate) fn last_alone(self: &Arc<Self>) -> Arc<Self> {
        let last = self.len() - 1;
        if last == 0 {
            return self.clone();
        }
        let frame = &self.frames[self.start(last)..];
        let mut draft = Draft::new(self.topic.clone(), self.published_at, frame.len());
        draft.push_frame(frame);
        draft.finish(self.offset(last), self.charge.same(frame.len()))
    }

    fn rendered(&self) -> &Rendered {
        self.rendered.get_or_init(|| {
            let rendered = render::run(self);
            self.charge.add(rendered.bytes());
            rendered
        })
    }
}

/// The events of a run from one on: what is left of it for a subscriber.
#[derive(Debug, Clone)]
pub struct Part {
    run: Arc<Run>,
    from: usize,
}

impl Part {
    pub(crate) fn new(run: Arc<Run>, from: usize) -> Self {
        Self { run, from }
    }

    /// The topic of all of them.
    pub fn topic(&self) -> &Topic {
        self.run.topic()
    }

    /// How many.
    #[expect(clippy::len_without_is_empty, reason = "a part is never empty")]
    pub fn len(&self) -> usize {
        self.run.len() - self.from
    }

    /// The number of the first in the topic's log.
    pub fn first_offset(&self) -> Option<u64> {
        self.run.offset(self.from)
    }

    /// The events.
    pub fn events(&self) -> impl Iterator<Item = Event> {
        (self.from..self.run.len()).map(|index| Event {
            topic: self.run.topic.clone(),
            payload: self.run.payload(index),
            offset: self.run.offset(index),
            published_at: self.run.published_at,
        })
    }

    /// Their frames in the form of the socket protocol.
    pub(crate) fn frames(&self) -> Bytes {
        self.run.frames.slice(self.run.start(self.from)..)
    }

    /// Their frames in the form of an event stream (SSE).
    pub(crate) fn sse(&self) -> Bytes {
        self.run.rendered().sse_from(self.from)
    }

    /// Each as JSON text.
    pub(crate) fn json(&self) -> impl Iterator<Item = Bytes> {
        (self.from..self.run.len()).map(|index| self.run.rendered().json(index))
    }

    /// Leaves out the first `count`.
    pub(crate) fn skip(&mut self, count: usize) {
        self.from += count;
    }

    pub(crate) fn bytes(&self) -> usize {
        self.run.bytes_from(self.from)
    }

    /// Bytes of the first `count` frames.
    pub(crate) fn bytes_of_first(&self, count: usize) -> usize {
        self.bytes() - self.run.bytes_from(self.from + count)
    }
}
