//! What a scraper reads: everything that was counted of a version, in numbers that only grow.

use super::cell::Cell;
use super::histogram::Histogram;
use service_kit::ids::FunctionId;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Bounds are powers of two: 2^7 us (128 us) to 2^25 us (33.6 s).
const EXPONENTS: RangeInclusive<u32> = 7..=25;

/// Durations in cumulative buckets, as Prometheus has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buckets {
    /// Upper bounds in microseconds, the smallest first, and how many took no longer than each.
    pub up_to_us: Vec<(u64, u64)>,
    /// How many in all.
    pub count: u64,
    /// All durations together, in microseconds.
    pub sum_us: u64,
}

impl Buckets {
    fn of(histogram: &Histogram) -> Self {
        let bucket = |exponent| (1_u64 << exponent, histogram.count_up_to(exponent));
        Self { up_to_us: EXPONENTS.map(bucket).collect(), count: histogram.count(), sum_us: histogram.sum_us }
    }
}

/// One version, counted since the server's start or, where it was not called for a day, since its next call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionTotals {
    /// Whose version.
    pub function: FunctionId,
    /// Which one.
    pub version: Arc<str>,
    /// Runs that ended.
    pub calls: u64,
    /// Of them, how many callers went away.
    pub cancelled: u64,
    /// Of them, how many had a worker started for them.
    pub cold_starts: u64,
    /// Of them, how many failed, by code.
    pub errors_by_code: BTreeMap<String, u64>,
    /// From the start to the answer.
    pub duration: Buckets,
    /// Waiting for a worker.
    pub queue_wait: Buckets,
}

impl VersionTotals {
    pub(crate) fn of(function: FunctionId, version: Arc<str>, cell: &Cell) -> Self {
        Self {
            function,
            version,
            calls: cell.calls,
            cancelled: cell.cancelled,
            cold_starts: cell.cold_starts,
            errors_by_code: cell.errors_by_code(),
            duration: Buckets::of(&cell.durations),
            queue_wait: Buckets::of(&cell.waits),
        }
    }
}
