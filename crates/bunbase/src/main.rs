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
    cli::run()
}
