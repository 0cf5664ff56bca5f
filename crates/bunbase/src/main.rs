//! The binary: the command line, and the composition of the server that `bunbase serve` starts.

mod cli;
mod compose;
mod data_dir;
mod serve;
mod settings;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // First: a process that is to become a worker does nothing else.
    if let Some(failed) = worker_pool::launch_if_asked() {
        return failed;
    }
    cli::run()
}
