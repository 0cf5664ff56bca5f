//! What a process that will be killed does, and what has to be there after so many of its steps. Shared by the
//! tests of crashes and of failing disks.
//!
//! Several actors go on at the same time; each takes one step after another. `writers` write batches into one
//! collection, `definer` creates and drops collections, indexes of every kind and databases, and writes
//! documents that expire. What an actor leaves behind depends on nobody else, so after a crash it is exactly
//! what its acknowledged steps left, or those and the one step that was begun. Of what has expired any part
//! may be there.

#![allow(dead_code, unused_imports, reason = "each test uses what it needs")]

mod definer;
mod verify;
mod writer;

pub(crate) use definer::{Definitions, SETUP, define};
pub(crate) use verify::{Candidates, Expected, Matched, Progress, verify};
pub(crate) use writer::{Documents, commit, operations};

use bundoc::engine::{CollectionName, DatabaseName};
use bundoc::{Clock, EngineOptions};
use std::time::Duration;

/// What time it is, always.
pub(crate) const NOW_MS: i64 = 1_700_000_000_000;

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Actors that write.
    pub(crate) writers: usize,
    /// Steps of each.
    pub(crate) writer_steps: u64,
    /// Steps of the definer.
    pub(crate) definer_steps: u64,
    /// Bytes of a document at the most, beside two kilobytes of text in an index.
    pub(crate) data_bytes_max: u64,
}

/// Small tables and little memory, so that tables are written out and merged all the time.
pub(crate) fn options() -> EngineOptions {
    EngineOptions {
        memtable_bytes: 16 * 1024,
        cache_bytes: 1024 * 1024,
        clock: Clock::standing_at(NOW_MS),
        expire_every: Duration::from_millis(1),
        ..EngineOptions::default()
    }
}

/// The database of the writers.
pub(crate) fn database() -> DatabaseName {
    DatabaseName::parse("db").unwrap()
}

/// The collection of the writers.
pub(crate) fn collection() -> CollectionName {
    CollectionName::parse("c").unwrap()
}

/// Beside it, the documents that expire.
pub(crate) fn expiring() -> CollectionName {
    CollectionName::parse("expiring").unwrap()
}

/// A number that follows from others (SplitMix64).
pub(crate) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
