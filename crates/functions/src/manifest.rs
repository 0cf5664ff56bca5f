//! The manifest of a version: its handlers, and for each of them what starts it (triggers), what stands in front
//! of it (guards), the shapes of what goes in and out, and its limits. Written once with the version and never
//! changed. A plain function is a manifest with one handler, one trigger for any method, and no schema.
//!
//! It comes from the field `manifest` of a deployment, else from the module's own `export const config`.

mod check;
mod lane;
mod read;
mod trigger;

pub(crate) use trigger::{
    CatchUp, CronTrigger, DocumentTrigger, EventTrigger, HttpTrigger, Operation, Overlap, QueueTrigger,
    Retries, Scheme, ToolTrigger, Trigger, Verify, WebhookTrigger,
};

use crate::runtime::Runtime;
use crate::settings::Overrides;
use quickjs_lane::{Capabilities, CapabilitiesPatch};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use utoipa::ToSchema;

/// The one version of the format.
const FORMAT: u32 = 1;
/// Bytes of a manifest as JSON.
const BYTES_MAX: usize = 1 << 20;
/// The export of a function that names none.
pub(crate) const DEFAULT_EXPORT: &str = "default";

/// What is wrong with a manifest, and where: `handlers[0].triggers[1].schedule`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the manifest is not valid at `{place}`: {problem}")]
pub struct ManifestError {
    /// Where.
    pub place: String,
    /// What.
    pub problem: String,
}

impl ManifestError {
    pub(crate) fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { place: place.into(), problem: problem.into() }
    }
}

/// A manifest that was checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// 1.
    version: u32,
    /// `bun` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) runtime: Option<Runtime>,
    /// What code may do in the runtime quickjs: a `profile`, and what differs from it. Strict where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) capabilities: Option<CapabilitiesPatch>,
    /// What can be started.
    pub(crate) handlers: Vec<Handler>,
    /// What holds for the application of actions that this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) application: Option<Map<String, Value>>,
    /// Settings of the workers of this version, where the function has none of its own.
    #[serde(default, skip_serializing_if = "Overrides::is_empty")]
    pub(crate) settings: Overrides,
    /// Hosts that the version may connect to: `name`, `*.name` (all below it), each also with `:port`. All where
    /// absent, none where empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub(crate) allowed_hosts: Option<Arc<[String]>>,
}

/// One export of the module that can be started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Handler {
    /// Unique in the manifest.
    pub(crate) name: String,
    /// The export; the name where absent.
    #[serde(default)]
    pub(crate) export: String,
    /// What starts it.
    pub(crate) triggers: Vec<Trigger>,
    /// What stands in front of it, in order.
    #[serde(default, deserialize_with = "Guard::read", skip_serializing_if = "Vec::is_empty")]
    pub(crate) guards: Vec<Guard>,
    /// JSON Schema of what goes in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) input: Option<Map<String, Value>>,
    /// JSON Schema of what comes out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) output: Option<Map<String, Value>>,
    /// What the framework knows of the action that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) action: Option<Map<String, Value>>,
    /// Limits of its calls.
    #[serde(default, skip_serializing_if = "HandlerLimits::is_empty")]
    pub(crate) limits: HandlerLimits,
}

/// A check in front of a handler, by the name that the module knows it by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Guard {
    /// Such as `authenticated`.
    pub(crate) name: String,
    /// What it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) options: Option<Value>,
}

/// Limits of one handler's calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HandlerLimits {
    /// Time from the start of a call to the head of its answer: 10 to 900,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) execution_timeout_ms: Option<u64>,
}

impl HandlerLimits {
    #[allow(clippy::trivially_copy_pass_by_ref)] // As serde wants it.
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Manifest {
    /// A function that declares nothing.
    pub(crate) fn plain(export: &str) -> Self {
        let handler = Handler {
            name: export.to_owned(),
            export: export.to_owned(),
            triggers: vec![Trigger::Http(HttpTrigger::any())],
            guards: Vec::new(),
            input: None,
            output: None,
            action: None,
            limits: HandlerLimits::default(),
        };
        Self {
            version: FORMAT,
            runtime: None,
            capabilities: None,
            handlers: vec![handler],
            application: None,
            settings: Overrides::default(),
            allowed_hosts: None,
        }
    }

    /// The same for a runtime; that of Bun goes without saying.
    pub(crate) fn in_runtime(self, runtime: Runtime) -> Self {
        let runtime = if runtime == Runtime::Bun { self.runtime } else { Some(runtime) };
        Self { runtime, ..self }
    }

    /// What runs it.
    pub(crate) fn runtime(&self) -> Runtime {
        self.runtime.unwrap_or_default()
    }

    /// What its code may do in the lane, where that runs it.
    pub(crate) fn capabilities_in_lane(&self) -> Option<Capabilities> {
        let declared = self.capabilities.clone().unwrap_or_default();
        // They were checked; what is stored and does not hold any more allows nothing.
        (self.runtime() == Runtime::QuickJs).then(|| Capabilities::try_from(declared).unwrap_or_default())
    }

    /// The handler that stands for the version where one is named: the first for requests, else the first.
    pub(crate) fn called(&self) -> Option<&Handler> {
        self.handlers.iter().find(|handler| handler.takes_http()).or(self.handlers.first())
    }

    /// How long a call of a handler may take, where that is `default_ms` if nothing says it.
    pub(crate) fn time_of(&self, handler: &Handler, default_ms: u64) -> u64 {
        let own_ms = handler.limits.execution_timeout_ms.or(self.settings.execution_timeout_ms);
        own_ms.unwrap_or(default_ms)
    }

    /// The same for each handler.
    pub(crate) fn handler_times(&self, default_ms: u64) -> impl Iterator<Item = u64> {
        self.handlers.iter().map(move |handler| self.time_of(handler, default_ms))
    }

    /// Settings of the version: where handlers have times of their own, the longest holds for its workers.
    pub(crate) fn version_settings(&self, default_ms: u64) -> Overrides {
        let has_own = self.handlers.iter().any(|handler| handler.limits.execution_timeout_ms.is_some());
        let longest_ms = self.handler_times(default_ms).max().filter(|_| has_own);
        self.settings.with_execution_timeout(longest_ms)
    }

    /// As it is stored.
    pub(crate) fn to_text(&self) -> String {
        json!(self).to_string()
    }

    /// Every export has to be one that the module has.
    pub(crate) fn check_exports(&self, exports: &[String]) -> Result<(), ManifestError> {
        let known = |name: &str| exports.iter().any(|export| export == name);
        for (index, handler) in self.handlers.iter().enumerate() {
            let export = handler.export.as_str();
            // `default` also stands for a function that is exported as `handler`.
            let is_there = known(export) || (export == DEFAULT_EXPORT && known("handler"));
            if !is_there {
                let problem = format!(
                    "the module exports no function \"{export}\" (it exports {})",
                    if exports.is_empty() { "none".to_owned() } else { exports.join(", ") }
                );
                return Err(ManifestError::new(format!("handlers[{index}].export"), problem));
            }
        }
        Ok(())
    }
}

impl Handler {
    fn takes_http(&self) -> bool {
        self.triggers.iter().any(|trigger| matches!(trigger, Trigger::Http(_)))
    }
}

#[cfg(test)]
mod tests;
