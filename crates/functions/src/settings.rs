//! What can be set for one function, within named ranges; what is not set follows the configuration.

use crate::config::FunctionsConfig;
use crate::error::FunctionsError;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use std::time::Duration;
use utoipa::ToSchema;
use worker_pool::VersionSettings;

/// Up to 15 minutes.
const EXECUTION_TIMEOUT_MS: RangeInclusive<u64> = 10..=900_000;
/// Bun itself needs about 30 MB.
const MEMORY_LIMIT_MB: RangeInclusive<u64> = 64..=16_384;
const MAX_WORKERS: RangeInclusive<u64> = 1..=64;
const MAX_CONCURRENCY: RangeInclusive<u64> = 1..=1_000;

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

/// A change of settings: what is absent stays as it is.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettingsPatch {
    /// Time from the start of a call to the head of its answer: 10 to 900,000.
    pub(crate) execution_timeout_ms: Option<u64>,
    /// Memory of one worker: 64 to 16,384.
    pub(crate) memory_limit_mb: Option<u64>,
    /// Worker processes: 1 to 64.
    pub(crate) max_workers: Option<u64>,
    /// Calls in flight in one worker: 1 to 1,000.
    pub(crate) max_concurrency: Option<u64>,
    /// Who may call it.
    pub(crate) access: Option<AccessSetting>,
}

/// The settings of a function that were given, as they are stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Overrides {
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_timeout_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_limit_mb: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_workers: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_concurrency: Option<u64>,
}

/// The settings that hold for a function.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct FunctionSettings {
    /// Time from the start of a call to the head of its answer.
    pub(crate) execution_timeout_ms: u64,
    /// Memory of one worker.
    pub(crate) memory_limit_mb: u64,
    /// Worker processes.
    pub(crate) max_workers: u64,
    /// Calls in flight in one worker.
    pub(crate) max_concurrency: u64,
}

impl SettingsPatch {
    /// Checks every range.
    pub(crate) fn check(&self) -> Result<(), FunctionsError> {
        let given = [
            ("execution_timeout_ms", self.execution_timeout_ms, EXECUTION_TIMEOUT_MS),
            ("memory_limit_mb", self.memory_limit_mb, MEMORY_LIMIT_MB),
            ("max_workers", self.max_workers, MAX_WORKERS),
            ("max_concurrency", self.max_concurrency, MAX_CONCURRENCY),
        ];
        for (name, value, range) in given {
            if value.is_some_and(|value| !range.contains(&value)) {
                return Err(FunctionsError::Setting { name, min: *range.start(), max: *range.end() });
            }
        }
        Ok(())
    }
}

impl Overrides {
    /// These, changed by `patch`.
    pub(crate) fn patched(&self, patch: &SettingsPatch) -> Self {
        Self {
            execution_timeout_ms: patch.execution_timeout_ms.or(self.execution_timeout_ms),
            memory_limit_mb: patch.memory_limit_mb.or(self.memory_limit_mb),
            max_workers: patch.max_workers.or(self.max_workers),
            max_concurrency: patch.max_concurrency.or(self.max_concurrency),
        }
    }

    /// With the configuration where nothing was given.
    pub(crate) fn effective(&self, config: &FunctionsConfig) -> FunctionSettings {
        FunctionSettings {
            execution_timeout_ms: self.execution_timeout_ms.unwrap_or(config.execution_timeout_ms),
            memory_limit_mb: self.memory_limit_mb.unwrap_or(config.memory_limit_mb),
            max_workers: self.max_workers.unwrap_or_else(|| config.default_workers()),
            max_concurrency: self.max_concurrency.unwrap_or(config.max_concurrency),
        }
    }
}

impl FunctionSettings {
    /// As the pool wants them.
    pub(crate) fn for_pool(self, config: &FunctionsConfig) -> VersionSettings {
        VersionSettings {
            execution_timeout: Duration::from_millis(self.execution_timeout_ms),
            memory_limit_bytes: self.memory_limit_mb << 20,
            max_workers: usize::try_from(self.max_workers).unwrap_or(usize::MAX),
            max_concurrency: usize::try_from(self.max_concurrency).unwrap_or(usize::MAX),
            ..config.version_settings()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_named_when_they_are_broken() {
        let patch = SettingsPatch { memory_limit_mb: Some(1), ..SettingsPatch::default() };
        let error = patch.check().unwrap_err();
        assert!(error.to_string().contains("memory_limit_mb"), "{error}");
        assert!(SettingsPatch { max_workers: Some(64), ..SettingsPatch::default() }.check().is_ok());
    }

    #[test]
    fn what_was_given_wins_over_the_configuration_and_stays() {
        let config = FunctionsConfig::default();
        let first = SettingsPatch { execution_timeout_ms: Some(50), ..SettingsPatch::default() };
        let second = SettingsPatch { max_workers: Some(3), ..SettingsPatch::default() };
        let settings = Overrides::default().patched(&first).patched(&second).effective(&config);
        assert_eq!((settings.execution_timeout_ms, settings.max_workers), (50, 3));
        assert_eq!(settings.memory_limit_mb, config.memory_limit_mb);
    }

    #[test]
    fn access_survives_being_stored_and_is_strict_in_doubt() {
        for access in [AccessSetting::Secret, AccessSetting::Key, AccessSetting::Public] {
            assert_eq!(AccessSetting::of(access.as_str()), access);
        }
        assert_eq!(AccessSetting::of("open"), AccessSetting::Secret);
    }
}
