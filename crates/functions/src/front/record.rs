//! Calls as runs: one begins with each call, knows its place in a trace, and is recorded when it is dropped, as
//! cancelled unless told otherwise. While it goes on, what its handler calls finds it by the invocation's id.

use super::headers;
use crate::registry::Owner;
use actions::tables::Tables;
use http::{HeaderMap, StatusCode};
use ports::sql::Sql as _;
use run_log::{
    OpenSpan, Payload, Run, RunError, RunLog, RunStatus, RunTrace, Span, SpanId, SpanKind, Spans,
    TraceContext, Trigger,
};
use service_kit::clock::now_ms;
use service_kit::ids::{IdHasher, IdMap};
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use worker_pool::Waited;

/// Calls of different shards do not wait for each other.
const SHARDS: usize = 16;

/// What makes a call happen.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) trigger: Trigger,
    /// The call that makes it.
    pub(crate) parent_id: Option<Arc<str>>,
    /// The handler that is meant, where a trigger names one.
    pub(crate) handler: Option<Arc<str>>,
    /// 1, and more where a job is tried again.
    pub(crate) attempt: u32,
}

impl Origin {
    /// A request.
    pub(crate) const HTTP: Self = Self { trigger: Trigger::Http, parent_id: None, handler: None, attempt: 1 };

    /// A developer at a command line.
    pub(crate) const CLI: Self = Self { trigger: Trigger::Cli, ..Self::HTTP };

    /// A call over gRPC.
    pub(crate) const GRPC: Self = Self { trigger: Trigger::Grpc, ..Self::HTTP };

    /// Another call of the project.
    pub(crate) fn inside(parent_id: Option<Arc<str>>) -> Self {
        Self { trigger: Trigger::Function, parent_id, ..Self::HTTP }
    }
}

/// A call that begins.
pub(crate) struct Begun {
    pub(crate) owner: Arc<Owner>,
    pub(crate) id: Arc<str>,
    pub(crate) origin: Origin,
}

/// A call that goes on, as what its handler calls finds it.
struct LiveCall {
    owner: Arc<Owner>,
    context: TraceContext,
    handler: OpenSpan,
}

type Shard = IdMap<Arc<str>, LiveCall>;

/// Records calls.
pub(crate) struct Recorder {
    logs: Arc<RunLog>,
    /// What a call has open there ends with it.
    tables: Arc<Tables>,
    live: [Mutex<Shard>; SHARDS],
    hasher: IdHasher,
}

impl Recorder {
    pub(crate) fn new(logs: Arc<RunLog>, tables: Arc<Tables>) -> Self {
        Self { logs, tables, live: std::array::from_fn(|_| Mutex::default()), hasher: IdHasher::default() }
    }

    fn shard(&self, id: &str) -> MutexGuard<'_, Shard> {
        let number = usize::try_from(self.hasher.hash_one(id) % SHARDS as u64).unwrap_or(0);
        self.live[number].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a call with the trace that its headers name, and leaves in them what the handler sends on.
    pub(crate) fn begin(&self, call: Begun, headers: &mut HeaderMap) -> Recording<'_> {
        let Begun { owner, id, origin } = call;
        let trace = self.logs.begin_trace(&owner.project, headers::traceparent(headers));
        headers::set_trace(headers, &trace);
        let spans = Spans::of(trace.context);
        let handler = spans.begin(SpanKind::Handler, "handler");
        let live = LiveCall { owner: owner.clone(), context: trace.context, handler };
        self.shard(&id).insert(id.clone(), live);
        Recording {
            recorder: self,
            owner,
            id,
            origin,
            trace,
            spans,
            started: Instant::now(),
            started_at_ms: now_ms(),
            waited: Waited::default(),
            action: ActionRun::default(),
            ended: Ended { status: RunStatus::Cancelled, http_status: None, error: None },
        }
    }

    /// Begins a call to a port in the course of the call `id` of the project, where that goes on.
    pub(crate) fn port_span(
        &self,
        project: &str,
        id: &str,
        name: impl FnOnce() -> String,
    ) -> Option<PortSpan> {
        let shard = self.shard(id);
        let call = shard.get(id).filter(|call| call.owner.project.as_str() == project)?;
        if call.handler.context().is_none() {
            return Some(PortSpan { context: call.context, span: None });
        }
        let span = call.handler.begin(SpanKind::Port, name());
        Some(PortSpan { context: span.context().unwrap_or(call.context), span: Some(span) })
    }
}

/// A call to a port that goes on; it ends when it is dropped.
pub(crate) struct PortSpan {
    /// What the receiver is under.
    pub(crate) context: TraceContext,
    span: Option<OpenSpan>,
}

impl PortSpan {
    pub(crate) fn ended(mut self, status: StatusCode) {
        if let Some(span) =
            self.span.as_mut().filter(|_| status.is_client_error() || status.is_server_error())
        {
            span.fail();
        }
    }
}

/// What is known of the run of an action besides.
#[derive(Default)]
pub(crate) struct ActionRun {
    /// Its name.
    pub(crate) name: Option<Arc<str>>,
    pub(crate) input: Option<Payload>,
    pub(crate) output: Option<Payload>,
    /// What the answer says that went wrong.
    pub(crate) error: Option<RunError>,
    /// The application keeps no runs: it is only counted.
    pub(crate) is_only_counted: bool,
}

struct Ended {
    status: RunStatus,
    http_status: Option<u16>,
    error: Option<RunError>,
}

/// One call that goes on.
pub(crate) struct Recording<'a> {
    recorder: &'a Recorder,
    owner: Arc<Owner>,
    id: Arc<str>,
    origin: Origin,
    trace: RunTrace,
    spans: Spans,
    started: Instant,
    started_at_ms: i64,
    /// What it waited for so far.
    pub(crate) waited: Waited,
    /// Filled in by the stages of an action.
    pub(crate) action: ActionRun,
    ended: Ended,
}

impl Recording<'_> {
    /// Names the trace that it is part of.
    pub(crate) fn trace_id(&self) -> String {
        self.trace.context.trace_id.to_string()
    }

    /// The handler answered. A status of 500 and above is an error with the code `http_<status>`, as it is for
    /// servers in OpenTelemetry; what the caller did wrong is none. An action's own words are kept for both.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        let http_status = Some(status.as_u16());
        let told = self.action.error.take();
        self.ended = Ended { status: RunStatus::Ok, http_status, error: told };
        if status.is_server_error() {
            self.ended.status = RunStatus::Error;
            self.ended.error.get_or_insert_with(|| RunError {
                code: format!("http_{}", status.as_u16()).into(),
                message: format!("the handler answered {status}"),
            });
        }
    }

    /// There is no answer of the handler.
    pub(crate) fn failed(&mut self, status: StatusCode, code: &'static str, message: String) {
        self.ended = Ended {
            status: RunStatus::Error,
            http_status: Some(status.as_u16()),
            error: Some(RunError { code: code.into(), message }),
        };
    }

    fn spans(&self, duration_us: u64) -> Vec<Span> {
        let (mut spans, _too_many) = self.spans.take();
        if !self.trace.context.sampled {
            return spans;
        }
        let (queue_us, start_us) = (micros(self.waited.queue), self.waited.cold_start.map(micros));
        let waited_us = micros(self.waited.total());
        for span in spans.iter_mut().filter(|span| span.kind == SpanKind::Handler) {
            (span.start_us, span.duration_us) = (waited_us, duration_us.saturating_sub(waited_us));
            span.failed = self.ended.status == RunStatus::Error;
        }
        let before = |kind: SpanKind, start_us, duration_us| Span {
            id: SpanId::generate(),
            parent: self.trace.context.span_id,
            kind,
            name: kind.as_str().into(),
            start_us,
            duration_us,
            failed: false,
        };
        if queue_us > 0 {
            spans.push(before(SpanKind::QueueWait, 0, queue_us));
        }
        spans.extend(start_us.map(|start_us| before(SpanKind::ColdStart, queue_us, start_us)));
        spans.sort_by_key(|span| span.start_us);
        spans
    }
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        let live = self.recorder.shard(&self.id).remove(&self.id);
        self.recorder.tables.end_invocation(&self.id);
        // The span of the handler ends here.
        drop(live);
        let duration_us = micros(self.started.elapsed());
        let spans = self.spans(duration_us);
        let ActionRun { name, input, output, is_only_counted, .. } = std::mem::take(&mut self.action);
        let run = Run {
            id: self.id.clone(),
            project: self.owner.project.clone(),
            function: self.owner.function.clone(),
            version: self.owner.version.clone(),
            handler: name.or_else(|| self.origin.handler.take()),
            trigger: self.origin.trigger,
            status: self.ended.status,
            http_status: self.ended.http_status,
            started_at_ms: self.started_at_ms,
            duration_us,
            queue_wait_us: micros(self.waited.queue),
            cold_start_us: self.waited.cold_start.map(micros),
            attempt: self.origin.attempt,
            trace: self.trace,
            spans,
            error: self.ended.error.take(),
            parent_id: self.origin.parent_id.take(),
            input,
            output,
        };
        if is_only_counted { self.recorder.logs.count(&run) } else { self.recorder.logs.record(run) }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
