//! The core workloads of YCSB (Cooper et al., Benchmarking Cloud Serving Systems with YCSB, 2010): records of ten
//! fields of 100 B, keys chosen by a Zipfian distribution (0.99), updates of one field, scans of 1 to 100
//! records. A: half reads, half updates. B: 95 % reads, 5 % updates. C: reads. E: 95 % scans, 5 % inserts.

use crate::latency::{Latencies, Summary};
use crate::records::{YCSB_FIELDS, ycsb_id, ycsb_record, ycsb_value};
use crate::store::{Client, Store, Target};
use rand::RngExt as _;
use rand_distr::{Distribution as _, Zipf};
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const LOAD_BATCH: u64 = 100;
const ZIPFIAN: f64 = 0.99;
const SCAN_MAX: usize = 100;
const WORKLOADS: [Workload; 4] = [Workload::A, Workload::B, Workload::C, Workload::E];

/// Arguments of `bench-stores ycsb`.
#[derive(Debug, clap::Args)]
pub(crate) struct YcsbArgs {
    #[command(flatten)]
    target: Target,
    /// Records loaded before
    #[arg(long, default_value_t = 100_000)]
    records: u64,
    /// Clients, each waiting for its answer
    #[arg(long, default_value_t = 32)]
    clients: usize,
    /// Seconds of each workload
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
enum Workload {
    A,
    B,
    C,
    E,
}

/// What one request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Read,
    Update,
    Scan,
    Insert,
}

#[derive(Debug, Serialize)]
struct Report {
    load_rate: f64,
    disk_bytes: u64,
    workloads: Vec<WorkloadReport>,
}

#[derive(Debug, Serialize)]
struct WorkloadReport {
    workload: Workload,
    operations: u64,
    rate: f64,
    /// Reads or scans.
    reads: Summary,
    /// Updates or inserts.
    writes: Summary,
}

struct Load<'a> {
    store: &'a dyn Store,
    /// Records that are there; inserts take the next.
    records: AtomicU64,
    clients: usize,
    time: Duration,
}

impl Workload {
    fn step(self) -> Step {
        let chance = rand::rng().random_range(0..100);
        match self {
            Self::A if chance < 50 => Step::Update,
            Self::B if chance < 5 => Step::Update,
            Self::A | Self::B | Self::C => Step::Read,
            Self::E if chance < 5 => Step::Insert,
            Self::E => Step::Scan,
        }
    }
}

/// Loads the records, runs the workloads, prints the report.
pub(crate) fn run(args: &YcsbArgs) -> anyhow::Result<()> {
    let store = args.target.open()?;
    let begun = Instant::now();
    let mut client = store.client()?;
    for from in (0..args.records).step_by(LOAD_BATCH as usize) {
        let batch: Vec<_> = (from..args.records.min(from + LOAD_BATCH)).map(ycsb_record).collect();
        client.insert_all(&batch)?;
    }
    drop(client);
    let load_rate = args.records as f64 / begun.elapsed().as_secs_f64();
    let load = Load {
        store: &*store,
        records: AtomicU64::new(args.records),
        clients: args.clients,
        time: Duration::from_secs_f64(args.seconds),
    };
    let workloads = WORKLOADS.iter().map(|workload| load.run(*workload)).collect::<Result<_, _>>()?;
    println!("{}", serde_json::to_string(&Report { load_rate, disk_bytes: store.disk_bytes()?, workloads })?);
    Ok(())
}

impl Load<'_> {
    fn run(&self, workload: Workload) -> anyhow::Result<WorkloadReport> {
        let (mut reads, mut writes) = (Latencies::new()?, Latencies::new()?);
        let mut operations = 0;
        let begun = Instant::now();
        let results: Vec<anyhow::Result<(Latencies, Latencies, u64)>> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..self.clients).map(|_| scope.spawn(|| self.client(workload, begun))).collect();
            let gone = || anyhow::anyhow!("a client panicked");
            threads
                .into_iter()
                .map(|thread| thread.join().map_err(|_| gone()).and_then(|done| done))
                .collect()
        });
        for result in results {
            let (read, written, done) = result?;
            reads.add(&read)?;
            writes.add(&written)?;
            operations += done;
        }
        let rate = operations as f64 / begun.elapsed().as_secs_f64();
        let (reads, writes) = (reads.summary(), writes.summary());
        Ok(WorkloadReport { workload, operations, rate, reads, writes })
    }

    fn client(&self, workload: Workload, begun: Instant) -> anyhow::Result<(Latencies, Latencies, u64)> {
        let mut client = self.store.client()?;
        let (mut reads, mut writes) = (Latencies::new()?, Latencies::new()?);
        let zipf = Zipf::new(self.records.load(Ordering::Relaxed) as f64, ZIPFIAN)?;
        let mut operations = 0;
        while begun.elapsed() < self.time {
            let step = workload.step();
            // The most wanted records are spread over the ids, which are hashes of their numbers.
            let number = zipf.sample(&mut rand::rng()) as u64 - 1;
            let since = Instant::now();
            self.step(&mut *client, step, number)?;
            let latencies = if matches!(step, Step::Read | Step::Scan) { &mut reads } else { &mut writes };
            latencies.record(since.elapsed());
            operations += 1;
        }
        Ok((reads, writes, operations))
    }

    fn step(&self, client: &mut dyn Client, step: Step, number: u64) -> anyhow::Result<()> {
        match step {
            Step::Read => client.read(&ycsb_id(number)).map(|_| ()),
            Step::Update => {
                let field = YCSB_FIELDS[rand::rng().random_range(0..YCSB_FIELDS.len())];
                client.set(&ycsb_id(number), field, &ycsb_value())
            }
            Step::Scan => {
                let count = rand::rng().random_range(1..=SCAN_MAX);
                client.scan(&ycsb_id(number), count).map(|_| ())
            }
            Step::Insert => client.insert(&ycsb_record(self.records.fetch_add(1, Ordering::Relaxed))),
        }
    }
}
