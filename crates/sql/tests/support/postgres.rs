//! A PostgreSQL of its own for a test: with a password, on a free port of this machine, in a directory that is removed
//! at the end. As root it runs as the user of its package, since PostgreSQL refuses root. Used by the tests of several
//! crates (`#[path]`).

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const BIN: &str = "/usr/lib/postgresql/15/bin";
const USER: &str = "postgres";
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct TestPostgres {
    server: Child,
    port: u16,
    _directory: TempDir,
}

impl TestPostgres {
    /// What nothing may tell.
    pub(crate) const PASSWORD: &str = "s3cret-of-postgres";

    /// `None`, with a line that says so, where PostgreSQL 15 is not installed.
    pub(crate) fn start() -> Option<Self> {
        if !Path::new(BIN).join("postgres").exists() {
            eprintln!(
                "PostgreSQL is not in {BIN}: its tests are skipped (Debian: apt install postgresql-15)"
            );
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let (data, password) = (directory.path().join("data"), directory.path().join("password"));
        fs::write(&password, Self::PASSWORD).unwrap();
        let owner = owner();
        if let Some((user, group)) = owner {
            chown(directory.path(), Some(user), Some(group)).unwrap();
            chown(&password, Some(user), Some(group)).unwrap();
        }
        let mut initdb = command("initdb", owner.is_some());
        initdb.arg("-D").arg(&data).arg("--pwfile").arg(&password);
        run(initdb.args(["-U", USER, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"]));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut postgres = command("postgres", owner.is_some());
        postgres.arg("-D").arg(&data).args(["-p", &port.to_string(), "-h", "127.0.0.1"]);
        let server = postgres.args(["-c", "unix_socket_directories=", "-c", "fsync=off"]).spawn().unwrap();
        let started = Self { server, port, _directory: directory };
        started.wait_until_ready();
        Some(started)
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://{USER}:{}@127.0.0.1:{}/postgres", Self::PASSWORD, self.port)
    }

    fn wait_until_ready(&self) {
        let begun = Instant::now();
        let mut ready = Command::new(format!("{BIN}/pg_isready"));
        ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        while !ready.status().unwrap().success() {
            assert!(begun.elapsed() < PATIENCE, "PostgreSQL did not start");
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for TestPostgres {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// User and group of the package's user, where this is root.
fn owner() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| {
        let output = Command::new("id").args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse::<u32>().unwrap()
    };
    (id(&["-u"]) == 0).then(|| (id(&["-u", USER]), id(&["-g", USER])))
}

fn command(program: &str, is_root: bool) -> Command {
    let program = format!("{BIN}/{program}");
    let mut command = if is_root {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", USER, "--regid", USER, "--init-groups", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
    command
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?} failed");
}
