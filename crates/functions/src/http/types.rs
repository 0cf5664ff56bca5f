//! What goes in and out, in JSON.

use crate::config::FunctionsConfig;
use crate::settings::{AccessSetting, FunctionSettings, SettingsPatch};
use crate::store::functions::FunctionRow;
use run_log::{Level, LogPage, StoredLine};
use serde::{Deserialize, Serialize};
use service_kit::clock::rfc3339;
use utoipa::ToSchema;

/// A deployment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateFunction {
    /// 1 to 63 letters, digits, `_` and `-`.
    pub(crate) name: String,
    /// `bun`.
    pub(crate) runtime: Option<String>,
    /// The export to call; `default` where absent.
    pub(crate) handler: Option<String>,
    /// Names the version; a part of the checksum where absent.
    pub(crate) version: Option<String>,
    /// Base64 of one TypeScript or JavaScript file.
    pub(crate) bundle: String,
    /// Whether `bundle` is bundled already, and is stored as it is.
    #[serde(default)]
    pub(crate) bundled: bool,
    /// Settings; what is absent stays as it is.
    #[serde(default)]
    pub(crate) settings: SettingsPatch,
}

/// A function.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FunctionView {
    id: String,
    name: String,
    runtime: String,
    /// The export that is called.
    handler: String,
    /// The active version.
    version: String,
    /// SHA-256 of what was uploaded, in hex.
    checksum: String,
    /// Of the stored bundle.
    size_bytes: i64,
    /// `deployed`.
    status: String,
    access: AccessSetting,
    settings: FunctionSettings,
    created_at: String,
    updated_at: String,
    /// When the active version was made.
    deployed_at: String,
    /// Where it is called on this server: with a key, or, where `access` is `public`, by everybody.
    url: String,
}

impl FunctionView {
    pub(crate) fn of(row: FunctionRow, config: &FunctionsConfig) -> Self {
        let url = match row.access {
            AccessSetting::Public => format!("/v1/projects/{}/functions/{}/invoke", row.project, row.name),
            AccessSetting::Key | AccessSetting::Secret => format!("/v1/functions/{}", row.name),
        };
        Self {
            id: row.id.to_string(),
            name: row.name,
            runtime: row.runtime,
            handler: row.version.handler,
            version: row.version.version.to_string(),
            checksum: row.version.checksum,
            size_bytes: row.version.size_bytes,
            status: row.status,
            access: row.access,
            settings: row.settings.effective(config),
            created_at: rfc3339(row.created_at),
            updated_at: rfc3339(row.updated_at),
            deployed_at: rfc3339(row.version.created_at),
            url,
        }
    }
}

/// Functions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FunctionList {
    pub(crate) functions: Vec<FunctionView>,
}

/// What of a log is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogParameters {
    pub(crate) invocation_id: Option<String>,
    pub(crate) level: Option<String>,
    pub(crate) since: Option<String>,
    pub(crate) until: Option<String>,
    pub(crate) limit: Option<usize>,
    pub(crate) after: Option<i64>,
}

/// Which lines a stream has.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TailParameters {
    pub(crate) invocation_id: Option<String>,
    pub(crate) level: Option<String>,
    pub(crate) last_event_id: Option<String>,
}

/// One line.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogView {
    at: String,
    #[schema(value_type = String)]
    level: Level,
    message: String,
    /// The call that wrote it; null outside of a call.
    invocation_id: Option<String>,
    version: String,
}

/// Lines.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogList {
    logs: Vec<LogView>,
    /// Given as `after`, it asks for what comes later.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<i64>,
}

impl From<LogPage> for LogList {
    fn from(page: LogPage) -> Self {
        Self { logs: page.lines.into_iter().map(LogView::from).collect(), next: page.next }
    }
}

impl From<StoredLine> for LogView {
    fn from(line: StoredLine) -> Self {
        Self {
            at: rfc3339(line.at_ms),
            level: line.level,
            message: line.message,
            invocation_id: line.invocation_id,
            version: line.version,
        }
    }
}
