//! A collection that grows: how fast documents are loaded in batches, how long an index takes, and what single
//! reads, indexed queries and writes take at each size.

use crate::latency::{Latencies, Summary};
use crate::records::{CUSTOMERS_PER_CITY, city, customer, customer_id};
use crate::store::{Client, Store, Target};
use rand::RngExt as _;
use serde::Serialize;
use std::time::{Duration, Instant};

const LOAD_BATCH: u64 = 100;
const LOAD_CLIENTS: u64 = 8;

/// Arguments of `bench-stores grow`.
#[derive(Debug, clap::Args)]
pub(crate) struct GrowArgs {
    #[command(flatten)]
    target: Target,
    /// Documents at which it is measured, smallest first
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000, 1_000_000])]
    sizes: Vec<u64>,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    /// Documents a second over the whole load, index not yet there.
    load_rate: f64,
    /// Bytes of the documents as JSON.
    document_bytes: u64,
    disk_bytes: u64,
    /// Bytes that this process had written to the disk by the end of the load, its own store included.
    written_bytes: u64,
    index_seconds: f64,
    sizes: Vec<Size>,
}

/// One client, one request at a time.
#[derive(Debug, Serialize)]
struct Size {
    documents: u64,
    read: Summary,
    insert: Summary,
    /// Only at the last size, after the index was built.
    query: Option<Summary>,
}

/// Loads, measures, prints the report.
pub(crate) fn run(args: &GrowArgs) -> anyhow::Result<()> {
    let store = args.target.open()?;
    let time = Duration::from_secs_f64(args.seconds);
    let (mut loaded, mut loading, mut sizes, mut extra) = (0, Duration::ZERO, Vec::new(), 1_u64 << 32);
    for &documents in &args.sizes {
        let begun = Instant::now();
        load(&*store, loaded..documents)?;
        loading += begun.elapsed();
        loaded = documents;
        let mut client = store.client()?;
        let read = timed(time, || {
            let number = rand::rng().random_range(0..documents);
            client.read(&customer_id(number)).map(|_| ())
        })?;
        let insert = timed(time, || {
            extra += 1;
            client.insert(&customer(extra))
        })?;
        sizes.push(Size { documents, read, insert, query: None });
    }
    let (disk_bytes, written_bytes) = (store.disk_bytes()?, written_bytes()?);
    let begun = Instant::now();
    store.build_index()?;
    let index_seconds = begun.elapsed().as_secs_f64();
    let mut client = store.client()?;
    if let Some(last) = sizes.last_mut() {
        last.query = Some(timed(time, || query(&mut *client, loaded))?);
    }
    let document_bytes = loaded * customer(0).json().len() as u64;
    let load_rate = loaded as f64 / loading.as_secs_f64();
    let report = Report { load_rate, document_bytes, disk_bytes, written_bytes, index_seconds, sizes };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

fn query(client: &mut dyn Client, documents: u64) -> anyhow::Result<()> {
    let found = client.of_city(&city(rand::rng().random_range(0..documents)))? as u64;
    anyhow::ensure!(found == CUSTOMERS_PER_CITY, "{found} documents instead of {CUSTOMERS_PER_CITY}");
    Ok(())
}

fn timed(time: Duration, mut request: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<Summary> {
    let mut latencies = Latencies::new()?;
    let begun = Instant::now();
    while begun.elapsed() < time {
        let since = Instant::now();
        request()?;
        latencies.record(since.elapsed());
    }
    Ok(latencies.summary())
}

fn load(store: &dyn Store, numbers: std::ops::Range<u64>) -> anyhow::Result<()> {
    let batches = std::sync::Mutex::new(numbers.clone().step_by(LOAD_BATCH as usize));
    let next = || batches.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
    let one = || -> anyhow::Result<()> {
        let mut client = store.client()?;
        while let Some(from) = next() {
            let batch: Vec<_> = (from..numbers.end.min(from + LOAD_BATCH)).map(customer).collect();
            client.insert_all(&batch)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..LOAD_CLIENTS).map(|_| scope.spawn(one)).collect();
        let gone = || anyhow::anyhow!("a client panicked");
        clients.into_iter().try_for_each(|client| client.join().map_err(|_| gone()).and_then(|done| done))
    })
}

/// Bytes that the kernel was asked to write to storage for this process (proc(5), `io`).
fn written_bytes() -> anyhow::Result<u64> {
    let io = std::fs::read_to_string("/proc/self/io")?;
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    Ok(line.ok_or_else(|| anyhow::anyhow!("/proc/self/io has no write_bytes"))?.trim().parse()?)
}
