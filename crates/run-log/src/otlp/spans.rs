//! Runs as spans: the run itself, and what it spent its time with below it.

use super::message::{by_owner, nanos, number_attribute, resource, scope, text_attribute};
use crate::run::{RunStatus, StoredRun, Trigger};
use crate::trace::{Span as Part, SpanId, SpanKind as PartKind};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use service_kit::ids::ProjectId;

/// `TraceFlags` of a sampled span.
const SAMPLED: u32 = 1;

pub(super) fn request(runs: &[(ProjectId, StoredRun)]) -> ExportTraceServiceRequest {
    let grouped =
        by_owner(runs, |(project, run)| (project.as_str(), run.function.as_str(), run.version.as_str()));
    let resource_spans = grouped.into_iter().map(|(owner, runs)| ResourceSpans {
        resource: Some(resource(owner)),
        scope_spans: vec![ScopeSpans {
            scope: Some(scope()),
            spans: runs.into_iter().flat_map(|(_, run)| spans(run)).collect(),
            ..ScopeSpans::default()
        }],
        ..ResourceSpans::default()
    });
    ExportTraceServiceRequest { resource_spans: resource_spans.collect() }
}

fn spans(run: &StoredRun) -> Vec<Span> {
    let start = nanos(run.started_at_ms);
    let parts = run.spans.iter().map(|part| of_part(run, part, start));
    std::iter::once(of_run(run, start)).chain(parts).collect()
}

fn of_run(run: &StoredRun, start: u64) -> Span {
    let kind = match run.trigger {
        Trigger::Event | Trigger::Queue => SpanKind::Consumer,
        Trigger::Cron | Trigger::Cli | Trigger::Call => SpanKind::Internal,
        Trigger::Http | Trigger::Webhook | Trigger::Mcp | Trigger::Grpc | Trigger::Function => {
            SpanKind::Server
        }
    };
    Span {
        trace_id: run.trace_id.as_bytes().to_vec(),
        span_id: run.span_id.as_bytes().to_vec(),
        parent_span_id: run.parent_span_id.as_ref().map(SpanId::as_bytes).unwrap_or_default().to_vec(),
        flags: SAMPLED,
        name: run.handler.clone().unwrap_or_else(|| run.function.clone()),
        kind: kind.into(),
        start_time_unix_nano: start,
        end_time_unix_nano: start + run.duration_us.saturating_mul(1_000),
        attributes: attributes(run),
        status: Some(status(run)),
        ..Span::default()
    }
}

/// Names of the semantic conventions for functions.
fn attributes(run: &StoredRun) -> Vec<KeyValue> {
    let is_cold = AnyValue { value: Some(Value::BoolValue(run.cold_start_us.is_some())) };
    let mut attributes = vec![
        text_attribute("faas.invocation_id", &run.id),
        text_attribute("faas.trigger", run.trigger.as_str()),
        KeyValue { key: "faas.coldstart".to_owned(), value: Some(is_cold), ..KeyValue::default() },
        number_attribute("bunbase.attempt", i64::from(run.attempt)),
    ];
    if let Some(status) = run.http_status {
        attributes.push(number_attribute("http.response.status_code", i64::from(status)));
    }
    if let Some(error) = &run.error {
        attributes.push(text_attribute("error.type", &error.code));
    }
    attributes
}

fn status(run: &StoredRun) -> Status {
    match run.status {
        RunStatus::Error => Status {
            code: StatusCode::Error.into(),
            message: run.error.as_ref().map(|error| error.message.clone()).unwrap_or_default(),
        },
        RunStatus::Ok | RunStatus::Cancelled => Status::default(),
    }
}

fn of_part(run: &StoredRun, part: &Part, run_start: u64) -> Span {
    let start = run_start + part.start_us.saturating_mul(1_000);
    let kind = match part.kind {
        PartKind::Port => SpanKind::Client,
        PartKind::QueueWait | PartKind::ColdStart | PartKind::Handler => SpanKind::Internal,
    };
    let code = if part.failed { StatusCode::Error } else { StatusCode::Unset };
    Span {
        trace_id: run.trace_id.as_bytes().to_vec(),
        span_id: part.id.as_bytes().to_vec(),
        parent_span_id: part.parent.as_bytes().to_vec(),
        flags: SAMPLED,
        name: part.name.to_string(),
        kind: kind.into(),
        start_time_unix_nano: start,
        end_time_unix_nano: start + part.duration_us.saturating_mul(1_000),
        status: Some(Status { code: code.into(), ..Status::default() }),
        ..Span::default()
    }
}
