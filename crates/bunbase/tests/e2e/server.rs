//! A server of its own for each test: the real binary on a free port, with a data directory that goes away.

use crate::client::Client;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

/// How long a start, and an end, may take.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    child: Child,
    /// `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    stderr: Option<Lines<BufReader<ChildStderr>>>,
}

/// The tree that the tests are of. It is asked for when they run: what was compiled may have been so for another one.
pub(crate) fn repository() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../..")
}

/// A data directory that is removed at the end.
pub(crate) struct Data(TempDir);

impl Data {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("data")
    }
}

/// An address that nobody has, below the ports that the kernel gives to others meanwhile.
pub(crate) fn free_address() -> String {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    const PORTS: u32 = 12_000;
    let first = std::process::id().wrapping_mul(97) % PORTS;
    loop {
        let next = (first + u32::from(TAKEN.fetch_add(1, Ordering::Relaxed))) % PORTS;
        let address = format!("127.0.0.1:{}", 20_000 + next);
        if std::net::TcpListener::bind(&address).is_ok() {
            return address;
        }
    }
}

pub(crate) fn command(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bunbase"));
    let free_port = if arguments.contains(&"--listen") { &[][..] } else { &["--listen", "127.0.0.1:0"] };
    command
        .args(["serve", "--data-dir"])
        .arg(data)
        .args(free_port)
        .args(arguments)
        .current_dir(repository())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

impl Server {
    pub(crate) async fn start(data: &Data) -> Self {
        Self::start_with(data, &[]).await
    }

    pub(crate) async fn start_with(data: &Data, arguments: &[&str]) -> Self {
        let mut child = command(&data.path(), arguments).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = tokio::time::timeout(PATIENCE, address(stdout)).await.expect("the server starts in time");
        let Some(url) = url else {
            let output = child.wait_with_output().await.unwrap();
            let mut lines = stderr;
            let mut text = String::new();
            while let Ok(Some(line)) = lines.next_line().await {
                text.push_str(&line);
                text.push('\n');
            }
            panic!("the server did not start ({}):\n{text}", output.status);
        };
        Self { child, url, stderr: Some(stderr) }
    }

    /// A client that has proved nothing yet.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.url)
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id().unwrap()).unwrap()
    }

    /// `SIGKILL`: nothing is flushed, nothing is said.
    pub(crate) async fn kill(mut self) {
        self.child.start_kill().unwrap();
        self.child.wait().await.unwrap();
    }

    pub(crate) fn signal_stop(&self) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid()), nix::sys::signal::Signal::SIGTERM)
            .unwrap();
    }

    /// `SIGTERM`, then the exit status and what was logged.
    pub(crate) async fn stop(self) -> (ExitStatus, String) {
        self.signal_stop();
        self.wait().await
    }

    pub(crate) async fn wait(mut self) -> (ExitStatus, String) {
        let mut lines = self.stderr.take().unwrap();
        let mut text = String::new();
        let status = tokio::time::timeout(PATIENCE, async {
            while let Ok(Some(line)) = lines.next_line().await {
                text.push_str(&line);
                text.push('\n');
            }
            self.child.wait().await.unwrap()
        });
        (status.await.expect("the server ends in time"), text)
    }
}

async fn address(mut stdout: Lines<BufReader<ChildStdout>>) -> Option<String> {
    while let Ok(Some(line)) = stdout.next_line().await {
        if let Some(start) = line.find("http://") {
            let url = line[start..].split_whitespace().next().unwrap().to_owned();
            tokio::spawn(async move { while let Ok(Some(_)) = stdout.next_line().await {} });
            return Some(url);
        }
    }
    None
}
