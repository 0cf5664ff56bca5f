//! Reading: bytes, shape, then meaning. An error names the place.

use super::{
    BYTES_MAX, FORMAT, Guard, Handler, HandlerLimits, HttpTrigger, Manifest, ManifestError, Trigger,
};
use crate::runtime::Runtime;
use crate::settings::Overrides;
use quickjs_lane::CapabilitiesPatch;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::sync::Arc;

/// What a module declares about itself with `export const config`: the handler it exports.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ModuleConfig {
    /// That of the format, where a module gives a whole manifest.
    version: Option<u32>,
    name: Option<String>,
    runtime: Option<Runtime>,
    capabilities: Option<CapabilitiesPatch>,
    /// Several, as a manifest has them, in place of what follows about one.
    handlers: Option<Vec<Handler>>,
    application: Option<Map<String, Value>>,
    triggers: Vec<Trigger>,
    guards: Vec<Guard>,
    input: Option<Map<String, Value>>,
    output: Option<Map<String, Value>>,
    limits: HandlerLimits,
    settings: Overrides,
    allowed_hosts: Option<Arc<[String]>>,
}

/// Its fields that are about one handler.
const OF_ONE: [&str; 6] = ["name", "triggers", "guards", "input", "output", "limits"];

impl Default for ModuleConfig {
    fn default() -> Self {
        Self {
            version: None,
            name: None,
            runtime: None,
            capabilities: None,
            handlers: None,
            application: None,
            triggers: vec![Trigger::Http(HttpTrigger::any())],
            guards: Vec::new(),
            input: None,
            output: None,
            limits: HandlerLimits::default(),
            settings: Overrides::default(),
            allowed_hosts: None,
        }
    }
}

impl Manifest {
    /// Reads and checks the field of a deployment, for `runtime` where it names none.
    pub(crate) fn of_field(value: Value, runtime: Runtime) -> Result<Self, ManifestError> {
        let mut manifest: Self = read(value)?;
        if manifest.runtime.is_none() {
            manifest = manifest.in_runtime(runtime);
        }
        manifest.name_exports();
        manifest.check()?;
        Ok(manifest)
    }

    /// An export has the name of its handler where it has no other.
    fn name_exports(&mut self) {
        for handler in self.handlers.iter_mut().filter(|handler| handler.export.is_empty()) {
            handler.export.clone_from(&handler.name);
        }
    }

    /// The runtime that a module's `config` names, where it is one.
    pub(crate) fn named_runtime(config: &Value) -> Option<Runtime> {
        Runtime::deserialize(config.get("runtime")?).ok()
    }

    /// Reads and checks what a module that was imported by `runtime` declares about its `export`.
    pub(crate) fn of_module(config: Value, export: &str, runtime: Runtime) -> Result<Self, ManifestError> {
        let has_both =
            config.get("handlers").is_some() && OF_ONE.iter().any(|field| config.get(field).is_some());
        let config: ModuleConfig = read(config)
            .map_err(|error| ManifestError { place: format!("config.{}", error.place), ..error })?;
        if config.runtime.is_some_and(|named| named != runtime) {
            let problem = format!("the deployment, or the function as it was registered, is for {runtime}");
            return Err(ManifestError::new("config.runtime", problem));
        }
        if has_both {
            let problem =
                format!("beside `handlers` there is no {}: each handler has its own", OF_ONE.join(", "));
            return Err(ManifestError::new("config.handlers", problem));
        }
        let handler = Handler {
            name: config.name.unwrap_or_else(|| export.to_owned()),
            export: export.to_owned(),
            triggers: config.triggers,
            guards: config.guards,
            input: config.input,
            output: config.output,
            action: None,
            limits: config.limits,
        };
        let manifest = Self {
            version: config.version.unwrap_or(FORMAT),
            runtime: config.runtime,
            capabilities: config.capabilities,
            handlers: config.handlers.unwrap_or_else(|| vec![handler]),
            application: config.application,
            settings: config.settings,
            allowed_hosts: config.allowed_hosts,
        };
        let mut manifest = manifest.in_runtime(runtime);
        manifest.name_exports();
        manifest.check()?;
        Ok(manifest)
    }

    /// What `to_text` wrote; a plain function where nothing was written.
    pub(crate) fn stored(text: &str, export: &str) -> Result<Self, serde_json::Error> {
        if text.is_empty() { Ok(Self::plain(export)) } else { serde_json::from_str(text) }
    }
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, ManifestError> {
    if value.to_string().len() > BYTES_MAX {
        return Err(ManifestError::new("", format!("it is larger than {BYTES_MAX} bytes")));
    }
    serde_path_to_error::deserialize(value)
        .map_err(|error| ManifestError::new(error.path().to_string(), error.inner().to_string()))
}

// A guard without options may be written as its name.
impl Guard {
    pub(super) fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Self>, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Name(String),
            Whole(Guard),
        }
        let written = Vec::<Written>::deserialize(deserializer)?;
        let whole = written.into_iter().map(|guard| match guard {
            Written::Name(name) => Guard { name, options: None },
            Written::Whole(guard) => guard,
        });
        Ok(whole.collect())
    }
}
