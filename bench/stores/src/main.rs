//! The document engine, PostgreSQL jsonb and SQLite json under the same workloads (`bench/README.md`). Each
//! command measures one thing and prints one line of JSON; `bench/run g` starts them and does the arithmetic.
//! All three have every write on disk before it is answered.

mod bundoc_store;
mod grow;
mod latency;
mod postgres;
mod projects;
mod records;
mod sqlite;
mod store;
mod ycsb;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One workload over one store.
#[derive(Debug, Parser)]
#[command(name = "bench-stores", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// YCSB core workloads A, B, C and E, one after the other over the same records
    Ycsb(ycsb::YcsbArgs),
    /// Load documents, build an index, and time reads and writes as the collection grows
    Grow(grow::GrowArgs),
    /// Make many small projects, open the store again, and say what that takes (bundoc only)
    Projects(projects::ProjectsArgs),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Ycsb(args) => ycsb::run(&args),
        Command::Grow(args) => grow::run(&args),
        Command::Projects(args) => projects::run(&args),
    }
}
