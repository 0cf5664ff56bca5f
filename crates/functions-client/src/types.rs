//! What is asked and answered.

use rpc::functions_v1 as wire;
use serde_json::{Map, Value};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What runs it.
    pub runtime: String,
    /// The export that is called.
    pub handler: String,
    /// The version that takes the calls; `None` where none does.
    pub version: Option<String>,
    /// SHA-256 of what was uploaded, in hex.
    pub checksum: Option<String>,
    /// `registered`, `built` or `deployed`.
    pub status: String,
    /// `secret`, `key` or `public`: who may call it.
    pub access: String,
    /// Where it is called over HTTP: a path on the server.
    pub url: String,
}

impl From<wire::Function> for Function {
    fn from(told: wire::Function) -> Self {
        let wire::Function { id, name, runtime, handler, version, checksum, status, access, url } = told;
        Self { id, name, runtime, handler, version, checksum, status, access, url }
    }
}

/// Which lines of a function's log.
#[derive(Debug, Clone, Default)]
pub struct LogsQuery {
    /// Lines of this call: `x-invocation-id` of an answer.
    pub invocation_id: Option<String>,
    /// Lines of this version.
    pub version: Option<String>,
    /// `debug`, `info`, `warn` or `error`: lines of this severity and above.
    pub level: Option<String>,
    /// Lines whose message has this in it.
    pub text: Option<String>,
    /// Lines that are there already, at most; 100 where absent.
    pub limit: Option<u32>,
    /// Those after the line with this cursor; the newest ones where absent.
    pub after: Option<i64>,
    /// Whether to go on with what the function logs from then on, without end.
    pub follow: bool,
}

impl LogsQuery {
    pub(crate) fn of(self, function: &str) -> wire::LogsRequest {
        let Self { invocation_id, version, level, text, limit, after, follow } = self;
        let function = function.to_owned();
        wire::LogsRequest { function, invocation_id, version, level, text, limit, after, follow }
    }
}

/// A line of a function's log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    /// Its place in the log.
    pub cursor: i64,
    /// When it was written, to the millisecond.
    pub at: SystemTime,
    /// `debug`, `info`, `warn` or `error`.
    pub level: String,
    /// Text.
    pub message: String,
    /// The last object that was given to `console.*`.
    pub fields: Option<Map<String, Value>>,
    /// The call that wrote it; `None` outside of a call.
    pub invocation_id: Option<String>,
    /// The version that ran.
    pub version: String,
}

impl From<wire::LogLine> for LogLine {
    fn from(line: wire::LogLine) -> Self {
        Self {
            cursor: line.cursor,
            at: UNIX_EPOCH + Duration::from_millis(u64::try_from(line.at_ms).unwrap_or(0)),
            level: line.level,
            message: line.message,
            fields: line.fields.and_then(|text| serde_json::from_str(&text).ok()),
            invocation_id: line.invocation_id,
            version: line.version,
        }
    }
}
