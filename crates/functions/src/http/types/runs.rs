//! Runs, traces and figures of functions, in JSON.

use super::LogView;
use crate::runtime::Activity;
use run_log::{Chart, ChartWindow, Figures, Point, RunDetail, Span, StoredRun, VersionFigures};
use serde::Serialize;
use service_kit::clock::rfc3339;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use utoipa::ToSchema;

/// The names of a project's functions, by their ids.
pub(crate) type Names = HashMap<String, String>;

/// One call of a function, after its end. Durations are microseconds.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunView {
    /// The invocation's id.
    id: String,
    function_id: String,
    /// Null where the function is gone.
    function: Option<String>,
    version: String,
    /// The handler of the manifest; null where it was called by its address.
    handler: Option<String>,
    /// `http`, `cron`, `event`, `queue`, `webhook`, `mcp`, `cli`, `grpc`, `function` or `call`.
    trigger: String,
    /// `ok`, `error` or `cancelled`: the caller went away.
    status: String,
    http_status: Option<u16>,
    started_at: String,
    /// From the start to the answer, waiting included.
    duration_us: u64,
    /// Waiting for a worker.
    queue_wait_us: u64,
    /// Waiting for the start of a worker; null where one was there.
    cold_start_us: Option<u64>,
    /// 1 for the first.
    attempt: u32,
    trace_id: String,
    span_id: String,
    parent_span_id: Option<String>,
    /// Whether it has spans.
    sampled: bool,
    /// Why it failed; null where it did not.
    error: Option<RunErrorView>,
    /// The call that made it.
    parent_id: Option<String>,
}

/// Why a call failed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunErrorView {
    /// That of the answer, or `http_<status>` where the handler answered 500 and above.
    code: String,
    message: String,
}

/// Calls, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunList {
    pub(crate) runs: Vec<RunView>,
    /// Given as `cursor`, it asks for older ones; absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_cursor: Option<String>,
}

/// A part of a call.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SpanView {
    id: String,
    /// The span that it is part of: the call's own, or another one of the call.
    parent_id: String,
    /// `queue_wait`, `cold_start`, `handler` or `port`.
    kind: String,
    name: String,
    /// After the start of the call.
    start_us: u64,
    duration_us: u64,
    failed: bool,
}

/// A call with its parts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TracedRun {
    #[serde(flatten)]
    run: RunView,
    spans: Vec<SpanView>,
}

/// A call with its parts and its first lines.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunDetailView {
    #[serde(flatten)]
    run: TracedRun,
    /// The oldest first.
    logs: Vec<LogView>,
    /// Whether there are more: `…/logs?invocation_id=` has them all.
    logs_more: bool,
}

/// Calls of traces, with their parts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TraceList {
    pub(crate) runs: Vec<TracedRun>,
}

/// Figures of a function over a window of time. Each entry has `calls`, `errors`, `errors_by_code`, `cancelled`,
/// `cold_starts`, `duration` and `queue_wait` (`mean_us`, `p50_us`, `p95_us`, `p99_us`, `max_us`), and what was not kept.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MetricsView {
    /// `1h`, `24h` or `7d`.
    #[schema(value_type = String)]
    window: ChartWindow,
    /// Milliseconds of one point.
    step_ms: i64,
    /// Each begins at its `at_ms`; the oldest first, those without calls included.
    #[schema(value_type = Vec<Object>)]
    points: Vec<Point>,
    /// All points together.
    #[schema(value_type = Object)]
    total: Figures,
    /// The same for each `version` that was called.
    #[schema(value_type = Vec<Object>)]
    versions: Vec<VersionFigures>,
    /// What each version that takes calls is doing at this moment.
    now: Vec<ActivityView>,
}

/// What a version is doing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ActivityView {
    version: String,
    /// Worker processes, or instances of QuickJS.
    workers: usize,
    /// Calls that they have.
    in_flight: usize,
    /// Calls that wait for one of them.
    queued: usize,
    /// What they hold: anonymous memory of processes, or the heaps of instances.
    memory_bytes: u64,
    /// Processor time since the version was loaded, starts of workers included.
    cpu_us: u64,
}

impl MetricsView {
    pub(crate) fn of(chart: Chart, now: BTreeMap<Arc<str>, Activity>) -> Self {
        let Chart { window, step_ms, points, total, versions } = chart;
        let now = now.into_iter().map(|(version, now)| ActivityView {
            version: version.to_string(),
            workers: now.workers,
            in_flight: now.in_flight,
            queued: now.queued,
            memory_bytes: now.memory_bytes,
            cpu_us: u64::try_from(now.cpu.as_micros()).unwrap_or(u64::MAX),
        });
        Self { window, step_ms, points, total, versions, now: now.collect() }
    }
}

impl RunView {
    pub(crate) fn of(run: StoredRun, names: &Names) -> Self {
        Self {
            id: run.id,
            function: names.get(&run.function).cloned(),
            function_id: run.function,
            version: run.version,
            handler: run.handler,
            trigger: run.trigger.as_str().to_owned(),
            status: run.status.as_str().to_owned(),
            http_status: run.http_status,
            started_at: rfc3339(run.started_at_ms),
            duration_us: run.duration_us,
            queue_wait_us: run.queue_wait_us,
            cold_start_us: run.cold_start_us,
            attempt: run.attempt,
            trace_id: run.trace_id.to_string(),
            span_id: run.span_id.to_string(),
            parent_span_id: run.parent_span_id.map(|id| id.to_string()),
            sampled: run.sampled,
            error: run
                .error
                .map(|error| RunErrorView { code: error.code.into_owned(), message: error.message }),
            parent_id: run.parent_id,
        }
    }
}

impl TracedRun {
    pub(crate) fn of(mut run: StoredRun, names: &Names) -> Self {
        let spans = std::mem::take(&mut run.spans).into_iter().map(SpanView::from).collect();
        Self { run: RunView::of(run, names), spans }
    }
}

impl RunDetailView {
    pub(crate) fn of(RunDetail { run, lines }: RunDetail, names: &Names) -> Self {
        Self {
            run: TracedRun::of(run, names),
            logs: lines.lines.into_iter().map(LogView::from).collect(),
            logs_more: lines.more,
        }
    }
}

impl From<Span> for SpanView {
    fn from(span: Span) -> Self {
        Self {
            id: span.id.to_string(),
            parent_id: span.parent.to_string(),
            kind: span.kind.as_str().to_owned(),
            name: span.name.into_owned(),
            start_us: span.start_us,
            duration_us: span.duration_us,
            failed: span.failed,
        }
    }
}
