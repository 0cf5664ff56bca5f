//! Limits of a process: files, core files, processes, privileges, and who goes first when memory runs out.
//!
//! Never `RLIMIT_AS` or `RLIMIT_DATA`: JavaScriptCore reserves far more than it uses, and runs without its
//! compiler, or not at all, under them.

use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit, set_parent_process_death_signal};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, remove_capability_from_bounding_set, set_capabilities,
};

/// File descriptors of one worker.
const OPEN_FILES_MAX: u64 = 4096;
/// Largest file that a worker can write.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// Processes and threads of the worker's user, where no filter refuses processes. They count together with those
/// of the server and of all other workers, so it is far above what they need.
const PROCESSES_MAX: u64 = 16 * 1024;
/// When the machine runs out of memory the kernel ends workers before the server (`proc(5)`: up to 1000).
const OUT_OF_MEMORY_SCORE: &str = "500";

/// Limits another process.
pub(crate) fn limit_process(pid: u32) {
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let limits = [(Resource::Core, 0), (Resource::Nofile, OPEN_FILES_MAX), (Resource::Fsize, FILE_BYTES_MAX)];
    for (resource, value) in limits {
        if let Err(error) = set(process, resource, value) {
            tracing::warn!(pid, %error, ?resource, "worker could not be limited");
        }
    }
}

/// Limits this process. What it may not lower was lower before.
pub(super) fn limit_self() {
    // Bun does this too, but later: a server that is killed in between would leave a process behind.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    let _ = std::fs::write("/proc/self/oom_score_adj", OUT_OF_MEMORY_SCORE);
    let _ = set(None, Resource::Core, 0);
    let _ = set(None, Resource::Nofile, OPEN_FILES_MAX);
    let _ = set(None, Resource::Fsize, FILE_BYTES_MAX);
    drop_capabilities();
}

pub(super) fn limit_processes_without_filter(filtered: bool) {
    if !filtered {
        let _ = set(None, Resource::Nproc, PROCESSES_MAX);
    }
}

fn set(process: Option<Pid>, resource: Resource, value: u64) -> rustix::io::Result<()> {
    let limit = Rlimit { current: Some(value), maximum: Some(value) };
    prlimit(process, resource, limit).map(drop)
}

/// A server that runs as root has workers that cannot do what root can. They go on reading what other users own:
/// Bun may be installed in somebody's home.
fn drop_capabilities() {
    let Ok(CapabilitySets { permitted, .. }) = capabilities(None) else { return };
    let kept = permitted & CapabilitySet::DAC_READ_SEARCH;
    for capability in CapabilitySet::all().difference(kept).iter() {
        let _ = remove_capability_from_bounding_set(capability);
    }
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    let _ = set_capabilities(None, sets);
}
