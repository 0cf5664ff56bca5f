//! Figures for charts: for each version and minute how many calls there were, how they ended and how long they
//! took. Counted for every call, kept or not. In memory for the minutes that go on, in SQLite for each minute
//! and, once an hour is over, for the hour. What was counted in all is in memory too, for who scrapes it.

mod cell;
mod chart;
mod histogram;
mod totals;

pub(crate) use cell::{Cell, Cells};
pub use chart::{Chart, ChartWindow, Distribution, Figures, Point, VersionFigures};
pub(crate) use histogram::Histogram;
pub use totals::{Buckets, VersionTotals};

/// Milliseconds of a minute.
pub(crate) const MINUTE_MS: i64 = 60_000;
/// Minutes of an hour.
pub(crate) const HOUR_MINUTES: i64 = 60;
