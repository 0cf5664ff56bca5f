//! Fan-out of a broker: one publisher, some subscribers, small events. The publisher stays a fixed number of
//! events ahead of the slowest subscriber, so that no broker drops any.

use crate::report;
use crate::wire::{Broker, Socket};
use anyhow::{Context as _, ensure};
use serde::Serialize;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const BATCH: u64 = 256;
const READ_BYTES: usize = 256 << 10;
/// How long the publisher waits where it is too far ahead.
const PAUSE: Duration = Duration::from_micros(50);

/// Arguments of `bench-load fanout`.
#[derive(Debug, clap::Args)]
pub(crate) struct FanoutArgs {
    /// The broker
    #[arg(long)]
    broker: Broker,
    /// Its address: HOST:PORT, or the path of a socket
    #[arg(long)]
    address: String,
    /// Subscribers, each on a connection of its own
    #[arg(long)]
    subscribers: usize,
    /// Bytes of an event
    #[arg(long, default_value_t = 128)]
    payload: usize,
    /// Events that the publisher may be ahead of the slowest subscriber
    #[arg(long, default_value_t = 30_000)]
    ahead: u64,
    /// Seconds that count
    #[arg(long)]
    seconds: f64,
    /// Seconds before that, which do not
    #[arg(long, default_value_t = 0.5)]
    warmup_seconds: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    subscribers: usize,
    seconds: f64,
    published: u64,
    delivered: u64,
    published_rate: f64,
    delivered_rate: f64,
}

/// Bytes that each subscriber has read.
type Read = Arc<Vec<AtomicU64>>;

/// Runs the load and prints the report.
pub(crate) fn run(args: &FanoutArgs) -> anyhow::Result<()> {
    let read: Read = Arc::new((0..args.subscribers).map(|_| AtomicU64::new(0)).collect());
    for subscriber in 0..args.subscribers {
        let mut socket = args.broker.connect(&args.address)?;
        args.broker.subscribe(&mut *socket)?;
        let read = read.clone();
        thread::spawn(move || receive(&mut *socket, &read[subscriber]));
    }
    let over = Arc::new(AtomicBool::new(false));
    let publisher = Publisher::new(args, read.clone(), over.clone())?;
    let sent = publisher.sent.clone();
    let publishing = thread::spawn(move || publisher.run());
    thread::sleep(Duration::from_secs_f64(args.warmup_seconds));
    let size = args.broker.delivery_bytes(args.payload) as u64;
    let delivered = |read: &Read| read.iter().map(|bytes| bytes.load(Ordering::Relaxed) / size).sum::<u64>();
    let (began, before, sent_before) = (Instant::now(), delivered(&read), sent.load(Ordering::Relaxed));
    thread::sleep(Duration::from_secs_f64(args.seconds));
    let seconds = began.elapsed().as_secs_f64();
    let (delivered, published) = (delivered(&read) - before, sent.load(Ordering::Relaxed) - sent_before);
    over.store(true, Ordering::Relaxed);
    publishing.join().map_err(|_| anyhow::anyhow!("the publisher failed"))??;
    ensure!(delivered > 0, "nothing was delivered");
    report::print(&Report {
        subscribers: args.subscribers,
        seconds,
        published,
        delivered,
        published_rate: published as f64 / seconds,
        delivered_rate: delivered as f64 / seconds,
    })
}

fn receive(socket: &mut dyn Socket, read: &AtomicU64) {
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(bytes @ 1..) = socket.read(&mut buffer) {
        read.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

struct Publisher {
    socket: Box<dyn Socket>,
    batch: Vec<u8>,
    size: u64,
    ahead: u64,
    read: Read,
    sent: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Publisher {
    fn new(args: &FanoutArgs, read: Read, over: Arc<AtomicBool>) -> anyhow::Result<Self> {
        let socket = args.broker.connect(&args.address)?;
        // Redis answers every publication; nobody waits for the answers.
        let mut answers = socket.both().context("the publisher's connection")?;
        thread::spawn(move || receive(&mut *answers, &AtomicU64::new(0)));
        let one = args.broker.publication(&vec![b'x'; args.payload]);
        Ok(Self {
            socket,
            batch: one.repeat(usize::try_from(BATCH)?),
            size: args.broker.delivery_bytes(args.payload) as u64,
            ahead: args.ahead,
            read,
            sent: Arc::new(AtomicU64::new(0)),
            over,
        })
    }

    fn run(mut self) -> anyhow::Result<()> {
        while !self.over.load(Ordering::Relaxed) {
            let slowest = self.read.iter().map(|bytes| bytes.load(Ordering::Relaxed)).min().unwrap_or(0);
            if self.sent.load(Ordering::Relaxed).saturating_sub(slowest / self.size) > self.ahead {
                thread::sleep(PAUSE);
                continue;
            }
            self.socket.write_all(&self.batch)?;
            self.sent.fetch_add(BATCH, Ordering::Relaxed);
        }
        Ok(())
    }
}
