//! Closed-loop load: as many requests in flight as asked for, each on a connection of its own, for a fixed time.

use crate::client::{Connection, Target};
use crate::document::{Operation, Requests};
use crate::report::{self, Latencies, Summary};
use anyhow::bail;
use http::StatusCode;
use serde::Serialize;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Failed answers after which a connection gives up.
const ERRORS_MAX: u64 = 100;

/// Arguments of `bench-load http`.
#[derive(Debug, clap::Args)]
pub(crate) struct LoadArgs {
    #[command(flatten)]
    target: Target,
    /// What each request does
    #[arg(long)]
    operation: Operation,
    /// Collection
    #[arg(long)]
    collection: String,
    /// Documents in the filled collection, and different documents to insert
    #[arg(long, default_value_t = 100_000)]
    documents: u64,
    /// Requests in flight
    #[arg(long, default_value_t = 64)]
    in_flight: usize,
    /// Seconds that count
    #[arg(long)]
    seconds: f64,
    /// Seconds before that, which do not
    #[arg(long, default_value_t = 0.5)]
    warmup_seconds: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    operation: String,
    in_flight: usize,
    seconds: f64,
    requests: u64,
    requests_with_warmup: u64,
    errors: u64,
    rate: f64,
    #[serde(flatten)]
    latency: Summary,
}

struct Window {
    from: Instant,
    until: Instant,
}

struct Counted {
    latencies: Latencies,
    answered: u64,
    errors: u64,
    last_error: Option<String>,
}

/// Runs the load and prints the report.
pub(crate) async fn run(args: LoadArgs) -> anyhow::Result<()> {
    let requests =
        Requests { operation: args.operation, collection: args.collection, documents: args.documents };
    let mut connections = Vec::with_capacity(args.in_flight);
    for _ in 0..args.in_flight {
        connections.push(Connection::open(&args.target).await?);
    }
    let from = Instant::now() + Duration::from_secs_f64(args.warmup_seconds);
    let mut tasks = JoinSet::new();
    for connection in connections {
        let window = Window { from, until: from + Duration::from_secs_f64(args.seconds) };
        tasks.spawn(drive(connection, requests.clone(), window));
    }
    let mut all = Counted::new()?;
    while let Some(done) = tasks.join_next().await {
        all.add(done??)?;
    }
    let latency = all.latencies.summary();
    if latency.count == 0 {
        bail!("no request succeeded: {}", all.last_error.unwrap_or_default());
    }
    report::print(&Report {
        operation: format!("{:?}", args.operation).to_lowercase(),
        in_flight: args.in_flight,
        seconds: args.seconds,
        requests: latency.count,
        requests_with_warmup: all.answered,
        errors: all.errors,
        rate: latency.count as f64 / args.seconds,
        latency,
    })
}

async fn drive(mut connection: Connection, requests: Requests, window: Window) -> anyhow::Result<Counted> {
    let mut counted = Counted::new()?;
    loop {
        let ask = requests.next();
        let begun = Instant::now();
        if begun >= window.until {
            return Ok(counted);
        }
        let (status, body) = connection.send(ask).await?;
        let ended = Instant::now();
        counted.answered += 1;
        if !is_expected(requests.operation, status) {
            counted.fail(format!("{status}: {}", String::from_utf8_lossy(&body)));
            if counted.errors >= ERRORS_MAX {
                return Ok(counted);
            }
        } else if begun >= window.from && ended <= window.until {
            counted.latencies.record(ended - begun);
        }
    }
}

fn is_expected(operation: Operation, status: StatusCode) -> bool {
    match operation {
        Operation::Insert => status == StatusCode::CREATED,
        Operation::Read | Operation::Query | Operation::Scan => status == StatusCode::OK,
    }
}

impl Counted {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { latencies: Latencies::new()?, answered: 0, errors: 0, last_error: None })
    }

    fn add(&mut self, other: Self) -> anyhow::Result<()> {
        self.latencies.add(&other.latencies)?;
        self.answered += other.answered;
        self.errors += other.errors;
        self.last_error = other.last_error.or(self.last_error.take());
        Ok(())
    }

    fn fail(&mut self, error: String) {
        self.errors += 1;
        self.last_error = Some(error);
    }
}
