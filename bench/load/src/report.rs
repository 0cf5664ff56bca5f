//! Latencies, and the line of JSON that a command prints.

use anyhow::Context as _;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::time::Duration;

/// Longest latency that is told apart, in nanoseconds.
const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// Latencies with three significant digits.
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self(Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3)?))
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(LATENCY_NS_MAX));
    }

    pub(crate) fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        self.0.add(&other.0).context("cannot add the latencies up")
    }

    pub(crate) fn summary(&self) -> Summary {
        let at = |quantile| self.0.value_at_quantile(quantile) as f64 / 1_000.0;
        Summary {
            count: self.0.len(),
            p50_us: at(0.5),
            p90_us: at(0.9),
            p95_us: at(0.95),
            p99_us: at(0.99),
            max_us: self.0.max() as f64 / 1_000.0,
        }
    }
}

/// Quantiles in microseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) count: u64,
    pub(crate) p50_us: f64,
    pub(crate) p90_us: f64,
    pub(crate) p95_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) max_us: f64,
}

/// Prints one line of JSON.
pub(crate) fn print(report: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(report)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_everything_added() {
        let (mut all, mut other) = (Latencies::new().unwrap(), Latencies::new().unwrap());
        all.record(Duration::from_micros(100));
        (0..9).for_each(|_| other.record(Duration::from_micros(300)));
        all.add(&other).unwrap();
        let summary = all.summary();
        assert_eq!(summary.count, 10);
        assert!((299.0..301.0).contains(&summary.p50_us), "{summary:?}");
        assert!((299.0..301.0).contains(&summary.max_us), "{summary:?}");
    }
}
