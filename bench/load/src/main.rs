//! Load generators and the peer server of the benchmarks (`bench/README.md`). Each command measures one thing
//! and prints one line of JSON; `bench/run` starts them and does the arithmetic.

mod calls;
mod client;
mod disk;
mod document;
mod durable;
mod fanout;
mod fill;
mod first_calls;
mod load;
mod pg_server;
mod proc;
mod report;
mod sse;
mod wire;

use clap::{Parser, Subcommand};

/// Load generators and peer servers of the benchmarks.
#[derive(Debug, Parser)]
#[command(name = "bench-load", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Insert, read or query documents over HTTP, a fixed number in flight, for a fixed time
    Http(load::LoadArgs),
    /// Make one request over and over, a fixed number in flight, for a fixed time
    Calls(calls::CallsArgs),
    /// One publisher and some subscribers on a broker
    Fanout(fanout::FanoutArgs),
    /// Durable publications on a broker
    Durable(durable::DurableArgs),
    /// Many open streams of server-sent events
    Sse(sse::SseArgs),
    /// Load the documents that reads and queries find
    Fill(fill::FillArgs),
    /// Call each path once and time it
    FirstCalls(first_calls::FirstCallsArgs),
    /// The peer of the document benchmarks: PostgreSQL jsonb behind a small axum server
    PgServer(pg_server::PgServerArgs),
    /// Time 4 KiB writes, each with its fdatasync
    Disk(disk::DiskArgs),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Http(args) => one_thread()?.block_on(load::run(args)),
        Command::Calls(args) => one_thread()?.block_on(calls::run(args)),
        Command::Fanout(args) => fanout::run(&args),
        Command::Durable(args) => durable::run(&args),
        Command::Sse(args) => one_thread()?.block_on(sse::run(args)),
        Command::Fill(args) => one_thread()?.block_on(fill::run(args)),
        Command::FirstCalls(args) => one_thread()?.block_on(first_calls::run(args)),
        Command::PgServer(args) => all_threads()?.block_on(pg_server::run(args)),
        Command::Disk(args) => disk::run(&args),
    }
}

/// A generator on one thread wakes nobody across cores, so it leaves more of the machine to the server.
fn one_thread() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn all_threads() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
