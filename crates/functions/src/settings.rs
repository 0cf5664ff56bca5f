//! What can be set for one function, within named ranges. What is not set for the function follows its version's
//! manifest, and what is not set there the configuration.

use crate::config::FunctionsConfig;
use crate::error::FunctionsError;
use crate::runtime::Runtime;
use serde::{Deserialize, Deserializer, Serialize};
use std::ops::RangeInclusive;
use std::time::Duration;
use utoipa::ToSchema;
use worker_pool::VersionSettings;

/// Who may call a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AccessSetting {
    /// Secret keys, and developers of the project.
    Secret,
    /// Any key of the project, and its developers.
    #[default]
    Key,
    /// Everybody.
    Public,
}

impl AccessSetting {
    /// As it is stored.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Key => "key",
            Self::Public => "public",
        }
    }

    /// Reads what `as_str` wrote; the strictest for anything else.
    pub(crate) fn of(text: &str) -> Self {
        match text {
            "public" => Self::Public,
            "key" => Self::Key,
            _ => Self::Secret,
        }
    }
}

/// Where the value of a setting comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SettingSource {
    /// It was set for the function.
    Function,
    /// The manifest of the active version has it.
    Manifest,
    /// The configuration of the server, or its default.
    Configuration,
}

/// A setting as it holds.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct SettingView {
    /// What holds.
    value: u64,
    /// Where it comes from.
    from: SettingSource,
}

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $range:expr, $default:expr;)*) => {
        /// A change of settings: what is absent stays as it is, `null` takes back what was set.
        #[derive(Debug, Clone, Default, Deserialize, ToSchema)]
        #[serde(default, deny_unknown_fields)]
        pub(crate) struct SettingsPatch {
            $($(#[$doc])*
            #[serde(deserialize_with = "given")]
            #[schema(value_type = Option<u64>)]
            pub(crate) $name: Option<Option<u64>>,)*
            /// Who may call it.
            pub(crate) access: Option<AccessSetting>,
        }

        /// Settings that were given, as they are stored.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(default, deny_unknown_fields)]
        pub(crate) struct Overrides {
            $($(#[$doc])*
            #[serde(skip_serializing_if = "Option::is_none")]
            pub(crate) $name: Option<u64>,)*
        }

        /// The settings that hold for a function.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
        pub(crate) struct FunctionSettings {
            $($(#[$doc])*
            pub(crate) $name: u64,)*
        }

        /// The settings that hold, and where each comes from.
        #[derive(Debug, Clone, Copy, Serialize, ToSchema)]
        pub(crate) struct SettingsView {
            $($(#[$doc])*
            $name: SettingView,)*
        }

        impl Overrides {
            /// Checks every range.
            pub(crate) fn check(&self) -> Result<(), FunctionsError> {
                $(check(stringify!($name), self.$name, $range)?;)*
                Ok(())
            }

            /// These, changed by `patch`.
            pub(crate) fn patched(&self, patch: &SettingsPatch) -> Self {
                Self { $($name: patch.$name.unwrap_or(self.$name),)* }
            }

            /// With those of the version, then the configuration, where nothing was given.
            pub(crate) fn effective(&self, version: &Self, config: &FunctionsConfig) -> FunctionSettings {
                FunctionSettings {
                    $($name: self.$name.or(version.$name).unwrap_or_else(|| default_of($default, config)),)*
                }
            }

            /// The same, with where each comes from.
            pub(crate) fn explained(&self, version: &Self, config: &FunctionsConfig) -> SettingsView {
                SettingsView {
                    $($name: match (self.$name, version.$name) {
                        (Some(value), _) => SettingView { value, from: SettingSource::Function },
                        (None, Some(value)) => SettingView { value, from: SettingSource::Manifest },
                        (None, None) => SettingView {
                            value: default_of($default, config),
                            from: SettingSource::Configuration,
                        },
                    },)*
                }
            }
        }
    };
}

/// A day.
const RECYCLE_AFTER_MS: u64 = 86_400_000;
const RECYCLE_AFTER_CALLS: u64 = 1_000_000_000;

/// Bun itself needs about 30 MB.
const BUN_MEMORY_MB: RangeInclusive<u64> = 64..=16_384;

// Up to 15 minutes for a call.
settings! {
    /// Time from the start of a call to the head of its answer: 10 to 900,000.
    execution_timeout_ms: 10..=900_000, |config| config.execution_timeout_ms;
    /// Memory of one worker: 64 to 16,384. Of one instance in the runtime quickjs: from 16.
    memory_limit_mb: 16..=16_384, |config| config.memory_limit_mb;
    /// Worker processes that stay when idle: 0 to 16.
    min_warm: 0..=16, |config| config.min_warm;
    /// Worker processes: 1 to 64.
    max_workers: 1..=64, FunctionsConfig::default_workers;
    /// Calls in flight in one worker: 1 to 1,000. Instances in the runtime quickjs.
    max_concurrency: 1..=1_000, |config| config.max_concurrency;
    /// A worker without a call for so long is ended: 1,000 to 86,400,000.
    idle_timeout_ms: 1_000..=86_400_000, |config| config.idle_timeout_ms;
    /// Calls that wait for a worker: 0 to 100,000.
    queue_max: 0..=100_000, |config| config.queue_max as u64;
    /// How long a call waits for a worker: 10 to 900,000.
    queue_timeout_ms: 10..=900_000, |config| config.queue_timeout_ms;
    /// How long a worker may take to import the bundle: 100 to 300,000.
    startup_timeout_ms: 100..=300_000, |config| config.startup_timeout_ms;
    /// A worker of this age is replaced, because Bun processes grow: 1,000 to 604,800,000.
    recycle_after_ms: 1_000..=604_800_000, |_| RECYCLE_AFTER_MS;
    /// A worker that took so many calls is replaced: 1 to 4,000,000,000.
    recycle_after_calls: 1..=4_000_000_000, |_| RECYCLE_AFTER_CALLS;
}

fn default_of(default: fn(&FunctionsConfig) -> u64, config: &FunctionsConfig) -> u64 {
    default(config)
}

fn check(name: &'static str, value: Option<u64>, range: RangeInclusive<u64>) -> Result<(), FunctionsError> {
    if value.is_some_and(|value| !range.contains(&value)) {
        return Err(FunctionsError::Setting { name, min: *range.start(), max: *range.end() });
    }
    Ok(())
}

/// Tells `null` from what is absent.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl SettingsPatch {
    /// Checks every range.
    pub(crate) fn check(&self) -> Result<(), FunctionsError> {
        Overrides::default().patched(self).check()
    }
}

impl Overrides {
    /// Whether nothing was given.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Checks what not every runtime can do with.
    pub(crate) fn check_for(&self, runtime: Runtime) -> Result<(), FunctionsError> {
        match runtime {
            Runtime::Bun => check("memory_limit_mb", self.memory_limit_mb, BUN_MEMORY_MB),
            Runtime::QuickJs => Ok(()),
        }
    }

    /// The same, with this deadline of calls where there is one.
    pub(crate) fn with_execution_timeout(self, timeout_ms: Option<u64>) -> Self {
        Self { execution_timeout_ms: timeout_ms.or(self.execution_timeout_ms), ..self }
    }
}

impl FunctionSettings {
    /// For a version that has an address of its own but takes none of the function's calls: no worker of it
    /// stays when idle.
    pub(crate) fn beside(self) -> Self {
        Self { min_warm: 0, ..self }
    }

    /// As the pool wants them, with the hosts that the version may connect to.
    pub(crate) fn for_pool(self, allowed_hosts: Option<&[String]>) -> VersionSettings {
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        VersionSettings {
            execution_timeout: Duration::from_millis(self.execution_timeout_ms),
            memory_limit_bytes: self.memory_limit_mb << 20,
            max_workers: count(self.max_workers),
            max_concurrency: count(self.max_concurrency),
            min_warm: count(self.min_warm),
            idle_timeout: Duration::from_millis(self.idle_timeout_ms),
            queue_max: count(self.queue_max),
            queue_timeout: Duration::from_millis(self.queue_timeout_ms),
            startup_timeout: Some(Duration::from_millis(self.startup_timeout_ms)),
            recycle_age: Duration::from_millis(self.recycle_after_ms),
            recycle_calls: u32::try_from(self.recycle_after_calls).unwrap_or(u32::MAX),
            allowed_hosts: allowed_hosts.map(<[String]>::to_vec),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(text: &str) -> SettingsPatch {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn ranges_are_named_when_they_are_broken() {
        let error = patch(r#"{"memory_limit_mb": 1}"#).check().unwrap_err();
        assert!(error.to_string().contains("memory_limit_mb"), "{error}");
        assert!(patch(r#"{"max_workers": 64, "min_warm": 0}"#).check().is_ok());
    }

    #[test]
    fn the_function_wins_over_its_version_and_that_over_the_configuration() {
        let config = FunctionsConfig::default();
        let version: Overrides =
            serde_json::from_str(r#"{"execution_timeout_ms": 70, "queue_max": 3, "min_warm": 1}"#).unwrap();
        let set = Overrides::default().patched(&patch(r#"{"execution_timeout_ms": 50, "min_warm": 2}"#));
        let set = set.patched(&patch(r#"{"max_workers": 3, "min_warm": null}"#));
        let settings = set.effective(&version, &config);
        assert_eq!((settings.execution_timeout_ms, settings.max_workers), (50, 3));
        assert_eq!((settings.queue_max, settings.min_warm, settings.beside().min_warm), (3, 1, 0));
        assert_eq!(settings.memory_limit_mb, config.memory_limit_mb);
        let explained = set.explained(&version, &config);
        assert_eq!(explained.execution_timeout_ms.from, SettingSource::Function);
        assert_eq!(explained.queue_max.from, SettingSource::Manifest);
        assert_eq!(explained.memory_limit_mb.from, SettingSource::Configuration);
    }

    #[test]
    fn access_survives_being_stored_and_is_strict_in_doubt() {
        for access in [AccessSetting::Secret, AccessSetting::Key, AccessSetting::Public] {
            assert_eq!(AccessSetting::of(access.as_str()), access);
        }
        assert_eq!(AccessSetting::of("open"), AccessSetting::Secret);
    }
}
