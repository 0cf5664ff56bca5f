//! Closed-loop load of one request over and over, for a fixed time.

use crate::client::{Ask, Connection, Target};
use crate::report::{self, Latencies, Summary};
use anyhow::bail;
use bytes::Bytes;
use http::Method;
use serde::Serialize;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Arguments of `bench-load calls`.
#[derive(Debug, clap::Args)]
pub(crate) struct CallsArgs {
    #[command(flatten)]
    target: Target,
    /// Method
    #[arg(long, default_value = "GET")]
    method: Method,
    /// Path; `{n}` stands for a number that counts up
    #[arg(long)]
    path: String,
    /// JSON body; `{n}` as in the path
    #[arg(long, default_value = "")]
    body: String,
    /// Requests in flight
    #[arg(long, default_value_t = 64)]
    in_flight: u64,
    /// Seconds that count
    #[arg(long)]
    seconds: f64,
    /// Seconds before that, which do not
    #[arg(long, default_value_t = 0.5)]
    warmup_seconds: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    rate: f64,
    refused: u64,
    #[serde(flatten)]
    latency: Summary,
}

struct Counted {
    latencies: Latencies,
    refused: u64,
    said: Option<String>,
}

#[derive(Clone)]
struct Script {
    method: Method,
    path: String,
    body: String,
    from: Instant,
    until: Instant,
    step: u64,
}

/// Runs the load and prints the report.
pub(crate) async fn run(args: CallsArgs) -> anyhow::Result<()> {
    let from = Instant::now() + Duration::from_secs_f64(args.warmup_seconds);
    let until = from + Duration::from_secs_f64(args.seconds);
    let CallsArgs { method, path, body, in_flight, .. } = args;
    let script = Script { method, path, body, from, until, step: in_flight };
    let mut tasks = JoinSet::new();
    for first in 0..in_flight {
        tasks.spawn(drive(Connection::open(&args.target).await?, script.clone(), first));
    }
    let (mut all, mut refused, mut said) = (Latencies::new()?, 0, None);
    while let Some(done) = tasks.join_next().await {
        let counted = done??;
        all.add(&counted.latencies)?;
        refused += counted.refused;
        said = counted.said.or(said);
    }
    let latency = all.summary();
    if latency.count == 0 {
        bail!("no request succeeded: {}", said.unwrap_or_default());
    }
    report::print(&Report { rate: latency.count as f64 / args.seconds, refused, latency })
}

async fn drive(mut connection: Connection, script: Script, first: u64) -> anyhow::Result<Counted> {
    let mut counted = Counted { latencies: Latencies::new()?, refused: 0, said: None };
    for number in (first..).step_by(usize::try_from(script.step)?) {
        let number = number.to_string();
        let ask = Ask {
            method: script.method.clone(),
            path: script.path.replace("{n}", &number),
            body: Bytes::from(script.body.replace("{n}", &number)),
        };
        let began = Instant::now();
        if began >= script.until {
            break;
        }
        let (status, body) = connection.send(ask).await?;
        let ended = Instant::now();
        if !status.is_success() {
            counted.refused += 1;
            counted.said = Some(format!("{status}: {}", String::from_utf8_lossy(&body)));
        } else if began >= script.from && ended <= script.until {
            counted.latencies.record(ended - began);
        }
    }
    Ok(counted)
}
