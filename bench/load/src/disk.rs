//! What the disk can do: 4 KiB appended, then `fdatasync`, one after the other. Both sides of the document
//! benchmark pay at least this for a durable write that waits alone.

use crate::report::{self, Latencies};
use anyhow::Context as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

const BLOCK_BYTES: usize = 4_096;

/// Arguments of `bench-load disk`.
#[derive(Debug, clap::Args)]
pub(crate) struct DiskArgs {
    /// Directory for the file, which is removed afterwards
    directory: PathBuf,
    /// How many writes
    #[arg(long, default_value_t = 500)]
    writes: u32,
}

/// Writes, and prints the latencies.
pub(crate) fn run(args: &DiskArgs) -> anyhow::Result<()> {
    let path = args.directory.join("disk-probe");
    let mut file = OpenOptions::new()
        .create_new(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("cannot create {}", path.display()))?;
    let mut latencies = Latencies::new()?;
    for _ in 0..args.writes {
        let begun = Instant::now();
        file.write_all(&[0x5a; BLOCK_BYTES])?;
        file.sync_data()?;
        latencies.record(begun.elapsed());
    }
    std::fs::remove_file(&path)?;
    report::print(&latencies.summary())
}
