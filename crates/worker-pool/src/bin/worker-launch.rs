//! The step between a server and Bun as a program of its own: for tests, and for servers whose `main` does not
//! call [`worker_pool::launch_if_asked`].

use std::process::ExitCode;

fn main() -> ExitCode {
    worker_pool::launch_if_asked().unwrap_or_else(|| {
        eprintln!("this program is started by worker pools, and by nobody else");
        ExitCode::FAILURE
    })
}
