//! Starts worker processes: private directory, scrubbed environment, own socket, limits.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

use crate::bun::BunBinary;
use crate::error::StartError;

/// File descriptors of one worker.
const OPEN_FILES_MAX: u64 = 4096;
const SOCKET_NAME: &str = "channel.sock";
const BEGUN_NAME: &str = "begun";
const BEGUN_BYTES: usize = 4096;
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
}

/// A process that has connected.
pub(crate) struct Launched {
    pub(crate) child: Child,
    pub(crate) pid: u32,
    pub(crate) socket: UnixStream,
    pub(crate) directory: PathBuf,
}

impl Launcher {
    pub(crate) async fn launch(&self, number: u64) -> Result<Launched, StartError> {
        let directory = self.work_dir.join(format!("w{number}"));
        let launched = self.launch_in(&directory).await;
        if launched.is_err() {
            let _ = tokio::fs::remove_dir_all(&directory).await;
        }
        launched
    }

    async fn launch_in(&self, directory: &Path) -> Result<Launched, StartError> {
        std::fs::DirBuilder::new().mode(0o700).create(directory).map_err(StartError::Prepare)?;
        std::fs::write(directory.join(BEGUN_NAME), [0_u8; BEGUN_BYTES]).map_err(StartError::Prepare)?;
        let socket_path = directory.join(SOCKET_NAME);
        let listener = UnixListener::bind(&socket_path).map_err(StartError::Prepare)?;
        let mut child = self.spawner.spawn(self.command(directory, &socket_path)).await?;
        let pid = child.id().ok_or_else(|| StartError::Ended("at once".to_owned()))?;
        limit(pid);
        let accepted =
            tokio::time::timeout(self.startup_timeout, connected(&listener, &mut child, pid)).await;
        let socket = accepted.unwrap_or(Err(StartError::Timeout(self.startup_timeout)))?;
        let _ = std::fs::remove_file(&socket_path);
        Ok(Launched { child, pid, socket, directory: directory.to_owned() })
    }

    fn command(&self, directory: &Path, socket_path: &Path) -> Command {
        let mut command = Command::new(self.bun.path());
        command
            // The worker dies with the server, also where that is killed, and takes its own children with it.
            .args(["--no-orphans", "--no-install", "--no-env-file"])
            .arg(&self.script)
            .arg(socket_path)
            .arg(directory.join(BEGUN_NAME))
            .current_dir(directory)
            .env_clear()
            .env("HOME", directory)
            .env("TMPDIR", directory)
            .env("BUN_RUNTIME_TRANSPILER_CACHE_PATH", "0")
            .env("DO_NOT_TRACK", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command
    }
}

/// The number of the newest call that a handler was entered for. Exact once the process has ended.
pub(crate) fn begun(directory: &Path) -> u32 {
    let bytes = std::fs::read(directory.join(BEGUN_NAME)).unwrap_or_default();
    // Without the file nothing is known: then every call counts as begun, and none is run twice.
    bytes.first_chunk::<4>().map_or(u32::MAX, |bytes| u32::from_le_bytes(*bytes))
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

/// No core files, and a bounded number of open files. Never `RLIMIT_AS` or `RLIMIT_DATA`: JavaScriptCore
/// reserves far more than it uses, and runs without its compiler, or not at all, under them.
fn limit(pid: u32) {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    for (resource, value) in [(Resource::Core, 0), (Resource::Nofile, OPEN_FILES_MAX)] {
        let limit = Rlimit { current: Some(value), maximum: Some(value) };
        if let Err(error) = prlimit(process, resource, limit) {
            tracing::warn!(pid, %error, ?resource, "worker could not be limited");
        }
    }
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
