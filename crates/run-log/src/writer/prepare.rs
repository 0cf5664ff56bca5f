//! What is done to a line and to a run before they are stored: secrets are replaced, and what is too long is
//! cut. Everything behind this sees clean text only.

use crate::buffer::Waiting;
use crate::line::LogLine;
use crate::redact::{Redactor, redact_fields};
use crate::run::{Run, RunError, StoredRun};
use crate::trace::Span;
use service_kit::ids::ProjectId;
use std::borrow::Cow;

/// So much more of a text is kept until secrets were looked for, so that none is cut in two.
pub(crate) const OVERLAP_BYTES: usize = 1_024;
/// The message of a run's error is cut to so much.
pub(crate) const ERROR_BYTES_MAX: usize = 4 << 10;

/// Takes the text out of a waiting line.
pub(super) fn line(waiting: &mut Waiting<LogLine>, message_bytes_max: usize) -> LogLine {
    let mut message = std::mem::take(&mut waiting.item.message);
    let redactor = &waiting.redactor;
    clean(redactor, &mut message, message_bytes_max, waiting.missing);
    let fields = waiting.item.fields.take().map(|fields| redact_fields(redactor, &fields));
    LogLine { message, fields, ..waiting.item.clone() }
}

/// Replaces secrets and cuts; says how much is missing.
fn clean(redactor: &Redactor, text: &mut String, bytes_max: usize, missing_before: usize) {
    let missing = missing_before + redactor.redact_and_cut(text, bytes_max);
    if missing > 0 {
        text.push_str(&format!("… [{missing} bytes cut]"));
    }
}

/// Takes the texts out of a waiting run.
pub(super) fn run(waiting: &mut Waiting<Run>) -> (ProjectId, StoredRun) {
    let Waiting { item, redactor, missing, .. } = waiting;
    let error = item.error.take().map(|RunError { code, mut message }| {
        clean(redactor, &mut message, ERROR_BYTES_MAX, *missing);
        RunError { code: clean_name(redactor, code), message }
    });
    let context = item.trace.context;
    let spans = if context.sampled { std::mem::take(&mut item.spans) } else { Vec::new() };
    let span = |span: Span| Span { name: clean_name(redactor, span.name), ..span };
    let stored = StoredRun {
        cursor: 0,
        id: item.id.to_string(),
        function: item.function.to_string(),
        version: item.version.to_string(),
        handler: item.handler.as_deref().map(str::to_owned),
        trigger: item.trigger,
        status: item.status,
        http_status: item.http_status,
        started_at_ms: item.started_at_ms,
        duration_us: item.duration_us,
        queue_wait_us: item.queue_wait_us,
        cold_start_us: item.cold_start_us,
        attempt: item.attempt,
        trace_id: context.trace_id,
        span_id: context.span_id,
        parent_span_id: item.trace.parent,
        sampled: context.sampled,
        spans: spans.into_iter().map(span).collect(),
        error,
        parent_id: item.parent_id.as_deref().map(str::to_owned),
        input: item.input.take().map(|payload| payload.kept(redactor)),
        output: item.output.take().map(|payload| payload.kept(redactor)),
    };
    (item.project.clone(), stored)
}

/// Names that the program itself has are no secrets.
fn clean_name(redactor: &Redactor, name: Cow<'static, str>) -> Cow<'static, str> {
    match name {
        Cow::Borrowed(name) => Cow::Borrowed(name),
        Cow::Owned(mut name) => {
            redactor.redact(&mut name);
            Cow::Owned(name)
        }
    }
}
