//! How Studio shows actions, runs and lines.

use run_log::{KeptPayload, RunDetail, RunStatus, StoredLine, StoredRun, Trigger};
use serde_json::{Value, json};
use service_kit::clock::rfc3339;

/// An action as the manifest says it.
pub(super) fn action(handler: &Value) -> Value {
    let about = &handler["action"];
    json!({
        "name": handler["name"],
        "module": about["module"],
        "description": about["description"],
        "triggers": handler["triggers"],
        "guards": handler.get("guards").cloned().unwrap_or_else(|| json!([])),
        "input": handler["input"],
        "output": handler["output"],
        "retry": about["retry"],
    })
}

/// A trigger by the name that actions know it by.
pub(super) fn trigger(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Http => "api",
        Trigger::Mcp => "tool",
        other => other.as_str(),
    }
}

pub(super) fn trigger_named(name: &str) -> Option<Trigger> {
    Trigger::ALL.iter().copied().find(|known| trigger(*known) == name)
}

/// A run without its input and output. What the caller did wrong is an error here.
pub(super) fn run(run: &StoredRun, module: Option<&str>) -> Value {
    let status = match (run.status, &run.error) {
        (RunStatus::Cancelled, _) => "cancelled",
        (RunStatus::Error, _) | (_, Some(_)) => "error",
        (RunStatus::Ok, None) => "success",
    };
    json!({
        "id": run.id,
        "action": run.handler,
        "module": module,
        "trigger": trigger(run.trigger),
        "status": status,
        "http_status": run.http_status,
        "error": run.error,
        "trace_id": run.trace_id.to_string(),
        "attempt": run.attempt,
        "version": run.version,
        "started_at": rfc3339(run.started_at_ms),
        "duration_ms": ms(run.duration_us),
        "parent_id": run.parent_id,
    })
}

/// A run with everything that is kept of it.
pub(super) fn whole_run(RunDetail { run: stored, lines }: &RunDetail, module: Option<&str>) -> Value {
    let mut view = run(stored, module);
    for (name, kept) in [("input", &stored.input), ("output", &stored.output)] {
        view[name] = kept.as_ref().map_or(Value::Null, KeptPayload::value);
        view[format!("{name}_redacted")] = kept.as_ref().is_some_and(|kept| kept.is_redacted).into();
        view[format!("{name}_truncated")] = kept.as_ref().is_some_and(|kept| kept.is_truncated).into();
    }
    view["logs"] = lines.lines.iter().map(line).collect();
    view["logs_more"] = lines.more.into();
    view
}

/// A line of the log.
pub(super) fn line(line: &StoredLine) -> Value {
    let fields: Option<Value> = line.fields.as_deref().and_then(|text| serde_json::from_str(text).ok());
    json!({
        "at": rfc3339(line.at_ms),
        "level": line.level.as_str(),
        "message": line.message,
        "fields": fields,
        "run_id": line.invocation_id,
        "version": line.version,
    })
}

/// Milliseconds with three digits behind the point.
#[expect(clippy::cast_precision_loss, reason = "a duration beyond 2^53 microseconds is 285 years")]
pub(super) fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}
