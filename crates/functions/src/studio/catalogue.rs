//! What Studio's API has: one row for each endpoint, which is its route, its action in the manifest and its guard.

use http::Method;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use service_kit::error::{ApiError, ErrorCode};

/// Who may look.
const READ: &str = "studio.read";
/// Who may run, cancel and replay.
const MANAGE: &str = "studio.runtime.manage";
/// Items of one page.
const PAGE: usize = 20;
const PAGE_MAX: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Actions,
    Action,
    RunAction,
    Runs,
    LiveRuns,
    Run,
    Rerun,
    Queues,
    Jobs,
    RetryJob,
    CancelJob,
    Schedules,
    RunSchedule,
    Logs,
    LiveLogs,
    Health,
}

struct Row {
    endpoint: Endpoint,
    name: &'static str,
    path: &'static str,
    description: &'static str,
    /// Properties of the input.
    input: fn() -> Value,
}

impl Row {
    fn changes(&self) -> bool {
        use Endpoint::{CancelJob, Rerun, RetryJob, RunAction, RunSchedule};
        matches!(self.endpoint, RunAction | Rerun | RetryJob | CancelJob | RunSchedule)
    }

    fn method(&self) -> Method {
        if self.changes() { Method::POST } else { Method::GET }
    }
}

const fn row(
    (endpoint, name): (Endpoint, &'static str),
    (path, description): (&'static str, &'static str),
    input: fn() -> Value,
) -> Row {
    Row { endpoint, name, path, description, input }
}

/// A path with a name in it comes after the one that has a word there.
const ROWS: [Row; 16] = [
    row(
        (Endpoint::Actions, "studio.actions.list"),
        ("/actions", "Actions with triggers, guards and schemas"),
        paged,
    ),
    row((Endpoint::Action, "studio.actions.get"), ("/actions/:name", "One action"), named),
    row(
        (Endpoint::RunAction, "studio.actions.run"),
        ("/actions/:name/run", "Run an action with an input"),
        run_input,
    ),
    row((Endpoint::Runs, "studio.runs.list"), ("/runs", "Runs, the newest first"), runs_input),
    row(
        (Endpoint::LiveRuns, "studio.runs.live"),
        ("/runs/live", "Runs as they end (server-sent events)"),
        nothing,
    ),
    row((Endpoint::Run, "studio.runs.get"), ("/runs/:id", "A run with input, output and lines"), identified),
    row(
        (Endpoint::Rerun, "studio.runs.rerun"),
        ("/runs/:id/rerun", "Run again with the same input"),
        identified,
    ),
    row((Endpoint::Queues, "studio.queue.list"), ("/queue", "Queues and what stands in them"), nothing),
    row((Endpoint::Jobs, "studio.queue.jobs"), ("/queue/jobs", "Jobs, or dead letters"), jobs_input),
    row(
        (Endpoint::RetryJob, "studio.queue.retry"),
        ("/queue/jobs/:id/retry", "Put a dead letter back"),
        identified,
    ),
    row((Endpoint::CancelJob, "studio.queue.cancel"), ("/queue/jobs/:id/cancel", "Remove a job"), identified),
    row(
        (Endpoint::Schedules, "studio.schedules.list"),
        ("/schedules", "Schedules with their next times"),
        paged,
    ),
    row(
        (Endpoint::RunSchedule, "studio.schedules.run"),
        ("/schedules/:name/run", "Run a schedule now"),
        named,
    ),
    row((Endpoint::Logs, "studio.logs.list"), ("/logs", "Lines of the log, the newest first"), logs_input),
    row(
        (Endpoint::LiveLogs, "studio.logs.live"),
        ("/logs/live", "Lines as they come (server-sent events)"),
        tail_input,
    ),
    row((Endpoint::Health, "studio.health"), ("/health", "What the application is doing"), nothing),
];

/// The endpoint of a request.
pub(super) struct Found {
    /// Its place in the catalogue.
    pub(super) index: usize,
    pub(super) endpoint: Endpoint,
    /// Of the path, decoded.
    pub(super) parameters: Vec<(String, String)>,
}

/// Finds the endpoint of a path behind `api_path`.
pub(super) fn find(method: &Method, path: &str) -> Result<Found, ApiError> {
    let mut with_path = ROWS.iter().enumerate().filter_map(|(index, row)| {
        let parameters = matched(row.path, path)?;
        Some((index, row, parameters))
    });
    let Some((index, row, parameters)) = with_path.next() else {
        return Err(ApiError::new(ErrorCode::NotFound, "Studio has nothing at this path"));
    };
    let is_meant = row.method() == *method || (row.method() == Method::GET && *method == Method::HEAD);
    if !is_meant {
        let error = ApiError::new(ErrorCode::MethodNotAllowed, format!("this path takes {}", row.method()));
        return Err(error.with_details(json!({ "allow": row.method().as_str() })));
    }
    Ok(Found { index, endpoint: row.endpoint, parameters })
}

fn matched(pattern: &str, path: &str) -> Option<Vec<(String, String)>> {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    let mut parameters = Vec::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(parameters),
            (Some(wanted), Some(given)) => match wanted.strip_prefix(':') {
                Some(_) if given.is_empty() => return None,
                Some(name) => {
                    let value = percent_decode_str(given).decode_utf8().ok()?;
                    parameters.push((name.to_owned(), value.into_owned()));
                }
                None if wanted != given => return None,
                None => {}
            },
            _ => return None,
        }
    }
}

/// The endpoints as handlers of a manifest, in the order of the catalogue.
pub(crate) fn handlers(api_path: &str) -> impl Iterator<Item = Value> {
    ROWS.iter().map(move |row| {
        let permission = if row.changes() { MANAGE } else { READ };
        let properties = (row.input)();
        let of_path = row.path.split('/').filter_map(|part| part.strip_prefix(':'));
        let required: Vec<&str> = of_path.collect();
        json!({
            "name": row.name,
            "triggers": [{
                "kind": "http", "methods": [row.method().as_str()], "path": format!("{api_path}{}", row.path),
            }],
            "guards": [{ "name": "operator", "options": { "permission": permission } }],
            "input": {
                "type": "object", "properties": properties, "required": required, "additionalProperties": false,
            },
            "action": { "module": "studio", "description": row.description },
            "internal": true,
        })
    })
}

fn nothing() -> Value {
    json!({})
}

fn with(mut properties: Value, more: Value) -> Value {
    if let (Value::Object(all), Value::Object(more)) = (&mut properties, more) {
        all.extend(more);
    }
    properties
}

fn paged() -> Value {
    json!({
        "cursor": { "type": "string", "description": "`meta.cursor` of the page before" },
        "limit": { "type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE },
    })
}

fn named() -> Value {
    json!({ "name": { "type": "string" } })
}

fn identified() -> Value {
    json!({ "id": { "type": "string" } })
}

fn run_input() -> Value {
    with(
        named(),
        json!({
            "input": { "description": "What the action is given; {} where absent" },
            "as": { "type": "string", "description": "Id or e-mail address of the user to run it as; for the developer's token" },
        }),
    )
}

/// In the form that TypeBox gives it, which is checked in the server.
fn one_of(words: &[&str]) -> Value {
    let words: Vec<Value> = words.iter().map(|word| json!({ "type": "string", "const": word })).collect();
    json!({ "anyOf": words })
}

fn window() -> Value {
    json!({
        "since": { "type": "string", "description": "RFC 3339, or milliseconds since 1970" },
        "until": { "type": "string", "description": "RFC 3339, or milliseconds since 1970" },
    })
}

fn runs_input() -> Value {
    let own = json!({
        "status": one_of(&["success", "error", "cancelled"]),
        "action": { "type": "string" },
        "trigger": { "type": "string" },
        "trace_id": { "type": "string" },
    });
    with(with(paged(), window()), own)
}

fn jobs_input() -> Value {
    let own = json!({
        "queue": { "type": "string" },
        "state": one_of(&["ready", "delayed", "held", "running", "dead"]),
    });
    with(paged(), own)
}

fn tail_input() -> Value {
    json!({
        "level": one_of(&["debug", "info", "warn", "error"]),
        "text": { "type": "string" },
        "run_id": { "type": "string" },
    })
}

fn logs_input() -> Value {
    with(with(paged(), window()), tail_input())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actions::schema::Schema;

    fn endpoint(method: &Method, path: &str) -> Result<(Endpoint, Option<String>), ErrorCode> {
        let found = find(method, path).map_err(|error| error.code)?;
        Ok((found.endpoint, found.parameters.into_iter().next().map(|(_, value)| value)))
    }

    #[test]
    fn a_path_leads_to_its_endpoint() {
        assert_eq!(endpoint(&Method::GET, "/runs/live"), Ok((Endpoint::LiveRuns, None)));
        assert_eq!(endpoint(&Method::GET, "/runs/inv_1"), Ok((Endpoint::Run, Some("inv_1".into()))));
        let named = endpoint(&Method::POST, "/schedules/tidy%2F2/run");
        assert_eq!(named, Ok((Endpoint::RunSchedule, Some("tidy/2".into()))));
        assert_eq!(endpoint(&Method::POST, "/runs"), Err(ErrorCode::MethodNotAllowed));
        for nothing in ["/run", "/runs/", "/runs/a/b", "/"] {
            assert_eq!(endpoint(&Method::GET, nothing), Err(ErrorCode::NotFound), "{nothing}");
        }
    }

    #[test]
    fn every_endpoint_has_a_guard_and_its_own_place() {
        let all: Vec<Value> = handlers("/_studio/api").collect();
        for (index, handler) in all.iter().enumerate() {
            let trigger = &handler["triggers"][0];
            let method: Method = trigger["methods"][0].as_str().unwrap().parse().unwrap();
            let path = trigger["path"].as_str().unwrap().strip_prefix("/_studio/api").unwrap();
            assert_eq!(find(&method, path).unwrap().index, index, "{path}");
            let expected = if method == Method::GET { READ } else { MANAGE };
            assert_eq!(handler["guards"][0]["options"]["permission"], expected);
            // Nobody else checks it, or fills in its defaults.
            let schema = Schema::compile(handler["input"].as_object().unwrap(), false);
            assert!(matches!(schema, Schema::Portable(_)), "{path}");
        }
    }
}
