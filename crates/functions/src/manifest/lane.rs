//! What a manifest may ask of its runtime: settings that it can do with, and in the lane capabilities that it has.

use super::check::{Checked, check_hosts, wrong};
use super::{Manifest, ManifestError};
use crate::runtime::Runtime;
use quickjs_lane::{Capabilities, CapabilitiesPatch};
use std::ops::RangeInclusive;

const MEMORY_MB: RangeInclusive<u64> = 16..=16_384;
/// As the time of a call.
const CPU_MS: RangeInclusive<u64> = 10..=900_000;
const FILE_DESCRIPTORS: RangeInclusive<u64> = 1..=1_000;

impl Manifest {
    pub(super) fn check_runtime(&self) -> Checked {
        let settings = self.settings.check_for(self.runtime());
        settings.map_err(|error| ManifestError::new("settings", error.to_string()))?;
        match (&self.capabilities, self.runtime()) {
            (None, _) => Ok(()),
            (Some(declared), Runtime::QuickJs) => check_capabilities(declared),
            (Some(_), Runtime::Bun) => wrong(
                "capabilities",
                "they go with `runtime: \"quickjs\"`; in Bun, `allowed_hosts` bounds a version",
            ),
        }
    }
}

fn check_capabilities(declared: &CapabilitiesPatch) -> Checked {
    Capabilities::try_from(declared.clone()).map_err(|error| {
        ManifestError::new(format!("capabilities.{}", error.capability), error.to_string())
    })?;
    check_hosts("capabilities.allowed_domains", declared.allowed_domains.as_deref())?;
    within("max_memory_mb", declared.max_memory_mb, MEMORY_MB)?;
    within("max_cpu_ms", declared.max_cpu_ms, CPU_MS)?;
    let descriptors = declared.max_file_descriptors.map(|count| count as u64);
    within("max_file_descriptors", descriptors, FILE_DESCRIPTORS)
}

fn within(name: &str, value: Option<u64>, range: RangeInclusive<u64>) -> Checked {
    if value.is_none_or(|value| range.contains(&value)) {
        return Ok(());
    }
    wrong(format!("capabilities.{name}"), format!("it is between {} and {}", range.start(), range.end()))
}
