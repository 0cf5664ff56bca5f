//! Durable publications: connections with one publication in flight each, which wait until it is kept.

use crate::report::{self, Latencies, Summary};
use crate::wire::{Broker, TOPIC, nats_publication};
use anyhow::anyhow;
use serde::Serialize;
use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

/// Arguments of `bench-load durable`.
#[derive(Debug, clap::Args)]
pub(crate) struct DurableArgs {
    /// The broker
    #[arg(long)]
    broker: Broker,
    /// Its address: HOST:PORT, or the path of a socket
    #[arg(long)]
    address: String,
    /// Publications in flight
    #[arg(long, default_value_t = 64)]
    in_flight: usize,
    /// Bytes of an event
    #[arg(long, default_value_t = 128)]
    payload: usize,
    /// Seconds that count
    #[arg(long)]
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    in_flight: usize,
    rate: f64,
    #[serde(flatten)]
    latency: Summary,
}

/// Runs the load and prints the report.
pub(crate) fn run(args: &DurableArgs) -> anyhow::Result<()> {
    let mut first = args.broker.connect(&args.address)?;
    args.broker.make_durable(&mut *first)?;
    let until = Instant::now() + Duration::from_secs_f64(args.seconds);
    let threads: Vec<_> = (0..args.in_flight)
        .map(|connection| {
            let (broker, address, payload) = (args.broker, args.address.clone(), vec![b'x'; args.payload]);
            thread::spawn(move || publish(broker, &address, &payload, (connection, until)))
        })
        .collect();
    let mut all = Latencies::new()?;
    for thread in threads {
        all.add(&thread.join().map_err(|_| anyhow!("a publisher failed"))??)?;
    }
    let latency = all.summary();
    report::print(&Report { in_flight: args.in_flight, rate: latency.count as f64 / args.seconds, latency })
}

fn publish(
    broker: Broker,
    address: &str,
    payload: &[u8],
    (connection, until): (usize, Instant),
) -> anyhow::Result<Latencies> {
    let mut socket = broker.connect(address)?;
    let inbox = broker.begin_durable(&mut *socket, connection)?;
    let publication = match broker {
        Broker::Nats => nats_publication(TOPIC, Some(std::str::from_utf8(&inbox)?), payload),
        Broker::Bunbase | Broker::Redis => broker.durable_publication(payload),
    };
    let mut latencies = Latencies::new()?;
    while Instant::now() < until {
        let began = Instant::now();
        socket.write_all(&publication)?;
        broker.read_kept(&mut *socket)?;
        latencies.record(began.elapsed());
    }
    Ok(latencies)
}
