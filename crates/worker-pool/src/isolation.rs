//! What holds a worker besides its own process: which of it the kernel has, and what is missing.

use serde::{Deserialize, Serialize};

/// What is in force for the workers of a pool. The first worker reports it after its start; what a kernel lacks
/// is left out, and said in the log when the pool starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Isolation {
    /// Workers are started through a step that restricts itself before it becomes Bun. Without it nothing below
    /// is in force, but for the limits on open files and core files.
    pub launcher: bool,
    /// Files are closed to a worker but for its own and those of the system that Bun needs (landlock).
    pub files: bool,
    /// A worker can send signals only to itself, and reach no abstract Unix socket outside (landlock, from
    /// Linux 6.12).
    pub scopes: bool,
    /// A worker cannot start processes, and has none of the system calls that administer a machine (seccomp).
    pub syscalls: bool,
    /// How memory is held to its limit.
    pub memory: MemoryGuard,
}

/// How the memory of a worker is held to its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum MemoryGuard {
    /// The pool looks every 50 ms, so a worker can be over the limit for as long.
    #[default]
    Watched,
    /// The kernel holds it as well (cgroup v1 or v2).
    Cgroup,
}

impl Isolation {
    /// Each guard by its name, and whether it is in force.
    pub(crate) fn guards(&self) -> [(&'static str, bool); 5] {
        [
            ("launcher", self.launcher),
            ("files", self.files),
            ("scopes", self.scopes),
            ("syscalls", self.syscalls),
            ("cgroup", self.memory == MemoryGuard::Cgroup),
        ]
    }

    /// What is not in force, in words for the log and for `health`.
    pub fn missing(&self) -> Vec<&'static str> {
        if !self.launcher {
            return vec!["workers are started without restrictions: they can open what the server can open"];
        }
        let parts = [
            (self.files, "workers can read what the server can read (no landlock in this kernel)"),
            (
                self.scopes,
                "workers can send signals to processes of the same user (landlock needs Linux 6.12)",
            ),
            (self.syscalls, "workers can make every system call (no seccomp in this kernel)"),
        ];
        parts.into_iter().filter(|(in_force, _)| !in_force).map(|(_, words)| words).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_and_nothing_else() {
        let all =
            Isolation { launcher: true, files: true, scopes: true, syscalls: true, ..Isolation::default() };
        assert!(all.missing().is_empty());
        let without_files = Isolation { files: false, ..all };
        assert!(matches!(without_files.missing()[..], [words] if words.contains("read")));
        assert_eq!(Isolation::default().missing().len(), 1);
    }
}
