//! Settings of the service. All have defaults; those of a function's calls can be set for each function.

use crate::bundle::{ArchiveLimits, BuildLimits};
use crate::front::BodyLimits;
use crate::places::Places;
use outbound::{HostSet, OutboundClient, OutboundConfig};
use quickjs_lane::LaneConfig;
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use worker_pool::PoolConfig;

/// Settings of [`crate::FunctionsService`].
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize, utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct FunctionsConfig {
    /// The server runs one application, which is of whoever runs it: no setting, but what `bunbase dev` and `start` are.
    #[serde(skip)]
    pub is_one_application: bool,
    /// Large bundles are compiled, so that further workers start faster with them: not in `bunbase dev`, where every save
    /// makes a version that has to answer at once.
    #[serde(skip)]
    pub makes_bytecode: bool,
    /// Workers that stand ready to load a bundle.
    pub spare_workers: usize,
    /// A worker that needs longer to start, or to import a bundle, is given up.
    pub startup_timeout_ms: u64,
    /// How long a version that is replaced, and the whole at the end, waits for calls in flight.
    pub drain_timeout_ms: u64,
    /// Largest body of a call.
    pub body_bytes_max: usize,
    /// A small body has to arrive within this time.
    pub body_timeout_ms: u64,
    /// Bytes of a deployment's body.
    pub deployment_bytes_max: usize,
    /// Largest source or bundle of a deployment.
    pub bundle_bytes_max: usize,
    /// Functions of one project.
    pub functions_max: usize,
    /// Versions that are kept of one function, the active one among them.
    pub versions_max: usize,
    /// Older versions go, too; 0 keeps them. Never those that take calls, were active before or have an alias.
    pub version_days: u64,
    /// Aliases of one function.
    pub aliases_max: usize,
    /// Variables of one function, and those of a project that all of its functions have.
    pub variables_max: usize,
    /// Bytes of one variable.
    pub variable_bytes_max: usize,
    /// Bytes of all variables that a function has, names and values.
    pub environment_bytes_max: usize,
    /// Functions answer at `<name>.<project>.<domain>`, too.
    pub domain: Option<String>,
    /// Hosts that projects may take for their functions: `"shop.example"`, `"*.customers.example"` or `"*"`.
    pub custom_domains: Vec<String>,
    /// Domains of one project.
    pub domains_max: usize,
    /// Bundlers that run at once.
    pub builds_max: usize,
    /// A bundler that needs longer is ended.
    pub build_timeout_ms: u64,
    /// Bytes of an archive's files, unpacked.
    pub archive_bytes_max: u64,
    /// Files and directories of an archive.
    pub archive_entries_max: usize,
    /// Whether the packages that an archive's `bun.lock` names are installed where it brings none.
    pub install_packages: bool,
    /// An installation that needs longer is ended.
    pub install_timeout_ms: u64,
    /// A control group of the server, in which the kernel holds each worker to its memory: a directory such as
    /// `/sys/fs/cgroup/bunbase`, which the server may write to. Where absent, one that systemd gave away is found.
    #[cfg_attr(test, schema(value_type = Option<String>))]
    pub cgroup: Option<PathBuf>,
    /// Default of a function: time from the start of a call to the head of its answer.
    pub execution_timeout_ms: u64,
    /// Default of a function: memory of one worker.
    pub memory_limit_mb: u64,
    /// Default of a function: worker processes that stay when idle.
    pub min_warm: u64,
    /// Default of a function: worker processes. 0 is one for each core, at least 2.
    pub max_workers: u64,
    /// Default of a function: calls in flight in one worker.
    pub max_concurrency: u64,
    /// Default of a function: a worker without a call for so long is ended.
    pub idle_timeout_ms: u64,
    /// Default of a function: calls that wait for a worker.
    pub queue_max: usize,
    /// Default of a function: how long a call waits for a worker.
    pub queue_timeout_ms: u64,
    /// Hosts, without ports, that `fetch` in the runtime `quickjs` may reach although their addresses are not public:
    /// `"billing.internal"`, `"*.internal"`, `"10.0.0.7"`. For services beside this one that every project is trusted
    /// with.
    pub private_hosts: Vec<String>,
    /// WebSockets of functions that are open at the same time, of all projects.
    pub sockets_max: usize,
    /// Those of one project.
    pub sockets_per_project_max: usize,
    /// Bytes of a message of a WebSocket, either way.
    pub socket_message_bytes_max: usize,
    /// Streams of logs that are open at the same time, of all projects.
    pub log_streams_max: usize,
    /// Those of one project.
    pub log_streams_per_project_max: usize,
}

impl Default for FunctionsConfig {
    fn default() -> Self {
        Self {
            is_one_application: false,
            makes_bytecode: true,
            spare_workers: 2,
            startup_timeout_ms: 10_000,
            drain_timeout_ms: 10_000,
            body_bytes_max: 16 << 20,
            body_timeout_ms: 30_000,
            deployment_bytes_max: 64 << 20,
            bundle_bytes_max: 40 << 20,
            functions_max: 1_000,
            versions_max: 10,
            version_days: 90,
            aliases_max: 20,
            variables_max: 100,
            variable_bytes_max: 32 << 10,
            environment_bytes_max: 256 << 10,
            domain: None,
            custom_domains: Vec::new(),
            domains_max: 20,
            builds_max: 2,
            build_timeout_ms: 30_000,
            archive_bytes_max: 512 << 20,
            archive_entries_max: 50_000,
            install_packages: true,
            install_timeout_ms: 120_000,
            cgroup: None,
            execution_timeout_ms: 30_000,
            memory_limit_mb: 256,
            min_warm: 0,
            max_workers: 0,
            max_concurrency: 100,
            idle_timeout_ms: 300_000,
            queue_max: 1_000,
            queue_timeout_ms: 10_000,
            private_hosts: Vec::new(),
            sockets_max: 4_000,
            sockets_per_project_max: 1_000,
            socket_message_bytes_max: 1 << 20,
            log_streams_max: 1_000,
            log_streams_per_project_max: 100,
        }
    }
}

impl FunctionsConfig {
    /// Applies what concerns the whole pool.
    pub(crate) fn apply_to(&self, pool: &mut PoolConfig) {
        pool.spare_workers = self.spare_workers;
        pool.startup_timeout = Duration::from_millis(self.startup_timeout_ms);
        pool.drain_timeout = Duration::from_millis(self.drain_timeout_ms);
        pool.cgroup.clone_from(&self.cgroup);
    }

    /// What the lane is started with.
    pub(crate) fn for_lane(&self) -> LaneConfig {
        LaneConfig {
            startup_timeout: Duration::from_millis(self.startup_timeout_ms),
            drain_timeout: Duration::from_millis(self.drain_timeout_ms),
            ..LaneConfig::default()
        }
    }

    /// What functions of the lane reach other hosts with.
    pub(crate) fn outbound_client(&self) -> OutboundClient {
        let private_hosts = HostSet::new(&self.private_hosts);
        OutboundClient::new(OutboundConfig { private_hosts, ..OutboundConfig::default() })
    }

    pub(crate) fn build_limits(&self) -> BuildLimits {
        BuildLimits {
            builds_max: self.builds_max,
            timeout: Duration::from_millis(self.build_timeout_ms),
            install_timeout: self.install_packages.then(|| Duration::from_millis(self.install_timeout_ms)),
            archive: ArchiveLimits {
                bytes_max: self.archive_bytes_max,
                entries_max: self.archive_entries_max,
            },
        }
    }

    pub(crate) fn body_limits(&self) -> BodyLimits {
        BodyLimits { bytes_max: self.body_bytes_max, timeout: Duration::from_millis(self.body_timeout_ms) }
    }

    pub(crate) fn socket_places(&self) -> Arc<Places> {
        Places::new("websockets", self.sockets_max, self.sockets_per_project_max)
    }

    pub(crate) fn log_stream_places(&self) -> Arc<Places> {
        Places::new("log streams", self.log_streams_max, self.log_streams_per_project_max)
    }

    /// Workers of a function that does not say how many.
    pub(crate) fn default_workers(&self) -> u64 {
        if self.max_workers > 0 {
            return self.max_workers;
        }
        std::thread::available_parallelism().map_or(2, |cores| cores.get() as u64).max(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use utoipa::PartialSchema as _;

    #[test]
    fn the_documentation_has_every_setting_with_its_default_and_meaning() {
        let page = include_str!("../../../docs/configuration.md");
        let section = page.split("\n## ").find_map(|section| section.strip_prefix("functions\n")).unwrap();
        let defaults = serde_json::to_value(FunctionsConfig::default()).unwrap();
        let schema = serde_json::to_value(FunctionsConfig::schema()).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        for (name, property) in properties {
            let default = match &defaults[name] {
                serde_json::Value::Null => "none".to_owned(),
                value => format!("`{value}`"),
            };
            let meaning = property["description"].as_str().unwrap().replace('\n', " ");
            let row = format!("| `{name}` | {default} | {meaning} |");
            assert!(section.contains(&row), "docs/configuration.md lacks: {row}");
        }
        assert_eq!(section.matches("\n| `").count(), properties.len());
    }
}
