//! Latencies of many clients.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::time::Duration;

/// Longest latency that is told apart, in nanoseconds.
const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// Latencies with three significant digits.
pub(crate) struct Latencies(Histogram<u64>);

/// Quantiles in microseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    count: u64,
    p50_us: f64,
    p95_us: f64,
    p99_us: f64,
}

impl Latencies {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self(Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3)?))
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(LATENCY_NS_MAX));
    }

    pub(crate) fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        Ok(self.0.add(&other.0)?)
    }

    pub(crate) fn summary(&self) -> Summary {
        let at = |quantile| self.0.value_at_quantile(quantile) as f64 / 1_000.0;
        Summary { count: self.0.len(), p50_us: at(0.5), p95_us: at(0.95), p99_us: at(0.99) }
    }
}
