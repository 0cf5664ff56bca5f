//! First calls of functions that no worker has loaded: one call of each path, one after the other, over a
//! connection that is open already.

use crate::client::{Ask, Connection, Target};
use crate::report;
use bytes::Bytes;
use http::Method;
use serde_json::json;
use std::time::{Duration, Instant};

/// Arguments of `bench-load first-calls`.
#[derive(Debug, clap::Args)]
pub(crate) struct FirstCallsArgs {
    #[command(flatten)]
    target: Target,
    /// Milliseconds between two calls, in which the server can get a spare worker ready
    #[arg(long, default_value_t = 250)]
    pause_ms: u64,
    /// Path that opens the connection and is not timed
    #[arg(long, default_value = "/health")]
    open_with: String,
    /// Paths to call once each
    #[arg(required = true)]
    paths: Vec<String>,
}

/// Calls, and prints each latency in milliseconds.
pub(crate) async fn run(args: FirstCallsArgs) -> anyhow::Result<()> {
    let mut connection = Connection::open(&args.target).await?;
    connection.expect_success(get(&args.open_with)).await?;
    let mut samples_ms = Vec::with_capacity(args.paths.len());
    for path in &args.paths {
        tokio::time::sleep(Duration::from_millis(args.pause_ms)).await;
        let begun = Instant::now();
        connection.expect_success(get(path)).await?;
        samples_ms.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    report::print(&json!({ "samples_ms": samples_ms }))
}

fn get(path: &str) -> Ask {
    Ask { method: Method::GET, path: path.to_owned(), body: Bytes::new() }
}
