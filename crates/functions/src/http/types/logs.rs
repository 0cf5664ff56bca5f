//! Lines of a function's log, in JSON.

use run_log::{Level, LogPage, StoredLine};
use serde::Serialize;
use serde_json::{Map, Value};
use service_kit::clock::rfc3339;
use utoipa::ToSchema;

/// One line.
#[derive(Debug, Serialize, ToSchema)]
// Topics have a `LogView` of their own, and the document of the whole server has each name once.
#[schema(as = LogLine)]
pub(crate) struct LogView {
    at: String,
    #[schema(value_type = String)]
    level: Level,
    message: String,
    /// The last object that was given to `console.*`; null where there was none.
    #[schema(value_type = Option<Object>)]
    fields: Option<Map<String, Value>>,
    /// The call that wrote it; null outside of a call.
    invocation_id: Option<String>,
    version: String,
}

/// Lines.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogList {
    logs: Vec<LogView>,
    /// Given as `after`, it asks for what comes later; given as `before` with `order=newest`, for what was earlier.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<i64>,
    /// Whether there is more already. A search may find nothing in the lines that one query looks at, and go on.
    more: bool,
}

impl From<LogPage> for LogList {
    fn from(page: LogPage) -> Self {
        Self { logs: page.lines.into_iter().map(LogView::from).collect(), next: page.next, more: page.more }
    }
}

impl From<StoredLine> for LogView {
    fn from(line: StoredLine) -> Self {
        Self {
            at: rfc3339(line.at_ms),
            level: line.level,
            message: line.message,
            fields: line.fields.and_then(|text| serde_json::from_str(&text).ok()),
            invocation_id: line.invocation_id,
            version: line.version,
        }
    }
}
