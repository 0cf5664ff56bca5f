//! Many small projects in one store: what the server holds in memory with all of them there, and how long the
//! first read of one takes after a start.

use crate::bundoc_store::{Place, insertion};
use crate::latency::{Latencies, Summary};
use crate::records::{customer, customer_id};
use anyhow::Context as _;
use bundoc::engine::{Actor, DocumentId, Engine};
use bundoc::{EngineOptions, FjallEngine};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;

/// Documents in each project.
const DOCUMENTS: u64 = 20;

/// Arguments of `bench-stores projects`.
#[derive(Debug, clap::Args)]
pub(crate) struct ProjectsArgs {
    /// Directory of the data
    #[arg(long)]
    directory: PathBuf,
    /// Projects of 20 documents
    #[arg(long, default_value_t = 10_000)]
    projects: u64,
    /// Only open what an earlier call made, and measure
    #[arg(long)]
    open: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    projects: u64,
    open_seconds: f64,
    rss_after_open: u64,
    /// After the first read of every project.
    rss_after_reads: u64,
    first_read: Summary,
}

/// Makes the projects, or opens and measures them.
pub(crate) fn run(args: &ProjectsArgs) -> anyhow::Result<()> {
    if args.open { measure(args) } else { make(args) }
}

fn name(number: u64) -> String {
    format!("proj_{number:08}")
}

fn make(args: &ProjectsArgs) -> anyhow::Result<()> {
    let (engine, _) = FjallEngine::open(&args.directory, EngineOptions::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    for number in 0..args.projects {
        let place = Place::new(&name(number))?;
        let documents = (0..DOCUMENTS).map(|each| insertion(&place.collection, &customer(each)));
        let writes = documents.collect::<Result<_, _>>()?;
        runtime.block_on(engine.write(&place.database, writes, &Actor::Trusted))?;
    }
    runtime.block_on(engine.shutdown());
    println!("{{\"projects\":{}}}", args.projects);
    Ok(())
}

fn measure(args: &ProjectsArgs) -> anyhow::Result<()> {
    let begun = Instant::now();
    let (engine, _) = FjallEngine::open(&args.directory, EngineOptions::default())?;
    let open_seconds = begun.elapsed().as_secs_f64();
    let rss_after_open = resident_bytes()?;
    let mut first = Latencies::new()?;
    let id = DocumentId::parse(&customer_id(DOCUMENTS / 2))?;
    for number in 0..args.projects {
        let since = Instant::now();
        let place = Place::new(&name(number))?;
        let found = engine.get(&place.database, &place.collection, &id, &Actor::Trusted)?;
        found.context("a document is missing")?;
        first.record(since.elapsed());
    }
    let rss_after_reads = resident_bytes()?;
    let first_read = first.summary();
    let report =
        Report { projects: args.projects, open_seconds, rss_after_open, rss_after_reads, first_read };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

fn resident_bytes() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes * 1024)
}
