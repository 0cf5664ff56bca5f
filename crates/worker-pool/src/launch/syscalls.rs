//! Closes system calls that a worker has no use for (seccomp): those that start processes, reach into other
//! processes, or administer the machine. A list of what is refused, not of what is allowed: Bun is free to use the
//! rest, and a newer Bun does not break on a call that nobody thought of.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};

use super::Network;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Refused whatever its arguments are. `EPERM`.
const REFUSED: &[i64] = &[
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    // The machine.
    libc::SYS_reboot,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    // The kernel's own machinery, and ways around this filter.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_open_by_handle_at,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
];

/// Sends a signal to the process that the first argument names.
const SIGNALS: &[i64] =
    &[libc::SYS_kill, libc::SYS_tgkill, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo];

/// `false` where the kernel has no filters.
pub(super) fn close(network: Network) -> Result<bool, String> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| error.to_string())?;
    let pid = u64::from(std::process::id());
    let refusals = refusals(pid, network).map_err(|error| error.to_string())?;
    // C libraries try `clone3` first, whose flags a filter cannot see, and take `clone` where it is unknown.
    let unknown = Rules::from([(libc::SYS_clone3, Vec::new())]);
    for (rules, errno) in [(refusals, libc::EPERM), (unknown, libc::ENOSYS)] {
        let answer = SeccompAction::Errno(errno as u32);
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, answer, arch);
        let program = filter.and_then(BpfProgram::try_from).map_err(|error| error.to_string())?;
        if apply_filter(&program).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn refusals(pid: u64, network: Network) -> Result<Rules, BackendError> {
    let mut rules: Rules = REFUSED.iter().map(|number| (*number, Vec::new())).collect();
    let thread = libc::CLONE_THREAD as u64;
    rules.insert(libc::SYS_clone, vec![rule(&[argument(0, SeccompCmpOp::MaskedEq(thread), 0)?])?]);
    for number in SIGNALS {
        rules.insert(*number, vec![rule(&[argument(0, SeccompCmpOp::Ne, pid)?])?]);
    }
    // Limits of another process; 0 is this one.
    let others = [argument(0, SeccompCmpOp::Ne, 0)?, argument(0, SeccompCmpOp::Ne, pid)?];
    rules.insert(libc::SYS_prlimit64, vec![rule(&others)?]);
    if network == Network::Closed {
        let families = [libc::AF_INET, libc::AF_INET6].map(|family| family as u64);
        let [inet, inet6] = families.map(|family| rule(&[argument(0, SeccompCmpOp::Eq, family)?]));
        rules.insert(libc::SYS_socket, vec![inet?, inet6?]);
    }
    Ok(rules)
}

fn rule(conditions: &[SeccompCondition]) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions.to_vec())
}

fn argument(index: u8, is: SeccompCmpOp, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(index, SeccompCmpArgLen::Dword, is, value)
}
