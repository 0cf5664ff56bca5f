//! What runs a version: worker processes of Bun, or instances of QuickJS in this process. Both take the same calls,
//! and give the same answers and errors.

use bytes::Bytes;
use quickjs_lane::{LaneVersion, LaneVersionStats};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;
use worker_pool::{InvokeError, InvokeRequest, InvokeResponse, VersionPool, VersionStats, Waited};

/// The runtime of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Runtime {
    /// Worker processes of Bun.
    #[default]
    Bun,
    /// Instances of QuickJS in the server. The earlier system also called it `quickjs-ng`.
    #[serde(alias = "quickjs-ng")]
    QuickJs,
}

impl Runtime {
    /// As it is stored and shown.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Bun => "bun",
            Self::QuickJs => "quickjs",
        }
    }

    /// Reads what `as_str` wrote.
    pub(crate) fn of(text: &str) -> Self {
        if text == Self::QuickJs.as_str() { Self::QuickJs } else { Self::Bun }
    }
}

impl std::fmt::Display for Runtime {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What a version is doing, in either runtime.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Activity {
    /// Worker processes, or instances of QuickJS.
    pub(crate) workers: usize,
    /// Calls that they have.
    pub(crate) in_flight: usize,
    /// Calls that wait for one of them.
    pub(crate) queued: usize,
    /// What they hold.
    pub(crate) memory_bytes: u64,
    /// Processor time since the version was loaded.
    pub(crate) cpu: Duration,
}

impl Activity {
    /// Both together: of two loads of the same version.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            workers: self.workers + other.workers,
            in_flight: self.in_flight + other.in_flight,
            queued: self.queued + other.queued,
            memory_bytes: self.memory_bytes + other.memory_bytes,
            cpu: self.cpu + other.cpu,
        }
    }
}

/// What takes the calls of one version.
#[derive(Debug, Clone)]
pub(crate) enum Pool {
    /// Its workers.
    Bun(Arc<VersionPool>),
    /// Its instances.
    QuickJs(Arc<LaneVersion>),
}

impl Pool {
    /// Names this load of the version.
    pub(crate) fn key(&self) -> &Arc<str> {
        match self {
            Self::Bun(workers) => &workers.spec().key,
            Self::QuickJs(instances) => &instances.spec().key,
        }
    }

    /// Calls the function; what the call waited for is in `waited`.
    pub(crate) async fn invoke_measured(
        &self,
        call: InvokeRequest,
        waited: &mut Waited,
    ) -> Result<InvokeResponse, InvokeError> {
        match self {
            Self::Bun(workers) => workers.invoke_measured(call, waited).await,
            // Not a part of the future of every call to a worker.
            Self::QuickJs(instances) => Box::pin(instances.invoke_measured(call, waited)).await,
        }
    }

    /// What the bundle says about itself, as JSON `{config, exports}`; `None` until it was imported once.
    pub(crate) fn report(&self) -> Option<&Bytes> {
        match self {
            Self::Bun(workers) => workers.report(),
            Self::QuickJs(instances) => instances.report(),
        }
    }

    /// Waits until there is a report. Instances of QuickJS have nothing to report to anybody who waits.
    pub(crate) async fn imported(&self) -> Result<(), InvokeError> {
        match self {
            Self::Bun(workers) => workers.imported().await,
            Self::QuickJs(_) => Ok(()),
        }
    }

    /// Whether a worker or an instance is there.
    pub(crate) fn is_warm(&self) -> bool {
        self.activity().workers > 0
    }

    /// What it is doing.
    pub(crate) fn activity(&self) -> Activity {
        match self {
            Self::Bun(workers) => {
                let VersionStats { workers, in_flight, queued, memory_bytes, cpu, .. } = workers.stats();
                Activity { workers, in_flight, queued, memory_bytes, cpu }
            }
            Self::QuickJs(instances) => {
                let LaneVersionStats { in_flight, queued, idle_instances, memory_bytes, cpu } =
                    instances.stats();
                Activity { workers: in_flight + idle_instances, in_flight, queued, memory_bytes, cpu }
            }
        }
    }

    /// Takes no more calls, and waits for those in flight.
    pub(crate) async fn retire(&self) {
        match self {
            Self::Bun(workers) => workers.retire().await,
            Self::QuickJs(instances) => instances.retire().await,
        }
    }
}
