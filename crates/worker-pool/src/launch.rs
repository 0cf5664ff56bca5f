//! The step between the server and Bun. The server starts its own executable again with a word that only this
//! module knows; that process restricts itself and then becomes Bun by `exec`. So everything holds before the
//! first instruction of Bun, and no code runs between `fork` and `exec` in the server.

mod files;
mod limits;
mod syscalls;

use std::io::Write as _;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use crate::isolation::Isolation;

pub(crate) use limits::limit_process;

/// First argument of a process that is to become a worker.
const WORD: &str = "__worker-launch";
/// As a shell answers where it found a program and could not run it.
const EXIT_CODE: u8 = 126;

static ANSWERS: AtomicBool = AtomicBool::new(false);

/// To be called first thing in `main`. Where the process was started to become a worker it does not come back,
/// unless that fails; the process has to end with the code that it then gives. Otherwise `None`, and pools of this
/// process start their workers through this executable from then on.
pub fn launch_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|word| word != WORD) {
        ANSWERS.store(true, Ordering::Release);
        return None;
    }
    let order = arguments.next().and_then(|order| serde_json::from_str(order.to_str()?).ok());
    let failure = match order {
        Some(order) => become_worker(&order),
        None => "this word is for the server itself".to_owned(),
    };
    // The server reads it where a worker ended while it started.
    let _ = writeln!(std::io::stderr(), "worker was not launched: {failure}");
    Some(ExitCode::from(EXIT_CODE))
}

/// A program whose `main` calls [`launch_if_asked`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchProgram {
    path: PathBuf,
}

impl LaunchProgram {
    /// The program at an absolute path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// This process's own program, where its `main` called [`launch_if_asked`]. The file may be replaced while
    /// the process runs: it is found through `/proc`.
    pub fn own() -> Option<Self> {
        let own = PathBuf::from("/proc/self/exe");
        (ANSWERS.load(Ordering::Acquire) && own.exists()).then(|| Self::new(own))
    }

    /// The command that carries `order` out.
    pub(crate) fn command(&self, order: &LaunchOrder) -> Command {
        let mut command = Command::new(&self.path);
        // Bun sees its own name.
        command.arg(WORD).arg(serde_json::to_string(order).unwrap_or_default());
        command
    }
}

/// What a process is to become, and within which walls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LaunchOrder {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// Files and directories that it may read, besides those of the system.
    pub(crate) readable: Vec<PathBuf>,
    /// Files and directories that it may change.
    pub(crate) writable: Vec<PathBuf>,
    /// The server's end of its channel.
    pub(crate) socket: PathBuf,
    /// Internet sockets.
    pub(crate) network: Network,
    /// `cgroup.procs` of its control group.
    pub(crate) cgroup_procs: Option<PathBuf>,
    /// Where it says what is in force.
    pub(crate) report: PathBuf,
}

/// Whether a worker may have internet sockets at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Network {
    #[default]
    Open,
    Closed,
}

/// Comes back only where it failed, with what happened.
fn become_worker(order: &LaunchOrder) -> String {
    match restrict(order) {
        Ok(()) => Command::new(&order.program).args(&order.arguments).exec().to_string(),
        Err(error) => error,
    }
}

fn restrict(order: &LaunchOrder) -> Result<(), String> {
    let mut report = std::fs::File::create(&order.report).map_err(|error| error.to_string())?;
    if let Some(procs) = &order.cgroup_procs {
        join(procs).map_err(|error| format!("control group: {error}"))?;
    }
    limits::limit_self();
    let files = files::close(order).map_err(|error| format!("landlock: {error}"))?;
    let syscalls = syscalls::close(order.network).map_err(|error| format!("seccomp: {error}"))?;
    limits::limit_processes_without_filter(syscalls);
    let isolation = Isolation {
        launcher: true,
        files: files.paths,
        scopes: files.scopes,
        syscalls,
        ..Isolation::default()
    };
    let json = serde_json::to_vec(&isolation).map_err(|error| error.to_string())?;
    report.write_all(&json).map_err(|error| error.to_string())
}

fn join(procs: &Path) -> std::io::Result<()> {
    std::fs::write(procs, b"0")
}

/// What the worker said at its start.
pub(crate) fn reported(path: &Path) -> Isolation {
    let report = std::fs::read(path).unwrap_or_default();
    serde_json::from_slice(&report).unwrap_or_default()
}
