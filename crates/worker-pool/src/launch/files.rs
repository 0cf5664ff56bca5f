//! Closes the file system to this process but for what a worker needs (landlock). Best effort: a kernel that knows
//! less restricts less, and the report says so.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use super::LaunchOrder;

/// The newest rules that are asked for.
const RULES: ABI = ABI::V9;

/// Of the system, to be read: libraries, names and addresses, certificates, time zones, devices without state, and
/// what Bun asks about the machine. Not `/etc` and `/proc` as a whole: settings and keys may lie in the one, and
/// environments and command lines of other processes do in the other.
const SYSTEM: &[&str] = &[
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/nix/store",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/alternatives",
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/run/systemd/resolve",
    "/etc/passwd",
    "/etc/group",
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/cert.pem",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/etc/localtime",
    "/etc/timezone",
    "/usr/share/zoneinfo",
    "/usr/share/locale",
    "/usr/lib/locale",
    "/dev/zero",
    "/dev/random",
    "/dev/urandom",
    "/proc/self",
    "/proc/meminfo",
    "/proc/cpuinfo",
    "/proc/stat",
    "/proc/loadavg",
    "/proc/uptime",
    "/proc/version",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/kernel/osrelease",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
];
/// The dynamic linkers, which the kernel executes beside Bun. Under NixOS they have no fixed name.
const LINKERS: &[&str] = &[
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
    "/nix/store",
];

/// What is in force.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Closed {
    pub(super) paths: bool,
    pub(super) scopes: bool,
}

pub(super) fn close(order: &LaunchOrder) -> Result<Closed, RulesetError> {
    // The scopes by themselves: so it is known whether the kernel has them.
    let scopes = Ruleset::default().scope(Scope::from_all(RULES))?.create()?.restrict_self()?;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let change = AccessFs::from_all(RULES)
        & !BitFlags::from(AccessFs::Execute)
        & !(AccessFs::MakeChar | AccessFs::MakeBlock);
    let rules = Ruleset::default().handle_access(AccessFs::from_all(RULES))?.create()?;
    let rules = allow(rules, SYSTEM.iter().map(Path::new), read)?;
    let rules = allow(rules, order.readable.iter().map(PathBuf::as_path), read)?;
    let rules = allow(rules, order.writable.iter().map(PathBuf::as_path), change)?;
    let rules = allow(rules, [Path::new("/dev/null")], AccessFs::ReadFile | AccessFs::WriteFile)?;
    // Kernels that know this right close all other Unix sockets.
    let rules = allow(rules, [order.socket.as_path()], AccessFs::ResolveUnix.into())?;
    let programs = LINKERS.iter().map(Path::new).chain([order.program.as_path()]);
    let rules = allow(rules, programs, AccessFs::Execute | AccessFs::ReadFile)?;
    let paths = rules.restrict_self()?;
    Ok(Closed { paths: in_force(&paths.ruleset), scopes: in_force(&scopes.ruleset) })
}

/// Paths that are not there are left out.
fn allow<'a>(
    mut rules: RulesetCreated,
    paths: impl IntoIterator<Item = &'a Path>,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    for path in paths {
        let Ok(opened) = PathFd::new(path) else { continue };
        let fitting = if path.is_dir() { access } else { access & AccessFs::from_file(RULES) };
        rules = rules.add_rule(PathBeneath::new(opened, fitting))?;
    }
    Ok(rules)
}

fn in_force(status: &RulesetStatus) -> bool {
    // Partly is enough: what is left out of the newest rules are kinds of access that older kernels do not know.
    !matches!(status, RulesetStatus::NotEnforced)
}
