//! What goes in and out, in JSON.

mod logs;
mod rollout;
mod runs;
mod variables;

pub(super) use logs::LogList;
pub(crate) use logs::LogView;
pub(super) use rollout::{
    AliasList, AliasView, ChangeView, DomainList, DomainView, PutAlias, PutDomain, Rollback, ShareView,
    Traffic, VersionList, VersionView,
};
pub(super) use runs::{MetricsView, RunDetailView, RunList, RunView, TraceList, TracedRun};
pub(super) use variables::{PutVariable, VariableChange, VariableList, VariableView};

use crate::config::FunctionsConfig;
use crate::manifest::Manifest;
use crate::runtime::Runtime;
use crate::settings::{AccessSetting, FunctionSettings, Overrides, SettingsPatch, SettingsView};
use crate::store::functions::FunctionRow;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use service_kit::clock::rfc3339;
use utoipa::ToSchema;

/// A deployment, or without code a registration.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateFunction {
    /// 1 to 63 letters, digits, `_` and `-`.
    pub(crate) name: String,
    /// The runtime of the function's versions; where absent, what the manifest or the module's `config` says.
    pub(crate) runtime: Option<Runtime>,
    /// The export to call; `default` where absent.
    pub(crate) handler: Option<String>,
    /// Names the version; a part of the checksum where absent.
    pub(crate) version: Option<String>,
    /// Base64 of one TypeScript or JavaScript file. A form has the part `archive` instead: a tar.gz.
    pub(crate) bundle: Option<String>,
    /// Whether `bundle` is bundled already, and is stored as it is.
    #[serde(default)]
    pub(crate) bundled: bool,
    /// The file of an archive to start from; found by convention where absent.
    pub(crate) entry: Option<String>,
    /// Handlers and their triggers; where absent, what the module's `export const config` says.
    #[schema(value_type = Option<Manifest>)]
    pub(crate) manifest: Option<Value>,
    /// SHA-256 of the code or the archive in hex, to be compared.
    pub(crate) checksum: Option<String>,
    /// Settings; what is absent stays as it is.
    #[serde(default)]
    pub(crate) settings: SettingsPatch,
}

/// A version to be built.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateVersion {
    /// Its runtime; where absent, what the manifest or the module's `config` says.
    pub(crate) runtime: Option<Runtime>,
    /// The export to call; the function's where absent.
    pub(crate) handler: Option<String>,
    /// Names the version; a part of the checksum where absent.
    pub(crate) version: Option<String>,
    /// Base64 of one TypeScript or JavaScript file. A form has the part `archive` instead: a tar.gz.
    pub(crate) bundle: Option<String>,
    /// Whether `bundle` is bundled already, and is stored as it is.
    #[serde(default)]
    pub(crate) bundled: bool,
    /// The file of an archive to start from; found by convention where absent.
    pub(crate) entry: Option<String>,
    /// Handlers and their triggers; where absent, what the module's `export const config` says.
    #[schema(value_type = Option<Manifest>)]
    pub(crate) manifest: Option<Value>,
    /// SHA-256 of the code or the archive in hex, to be compared.
    pub(crate) checksum: Option<String>,
}

/// A function.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FunctionView {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Of the active version.
    pub(crate) runtime: Runtime,
    /// The export that is called.
    pub(crate) handler: String,
    /// The active version; null where none is.
    pub(crate) version: Option<String>,
    /// SHA-256 of what was uploaded, in hex.
    pub(crate) checksum: Option<String>,
    /// Of the stored bundle.
    size_bytes: Option<i64>,
    /// `registered`, `built` or `deployed`.
    pub(crate) status: String,
    pub(crate) access: AccessSetting,
    settings: FunctionSettings,
    /// The same as `registered_at`.
    created_at: String,
    updated_at: String,
    registered_at: String,
    /// When the active version was made.
    built_at: Option<String>,
    /// When the active version began to take calls.
    deployed_at: Option<String>,
    /// Where it is called on this server: with a key, or, where `access` is `public`, by everybody. The routes of an
    /// application begin there.
    pub(crate) url: String,
}

impl FunctionView {
    pub(crate) fn of(row: FunctionRow, config: &FunctionsConfig) -> Self {
        let version = row.version;
        let is_application = version.as_ref().is_some_and(|version| version.manifest.application.is_some());
        let url = match row.access {
            _ if is_application => format!("/v1/apps/{}", row.project),
            AccessSetting::Public => format!("/v1/projects/{}/functions/{}/invoke", row.project, row.name),
            AccessSetting::Key | AccessSetting::Secret => format!("/v1/functions/{}", row.name),
        };
        let of_version = version.as_ref().map_or_else(Overrides::default, |version| {
            version.manifest.version_settings(config.execution_timeout_ms)
        });
        Self {
            id: row.id.to_string(),
            name: row.name,
            runtime: version.as_ref().map_or(row.runtime, |version| version.manifest.runtime()),
            handler: version.as_ref().map_or(row.handler, |version| version.handler.clone()),
            version: version.as_ref().map(|version| version.version.to_string()),
            checksum: version.as_ref().map(|version| version.checksum.clone()),
            size_bytes: version.as_ref().map(|version| version.size_bytes),
            status: row.state.as_str().to_owned(),
            access: row.access,
            settings: row.settings.effective(&of_version, config),
            created_at: rfc3339(row.created_at),
            updated_at: rfc3339(row.updated_at),
            registered_at: rfc3339(row.created_at),
            built_at: version.as_ref().map(|version| rfc3339(version.created_at)),
            deployed_at: version.is_some().then(|| rfc3339(row.deployed_at)),
            url,
        }
    }
}

/// A function, with what holds for it and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FunctionDetail {
    #[serde(flatten)]
    pub(super) function: FunctionView,
    /// The versions that take its calls.
    pub(super) traffic: Vec<ShareView>,
    /// Names of versions beside `live`.
    pub(super) aliases: Vec<AliasView>,
    /// Hosts that mean it.
    pub(super) domains: Vec<String>,
    /// Each setting, and where it comes from.
    pub(super) settings_from: SettingsView,
    /// Of the active version.
    pub(super) manifest: Option<Manifest>,
    /// What it and its versions became, the newest first.
    pub(super) changes: Vec<ChangeView>,
}

/// Functions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FunctionList {
    pub(crate) functions: Vec<FunctionView>,
}
