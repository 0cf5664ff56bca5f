//! What a function may do beyond computing and calling its own project's services. Nothing, unless it is declared.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A named set of capabilities to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Nothing allowed, small limits.
    #[default]
    Strict,
    /// All that this runtime can allow, large limits.
    Permissive,
}

/// What a function declares: a profile, and what differs from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CapabilitiesPatch {
    /// What to start from.
    pub profile: Profile,
    /// `fetch` to other hosts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_network: Option<bool>,
    /// Hosts that `fetch` may reach, such as `api.example.com` or `*.example.com`; all public ones where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_domains: Option<Vec<String>>,
    /// Files. This runtime has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_filesystem: Option<bool>,
    /// The only files. This runtime has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_paths: Option<Vec<String>>,
    /// Processes. This runtime has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_child_process: Option<bool>,
    /// `eval` and `new Function`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_eval: Option<bool>,
    /// Memory of one instance, in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_memory_mb: Option<u64>,
    /// Processor time of one call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cpu_ms: Option<u64>,
    /// Connections to other hosts that a call has at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_file_descriptors: Option<usize>,
}

/// A declaration asks for what this runtime does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{capability} is not available in the quickjs runtime; deploy the function with the runtime bun")]
pub struct CapabilityError {
    /// Its name.
    pub capability: &'static str,
}

/// What a function may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// `fetch` to other hosts, through the outbound guard.
    pub allow_network: bool,
    /// The only hosts that `fetch` reaches; all public ones where there is none.
    pub allowed_domains: Option<Vec<String>>,
    /// `eval` and `new Function`.
    pub allow_eval: bool,
    /// Memory of one instance.
    pub max_memory_bytes: u64,
    /// Processor time of one call.
    pub max_cpu: Duration,
    /// Connections to other hosts that a call has at once; more wait.
    pub max_file_descriptors: usize,
}

impl Capabilities {
    /// The profile `strict`, which holds where nothing is declared.
    pub fn strict() -> Self {
        Self {
            allow_network: false,
            allowed_domains: None,
            allow_eval: false,
            max_memory_bytes: 100 << 20,
            max_cpu: Duration::from_secs(30),
            max_file_descriptors: 10,
        }
    }

    /// The profile `permissive`.
    pub fn permissive() -> Self {
        Self {
            allow_network: true,
            allowed_domains: None,
            allow_eval: true,
            max_memory_bytes: 512 << 20,
            max_cpu: Duration::from_secs(300),
            max_file_descriptors: 100,
        }
    }
}

impl Default for Capabilities {
    fn default() -> Self {
        Self::strict()
    }
}

impl TryFrom<CapabilitiesPatch> for Capabilities {
    type Error = CapabilityError;

    fn try_from(patch: CapabilitiesPatch) -> Result<Self, CapabilityError> {
        let asked = [
            ("allow_filesystem", patch.allow_filesystem == Some(true)),
            ("allowed_paths", patch.allowed_paths.is_some_and(|paths| !paths.is_empty())),
            ("allow_child_process", patch.allow_child_process == Some(true)),
        ];
        if let Some((capability, _)) = asked.into_iter().find(|(_, asked)| *asked) {
            return Err(CapabilityError { capability });
        }
        let base = match patch.profile {
            Profile::Strict => Self::strict(),
            Profile::Permissive => Self::permissive(),
        };
        Ok(Self {
            allow_network: patch.allow_network.unwrap_or(base.allow_network),
            allowed_domains: patch.allowed_domains.or(base.allowed_domains),
            allow_eval: patch.allow_eval.unwrap_or(base.allow_eval),
            max_memory_bytes: patch
                .max_memory_mb
                .map_or(base.max_memory_bytes, |mb| mb.saturating_mul(1 << 20)),
            max_cpu: patch.max_cpu_ms.map_or(base.max_cpu, Duration::from_millis),
            max_file_descriptors: patch.max_file_descriptors.unwrap_or(base.max_file_descriptors).max(1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_declared_changes_its_profile_and_nothing_else() {
        let patch = CapabilitiesPatch {
            allow_network: Some(true),
            allowed_domains: Some(vec!["api.example.com".to_owned()]),
            max_memory_mb: Some(16),
            ..CapabilitiesPatch::default()
        };
        let capabilities = Capabilities::try_from(patch).unwrap();
        assert!(capabilities.allow_network && !capabilities.allow_eval);
        assert_eq!(capabilities.max_memory_bytes, 16 << 20);
        assert_eq!(capabilities.max_cpu, Capabilities::strict().max_cpu);
    }

    #[test]
    fn nothing_declared_is_strict() {
        assert_eq!(Capabilities::try_from(CapabilitiesPatch::default()), Ok(Capabilities::strict()));
        let permissive = CapabilitiesPatch { profile: Profile::Permissive, ..CapabilitiesPatch::default() };
        assert_eq!(Capabilities::try_from(permissive), Ok(Capabilities::permissive()));
    }

    #[test]
    fn what_the_runtime_does_not_have_is_refused_and_may_be_declared_off() {
        let off = CapabilitiesPatch {
            allow_filesystem: Some(false),
            allowed_paths: Some(Vec::new()),
            allow_child_process: Some(false),
            ..CapabilitiesPatch::default()
        };
        assert!(Capabilities::try_from(off).is_ok());
        let on = CapabilitiesPatch { allow_filesystem: Some(true), ..CapabilitiesPatch::default() };
        assert_eq!(Capabilities::try_from(on).unwrap_err().capability, "allow_filesystem");
    }
}
