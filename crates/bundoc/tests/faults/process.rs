//! Starts a test of this program as the watched process, with the recorder loaded into it.

use crate::drive::TASK;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A process that is not done by then hangs.
const TIME_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(2);

/// What the recorder is told.
#[derive(Default)]
pub(crate) struct Recorder<'a> {
    /// Where the log goes.
    pub(crate) log: Option<&'a Path>,
    /// Where the number of calls goes.
    pub(crate) count: Option<&'a Path>,
    /// Which call fails, how many in a row, and how.
    pub(crate) fail: Option<(u64, u64, &'a str)>,
}

/// How the process ended.
pub(crate) struct Ended {
    /// The lines that it printed.
    pub(crate) output: String,
    /// What it printed as errors.
    pub(crate) errors: String,
    /// Whether it ended well: `None` where it had to be killed.
    pub(crate) success: Option<bool>,
}

/// A directory for stores: in memory where there is such a place, for everything is synced there all the time.
pub(crate) fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::tempdir_in(parent.canonicalize().unwrap()).unwrap()
}

/// The recorder, compiled once.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = LIBRARY.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("recorder.so");
        let source =
            Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("tests/faults/recorder.c");
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let compiled = Command::new(compiler)
            // Bound at once: the handler cannot have a name looked up for it.
            .args(["-shared", "-fPIC", "-O1", "-fvisibility=hidden", "-Wl,-z,now", "-o"])
            .args([&path, &source])
            .status();
        assert!(compiled.unwrap().success(), "the recorder does not compile");
        (directory, path)
    });
    path
}

/// Runs `test` of this program as the watched process with `kind` of task over the store in `root`.
pub(crate) fn run(test: &str, kind: &str, root: &Path, recorder: &Recorder<'_>) -> Ended {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(TASK, format!("{kind} {}", root.display()))
        // What it says at its end is read by people.
        .env("RUST_BACKTRACE", "0")
        .env("LD_PRELOAD", library())
        .env("RECORDER_ROOT", root)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, path) in [("RECORDER_LOG", recorder.log), ("RECORDER_COUNT", recorder.count)] {
        command.envs(path.map(|path| (name, path)));
    }
    if let Some((at, count, how)) = recorder.fail {
        command.env("RECORDER_FAIL_AT", at.to_string());
        command.env("RECORDER_FAIL_N", count.to_string());
        command.env("RECORDER_FAIL", how);
    }
    wait(command.spawn().unwrap())
}

fn wait(mut child: Child) -> Ended {
    let read =
        |from: Box<dyn std::io::Read + Send>| std::thread::spawn(move || std::io::read_to_string(from));
    let output = read(Box::new(child.stdout.take().unwrap()));
    let errors = read(Box::new(child.stderr.take().unwrap()));
    let begun = Instant::now();
    let success = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status.success());
        }
        if begun.elapsed() > TIME_MAX {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        std::thread::sleep(POLL);
    };
    Ended { output: output.join().unwrap().unwrap(), errors: errors.join().unwrap().unwrap(), success }
}

/// A number from the environment, `all` for no bound.
pub(crate) fn bound(name: &str, default: usize) -> usize {
    match std::env::var(name) {
        Ok(text) if text == "all" => usize::MAX,
        Ok(text) => text.parse().unwrap(),
        Err(_) => default,
    }
}
