//! Starts worker processes: private directory, scrubbed environment, own socket, limits.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

use crate::bun::BunBinary;
use crate::cgroup::{Cgroup, Cgroups};
use crate::error::StartError;
use crate::isolation::{Isolation, MemoryGuard};
use crate::launch::{self, LaunchOrder, LaunchProgram, Network};

const SOCKET_NAME: &str = "channel.sock";
/// What stands in frames between those of the worker's program.
const BETWEEN: [&str; 3] = ["(node:async_hooks:", "file:///:1:", "runInThisContext (unknown)"];
const BEGUN_NAME: &str = "begun";
const BEGUN_BYTES: usize = 4096;
const REPORT_NAME: &str = "isolation.json";
/// What the worker may read: the bundle it is told to load.
const CODE_NAME: &str = "code";
/// What the worker may write: its home, temporary and current directory.
const SCRATCH_NAME: &str = "tmp";
/// Bytes that a work directory leaves for `/w<number>/channel.sock` within a socket path (`unix(7)`: 107).
pub(crate) const WORK_DIR_BYTES_MAX: usize = 72;

/// What all workers of a pool are started from.
#[derive(Debug)]
pub(crate) struct Launcher {
    pub(crate) bun: BunBinary,
    pub(crate) script: PathBuf,
    pub(crate) work_dir: PathBuf,
    pub(crate) startup_timeout: Duration,
    pub(crate) spawner: Spawner,
    pub(crate) program: Option<LaunchProgram>,
    pub(crate) cgroups: Option<Cgroups>,
}

/// A process that has connected.
pub(crate) struct Launched {
    pub(crate) child: Child,
    pub(crate) pid: u32,
    pub(crate) socket: UnixStream,
    pub(crate) place: Place,
}

/// What one worker has on this machine besides its process. Directory and control group are removed at its end.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    /// The path of `code/` in it, as it stands in stacks.
    code_prefix: String,
    /// The path of the worker's program, as it stands in stacks.
    script: String,
    pub(crate) cgroup: Option<Cgroup>,
    pub(crate) isolation: Isolation,
}

impl Launcher {
    pub(crate) async fn launch(&self, number: u64, network: Network) -> Result<Launched, StartError> {
        let directory = self.work_dir.join(format!("w{number}"));
        let launched = self.launch_in(&directory, number, network).await;
        if launched.is_err() {
            let _ = tokio::fs::remove_dir_all(&directory).await;
        }
        launched
    }

    async fn launch_in(
        &self,
        directory: &Path,
        number: u64,
        network: Network,
    ) -> Result<Launched, StartError> {
        prepare(directory).map_err(StartError::Prepare)?;
        let cgroup = self.cgroup(number);
        let socket_path = directory.join(SOCKET_NAME);
        let listener = UnixListener::bind(&socket_path).map_err(StartError::Prepare)?;
        let order = self.order(directory, &socket_path, cgroup.as_ref(), network);
        let mut child = self.spawner.spawn(self.command(directory, &order)).await?;
        let pid = child.id().ok_or_else(|| StartError::Ended("at once".to_owned()))?;
        if self.program.is_none() {
            launch::limit_process(pid);
        }
        let accepted =
            tokio::time::timeout(self.startup_timeout, connected(&listener, &mut child, pid)).await;
        let socket = match accepted.unwrap_or(Err(StartError::Timeout(self.startup_timeout))) {
            Ok(socket) => socket,
            Err(error) => {
                // Only then can its group be removed.
                let _ = child.kill().await;
                return Err(error);
            }
        };
        let _ = std::fs::remove_file(&socket_path);
        let mut isolation = launch::reported(&order.report);
        if cgroup.is_some() {
            isolation.memory = MemoryGuard::Cgroup;
        }
        let script = self.script.display().to_string();
        let code_prefix = format!("{}/", directory.join(CODE_NAME).display());
        let place = Place { directory: directory.to_owned(), code_prefix, script, cgroup, isolation };
        Ok(Launched { child, pid, socket, place })
    }

    /// Groups are entered in the step before Bun, so without it there are none.
    fn cgroup(&self, number: u64) -> Option<Cgroup> {
        self.program.as_ref()?;
        let made = self.cgroups.as_ref()?.make(number);
        made.inspect_err(|error| tracing::warn!(%error, "control group of a worker could not be made")).ok()
    }

    fn order(
        &self,
        directory: &Path,
        socket_path: &Path,
        cgroup: Option<&Cgroup>,
        network: Network,
    ) -> LaunchOrder {
        let begun = directory.join(BEGUN_NAME);
        // The worker dies with the server, also where that is killed, and takes its own children with it.
        let mut arguments = ["--no-orphans", "--no-install", "--no-env-file"].map(str::to_owned).to_vec();
        arguments.extend([&self.script, socket_path, &begun].map(|path: &Path| path.display().to_string()));
        LaunchOrder {
            program: self.bun.path().to_owned(),
            arguments,
            readable: vec![self.program_directory(), directory.join(CODE_NAME)],
            writable: vec![begun, directory.join(SCRATCH_NAME)],
            socket: socket_path.to_owned(),
            network,
            cgroup_procs: cgroup.map(Cgroup::procs),
            report: directory.join(REPORT_NAME),
        }
    }

    fn program_directory(&self) -> PathBuf {
        self.script.parent().unwrap_or(&self.work_dir).to_owned()
    }

    fn command(&self, directory: &Path, order: &LaunchOrder) -> Command {
        let mut command = match &self.program {
            Some(program) => program.command(order),
            None => {
                let mut command = std::process::Command::new(&order.program);
                command.args(&order.arguments);
                command
            }
        };
        let scratch = directory.join(SCRATCH_NAME);
        command
            .current_dir(&scratch)
            .env_clear()
            .env("HOME", &scratch)
            .env("TMPDIR", &scratch)
            .env("BUN_RUNTIME_TRANSPILER_CACHE_PATH", "0")
            .env("DO_NOT_TRACK", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut command = Command::from(command);
        command.process_group(0).kill_on_drop(true);
        command
    }
}

impl Place {
    /// Brings a file to where the worker can read it. A link and no copy: bundles are large, and never changed.
    pub(crate) fn bring(&self, file: &Path) -> std::io::Result<PathBuf> {
        let name = file.file_name().ok_or(std::io::ErrorKind::InvalidInput)?;
        let target = self.directory.join(CODE_NAME).join(name);
        // Across file systems only a copy works.
        std::fs::hard_link(file, &target).or_else(|_| std::fs::copy(file, &target).map(drop))?;
        Ok(target)
    }

    /// Text with stacks as the author of the code knows them: paths as the source map gives them, of a bundle without
    /// one just its name, and no frames of the worker's own program.
    pub(crate) fn shown(&self, text: String) -> String {
        let text = if text.contains(&self.script) { without_frames(&text, &self.script) } else { text };
        if text.contains(&self.code_prefix) { text.replace(&self.code_prefix, "") } else { text }
    }

    /// The number of the newest call that a handler was entered for. Exact once the process has ended.
    pub(crate) fn begun(&self) -> u32 {
        let bytes = std::fs::read(self.directory.join(BEGUN_NAME)).unwrap_or_default();
        // Without the file nothing is known: then every call counts as begun, and none is run twice.
        bytes.first_chunk::<4>().map_or(u32::MAX, |bytes| u32::from_le_bytes(*bytes))
    }
}

/// Stacks without the frames of `script`, and those of the runtime that stand between them.
fn without_frames(text: &str, script: &str) -> String {
    let is_own = |line: &&str| {
        let frame = line.trim_start().strip_prefix("at ");
        frame.is_some_and(|frame| frame.contains(script) || BETWEEN.iter().any(|part| frame.contains(part)))
    };
    text.lines().filter(|line| !is_own(line)).collect::<Vec<_>>().join("\n")
}

fn prepare(directory: &Path) -> std::io::Result<()> {
    let private = |path: &Path| std::fs::DirBuilder::new().mode(0o700).create(path);
    private(directory)?;
    private(&directory.join(CODE_NAME))?;
    private(&directory.join(SCRATCH_NAME))?;
    std::fs::write(directory.join(BEGUN_NAME), [0_u8; BEGUN_BYTES])
}

async fn connected(listener: &UnixListener, child: &mut Child, pid: u32) -> Result<UnixStream, StartError> {
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (socket, _) = accepted.map_err(StartError::Prepare)?;
                let peer = socket.peer_cred().ok().and_then(|peer| peer.pid());
                if peer.is_none_or(|peer| u32::try_from(peer) == Ok(pid)) {
                    return Ok(socket);
                }
            }
            status = child.wait() => {
                let status = status.map_err(StartError::Prepare)?;
                return Err(StartError::Ended(format!("{status}{}", first_words(child).await)));
            }
        }
    }
}

/// What a process that ended at once wrote to its standard error.
async fn first_words(child: &mut Child) -> String {
    use tokio::io::AsyncReadExt;
    const WORDS_BYTES_MAX: usize = 2048;
    let Some(mut stderr) = child.stderr.take() else { return String::new() };
    let mut words = vec![0; WORDS_BYTES_MAX];
    let length = stderr.read(&mut words).await.unwrap_or(0);
    format!(": {}", String::from_utf8_lossy(&words[..length]).trim())
}

struct SpawnOrder {
    command: Command,
    reply: oneshot::Sender<std::io::Result<Child>>,
}

/// A thread that does nothing but spawn. The kernel tells a child of its parent's death when the *thread* that
/// spawned it ends, so that thread has to live as long as the pool.
#[derive(Debug)]
pub(crate) struct Spawner {
    orders: std::sync::mpsc::Sender<SpawnOrder>,
}

impl Spawner {
    /// Has to be called inside a tokio runtime.
    pub(crate) fn start() -> Self {
        let (orders, incoming) = std::sync::mpsc::channel::<SpawnOrder>();
        let runtime = tokio::runtime::Handle::current();
        std::thread::spawn(move || {
            let _context = runtime.enter();
            for mut order in incoming {
                let _ = order.reply.send(order.command.spawn());
            }
        });
        Self { orders }
    }

    async fn spawn(&self, command: Command) -> Result<Child, StartError> {
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        let (reply, spawned) = oneshot::channel();
        let _ = self.orders.send(SpawnOrder { command, reply });
        let child = spawned.await.map_err(|_| StartError::Stopping)?;
        child.map_err(|source| StartError::Spawn { program, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frames_of_the_worker_are_left_out_of_a_stack() {
        let stack = "Error: no\n    at f (/w/code/a.ts:1:2)\n    at run (node:async_hooks:1:2)\n    at b (/p/worker.js:3:4)";
        let why = "\ncaused by Error: at /p/worker.js";
        let shown = without_frames(&format!("{stack}{why}"), "/p/worker.js");
        assert_eq!(shown, format!("Error: no\n    at f (/w/code/a.ts:1:2){why}"));
    }
}
