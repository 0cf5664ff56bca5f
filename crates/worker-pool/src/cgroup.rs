//! Memory of workers held by the kernel: a control group for each worker, beneath one that was given to the server
//! (`PoolConfig::cgroup`, or by systemd with `Delegate=`). Nothing else is touched: a group that belongs to
//! somebody else is not made smaller by this program without being asked.
//!
//! v2: `memory.max` and `memory.events` of the kernel's `cgroup-v2.rst`. v1: `memory.limit_in_bytes` and
//! `memory.oom_control` of `cgroup-v1/memory.rst`.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Beyond anonymous memory, which the limit is about: pages of files and the kernel's own memory count in a
/// group too.
const SLACK_BYTES: u64 = 64 * 1024 * 1024;
/// Processes and threads of one worker (v2).
const PIDS_MAX: &str = "512";
/// How often, and how far apart, the kernel is asked to remove a group that it holds.
const REMOVALS: u32 = 100;
const REMOVAL_PAUSE: Duration = Duration::from_millis(20);

/// Names of groups go on with the process of the server, `-w` and the number of the worker.
const PREFIX: &str = "bunbase-";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// The group beneath which those of the workers are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cgroups {
    parent: PathBuf,
    version: Version,
}

impl Cgroups {
    /// The configured group, or one that systemd gave away. `None` where there is none: that is usual.
    pub(crate) fn find(configured: Option<&Path>) -> Option<Self> {
        let parent = configured.map(Path::to_owned).or_else(delegated)?;
        match Self::open(parent.clone()) {
            Ok(cgroups) => Some(cgroups),
            Err(error) => {
                tracing::warn!(path = %parent.display(), %error, "control group for workers cannot be used");
                None
            }
        }
    }

    fn open(parent: PathBuf) -> io::Result<Self> {
        let version = if parent.join("cgroup.controllers").exists() { Version::V2 } else { Version::V1 };
        if version == Version::V2 {
            let control = parent.join("cgroup.subtree_control");
            std::fs::write(&control, "+memory")?;
            // Not every server was given this one.
            let _ = std::fs::write(&control, "+pids");
        } else if !parent.join("memory.limit_in_bytes").exists() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "it is no control group with memory"));
        }
        let cgroups = Self { parent, version };
        cgroups.sweep();
        Ok(cgroups)
    }

    /// Removes what servers left that were killed.
    fn sweep(&self) {
        for entry in std::fs::read_dir(&self.parent).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let server = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split_once("-w"));
            if server.is_some_and(|(pid, _)| !Path::new("/proc").join(pid).exists()) {
                // The kernel keeps one that has processes.
                let _ = std::fs::remove_dir(entry.path());
            }
        }
    }

    /// Makes the group of one worker.
    pub(crate) fn make(&self, number: u64) -> io::Result<Cgroup> {
        let path = self.parent.join(format!("{PREFIX}{}-w{number}", std::process::id()));
        std::fs::create_dir(&path)?;
        let group = Cgroup { path, version: self.version };
        if self.version == Version::V2 {
            let _ = std::fs::write(group.path.join("pids.max"), PIDS_MAX);
            let _ = std::fs::write(group.path.join("memory.swap.max"), "0");
        }
        Ok(group)
    }
}

/// The control group of one worker; removed with it.
#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
    version: Version,
}

impl Cgroup {
    /// Where a process enters itself.
    pub(crate) fn procs(&self) -> PathBuf {
        self.path.join("cgroup.procs")
    }

    pub(crate) fn limit(&self, memory_bytes: u64) -> io::Result<()> {
        let name = match self.version {
            Version::V1 => "memory.limit_in_bytes",
            Version::V2 => "memory.max",
        };
        std::fs::write(self.path.join(name), (memory_bytes + SLACK_BYTES).to_string())
    }

    /// Whether the kernel has ended a process of the group for its memory.
    pub(crate) fn ended_for_memory(&self) -> bool {
        let name = match self.version {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        };
        let counters = std::fs::read_to_string(self.path.join(name)).unwrap_or_default();
        let ended =
            counters.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse::<u64>().ok());
        ended.is_some_and(|count| count > 0)
    }
}

impl Drop for Cgroup {
    /// The kernel may hold a group for a moment after its last process was waited for (`EBUSY`): it is asked again
    /// then, beside everything else.
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir(&self.path)
            && error.kind() == io::ErrorKind::ResourceBusy
        {
            let path = std::mem::take(&mut self.path);
            std::thread::spawn(move || remove_when_empty(&path));
        }
    }
}

fn remove_when_empty(path: &Path) {
    for _ in 0..REMOVALS {
        std::thread::sleep(REMOVAL_PAUSE);
        if std::fs::remove_dir(path).is_ok() {
            return;
        }
    }
    tracing::warn!(path = %path.display(), "control group of a worker that ended could not be removed");
}

/// The group of a service with `Delegate=memory` and `DelegateSubgroup=`: systemd marks what it gave away, and has
/// put the server into a group below, as v2 asks of groups that are divided.
fn delegated() -> Option<PathBuf> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let parent = Path::new("/sys/fs/cgroup").join(own).parent()?.to_owned();
    let marked = ["user.delegate", "trusted.delegate"].iter().any(|name| {
        let mut value = [0_u8; 1];
        rustix::fs::getxattr(&parent, *name, &mut value).is_ok_and(|length| length == 1 && value == *b"1")
    });
    marked.then_some(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent(files: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for file in files {
            std::fs::write(directory.path().join(file), "").unwrap();
        }
        directory
    }

    #[test]
    fn groups_of_servers_that_are_gone_are_removed() {
        let parent = parent(&["memory.limit_in_bytes"]);
        let own = format!("{PREFIX}{}-w1", std::process::id());
        // No process has a number beyond the kernel's largest.
        for name in [own.as_str(), "bunbase-4194305-w2", "bunbase-data", "other"] {
            std::fs::create_dir(parent.path().join(name)).unwrap();
        }
        Cgroups::find(Some(parent.path())).unwrap();
        let left = |name: &str| parent.path().join(name).exists();
        assert!(left(&own) && left("bunbase-data") && left("other") && !left("bunbase-4194305-w2"));
    }

    #[test]
    fn a_worker_of_v2_is_limited_by_memory_max() {
        let parent = parent(&["cgroup.controllers", "cgroup.subtree_control"]);
        let cgroups = Cgroups::find(Some(parent.path())).unwrap();
        let group = cgroups.make(7).unwrap();
        group.limit(1 << 20).unwrap();
        let limit = std::fs::read_to_string(group.path.join("memory.max")).unwrap();
        assert_eq!(limit, ((1 << 20) + SLACK_BYTES).to_string());
        assert!(!group.ended_for_memory());
        std::fs::write(group.path.join("memory.events"), "low 0\noom 3\noom_kill 1\n").unwrap();
        assert!(group.ended_for_memory());
    }

    #[test]
    fn a_worker_of_v1_is_limited_by_limit_in_bytes() {
        let parent = parent(&["memory.limit_in_bytes"]);
        let group = Cgroups::find(Some(parent.path())).unwrap().make(7).unwrap();
        group.limit(1 << 20).unwrap();
        assert!(group.path.join("memory.limit_in_bytes").exists());
        std::fs::write(group.path.join("memory.oom_control"), "under_oom 0\noom_kill 0\n").unwrap();
        assert!(!group.ended_for_memory());
    }

    #[test]
    fn a_directory_that_is_no_control_group_is_not_used() {
        assert_eq!(Cgroups::find(Some(parent(&[]).path())), None);
    }
}
