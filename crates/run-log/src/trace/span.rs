//! Spans: what a run spends its time with. Collected while it runs, from whichever task, and bounded.

use super::context::TraceContext;
use super::id::SpanId;
use serde::Serialize;
use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Spans of one run at most; later ones are counted.
const SPANS_MAX: usize = 128;
/// Bytes of a span's name at most.
const NAME_BYTES_MAX: usize = 200;

/// What a span is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SpanKind {
    /// Waiting for a worker.
    QueueWait,
    /// Starting a worker.
    ColdStart,
    /// Running the handler.
    Handler,
    /// A call of the handler to a port: documents, keys, events, other functions.
    Port,
}

impl SpanKind {
    const ALL: [Self; 4] = [Self::QueueWait, Self::ColdStart, Self::Handler, Self::Port];

    /// `queue_wait`, `cold_start`, `handler` or `port`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::QueueWait => "queue_wait",
            Self::ColdStart => "cold_start",
            Self::Handler => "handler",
            Self::Port => "port",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A part of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Its id.
    pub id: SpanId,
    /// The span that it is part of: the run's own, or another one of the run.
    pub parent: SpanId,
    /// What it is about.
    pub kind: SpanKind,
    /// Which one, such as `documents.find places`.
    pub name: Cow<'static, str>,
    /// When it began, after the start of the run.
    pub start_us: u64,
    /// How long it took.
    pub duration_us: u64,
    /// Whether it ended with an error.
    pub failed: bool,
}

#[derive(Debug)]
struct Collected {
    context: TraceContext,
    started: Instant,
    spans: Mutex<(Vec<Span>, u64)>,
}

/// The spans of a run that is going on. Clones add to the same run. Of a trace that is not sampled nothing is
/// collected.
#[derive(Debug, Clone)]
pub struct Spans(Option<Arc<Collected>>);

impl Spans {
    /// For a run whose own span is `context`, from now on.
    pub fn of(context: TraceContext) -> Self {
        let collected = || Collected { context, started: Instant::now(), spans: Mutex::default() };
        Self(context.sampled.then(|| Arc::new(collected())))
    }

    /// Begins a span under the run's own. It ends when it is dropped.
    pub fn begin(&self, kind: SpanKind, name: impl Into<Cow<'static, str>>) -> OpenSpan {
        let parent = self.0.as_ref().map(|collected| collected.context.span_id);
        self.begin_under(parent, kind, name)
    }

    fn begin_under(
        &self,
        parent: Option<SpanId>,
        kind: SpanKind,
        name: impl Into<Cow<'static, str>>,
    ) -> OpenSpan {
        let open = self.0.clone().zip(parent).map(|(run, parent)| Open {
            context: run.context.child(),
            run,
            parent,
            kind,
            name: name.into(),
            began: Instant::now(),
            failed: false,
        });
        OpenSpan(open)
    }

    /// What was collected so far, in the order in which it ended, and how many were too many.
    pub fn take(&self) -> (Vec<Span>, u64) {
        let Some(collected) = &self.0 else { return (Vec::new(), 0) };
        std::mem::take(&mut *collected.spans.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Debug)]
struct Open {
    run: Arc<Collected>,
    context: TraceContext,
    parent: SpanId,
    kind: SpanKind,
    name: Cow<'static, str>,
    began: Instant,
    failed: bool,
}

/// A span that is going on; it ends when it is dropped.
#[derive(Debug)]
#[must_use = "a span ends when it is dropped"]
pub struct OpenSpan(Option<Open>);

impl OpenSpan {
    /// What to send on, so that the receiver's spans are under this one; none where nothing is collected.
    pub fn context(&self) -> Option<TraceContext> {
        self.0.as_ref().map(|open| open.context)
    }

    /// Begins a span under this one.
    pub fn begin(&self, kind: SpanKind, name: impl Into<Cow<'static, str>>) -> Self {
        let Some(open) = &self.0 else { return Self(None) };
        Spans(Some(open.run.clone())).begin_under(Some(open.context.span_id), kind, name)
    }

    /// It ended with an error.
    pub fn fail(&mut self) {
        if let Some(open) = &mut self.0 {
            open.failed = true;
        }
    }
}

impl Drop for OpenSpan {
    fn drop(&mut self) {
        let Some(open) = self.0.take() else { return };
        let mut guard = open.run.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let (spans, too_many) = &mut *guard;
        if spans.len() >= SPANS_MAX {
            *too_many += 1;
            return;
        }
        let mut name = open.name;
        if name.len() > NAME_BYTES_MAX {
            let end = name.floor_char_boundary(NAME_BYTES_MAX);
            name = Cow::Owned(name[..end].to_owned());
        }
        spans.push(Span {
            id: open.context.span_id,
            parent: open.parent,
            kind: open.kind,
            name,
            start_us: micros(open.began.duration_since(open.run.started)),
            duration_us: micros(open.began.elapsed()),
            failed: open.failed,
        });
    }
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_know_their_parents_and_what_failed() {
        let context = TraceContext::root(true);
        let spans = Spans::of(context);
        let handler = spans.begin(SpanKind::Handler, "handler");
        let mut port = handler.begin(SpanKind::Port, "documents.find places");
        port.fail();
        assert_eq!(port.context().unwrap().trace_id, context.trace_id);
        drop(port);
        drop(handler);
        let (spans, too_many) = spans.take();
        let [port, handler] = &spans[..] else { panic!("two spans: {spans:?}") };
        assert_eq!((handler.parent, port.parent), (context.span_id, handler.id));
        assert_eq!((handler.failed, port.failed, too_many), (false, true, 0));
        assert!(handler.start_us <= port.start_us && port.duration_us <= handler.duration_us);
    }

    #[test]
    fn a_trace_that_is_not_sampled_collects_nothing() {
        let spans = Spans::of(TraceContext::root(false));
        let open = spans.begin(SpanKind::Handler, "handler");
        assert!(open.context().is_none() && open.begin(SpanKind::Port, "kv.get").context().is_none());
        drop(open);
        assert_eq!(spans.take(), (Vec::new(), 0));
    }

    #[test]
    fn spans_of_a_run_are_bounded_and_names_are_cut() {
        let spans = Spans::of(TraceContext::root(true));
        for _ in 0..SPANS_MAX + 5 {
            drop(spans.begin(SpanKind::Port, "x".repeat(1_000)));
        }
        let (kept, too_many) = spans.take();
        assert_eq!((kept.len(), too_many, kept[0].name.len()), (SPANS_MAX, 5, NAME_BYTES_MAX));
    }
}
