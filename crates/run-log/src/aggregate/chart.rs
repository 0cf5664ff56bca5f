//! What a dashboard draws: a row of points over a window of time, and the sums of it.

use super::cell::Cell;
use super::histogram::Histogram;
use super::{HOUR_MINUTES, MINUTE_MS};
use serde::Serialize;
use std::collections::BTreeMap;

/// How far back a chart goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ChartWindow {
    /// 60 points of a minute.
    #[serde(rename = "1h")]
    Hour,
    /// 96 points of 15 minutes.
    #[serde(rename = "24h")]
    Day,
    /// 168 points of an hour.
    #[serde(rename = "7d")]
    Week,
}

impl ChartWindow {
    /// Reads `1h`, `24h` or `7d`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "1h" => Some(Self::Hour),
            "24h" => Some(Self::Day),
            "7d" => Some(Self::Week),
            _ => None,
        }
    }

    /// Minutes of one point.
    pub(crate) fn step_minutes(self) -> i64 {
        match self {
            Self::Hour => 1,
            Self::Day => 15,
            Self::Week => HOUR_MINUTES,
        }
    }

    /// Points.
    pub(crate) fn points(self) -> i64 {
        match self {
            Self::Hour => 60,
            Self::Day => 96,
            Self::Week => 168,
        }
    }

    /// The minute of the first point; the last point is the one that goes on.
    pub(crate) fn first_minute(self, now_ms: i64) -> i64 {
        let step = self.step_minutes();
        let last = now_ms.div_euclid(MINUTE_MS).div_euclid(step) * step;
        last - (self.points() - 1) * step
    }
}

/// How long things took, in microseconds. Quantiles are within 4.4 %; the rest is exact.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Distribution {
    /// The mean.
    pub mean_us: u64,
    /// Half took no longer.
    pub p50_us: u64,
    /// 95 % took no longer.
    pub p95_us: u64,
    /// 99 % took no longer.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
}

impl Distribution {
    fn of(histogram: &Histogram) -> Self {
        Self {
            mean_us: histogram.sum_us.checked_div(histogram.count()).unwrap_or(0),
            p50_us: histogram.quantile_us(0.50),
            p95_us: histogram.quantile_us(0.95),
            p99_us: histogram.quantile_us(0.99),
            max_us: histogram.max_us,
        }
    }
}

/// What happened in some time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Figures {
    /// Runs that ended, the sampled out and dropped ones included.
    pub calls: u64,
    /// Of them, how many failed.
    pub errors: u64,
    /// The same by code.
    pub errors_by_code: BTreeMap<String, u64>,
    /// Of the calls, how many callers went away.
    pub cancelled: u64,
    /// Of the calls, how many had a worker started for them.
    pub cold_starts: u64,
    /// From the start to the answer.
    pub duration: Distribution,
    /// Waiting for a worker.
    pub queue_wait: Distribution,
    /// Log lines that were lost.
    pub lines_dropped: u64,
    /// Runs that were lost.
    pub runs_dropped: u64,
    /// Successful runs beyond those that are kept.
    pub runs_sampled_out: u64,
}

impl Figures {
    fn of(cell: &Cell) -> Self {
        Self {
            calls: cell.calls,
            errors: cell.errors.values().sum(),
            errors_by_code: cell.errors_by_code(),
            cancelled: cell.cancelled,
            cold_starts: cell.cold_starts,
            duration: Distribution::of(&cell.durations),
            queue_wait: Distribution::of(&cell.waits),
            lines_dropped: cell.lines_dropped,
            runs_dropped: cell.runs_dropped,
            runs_sampled_out: cell.runs_sampled_out,
        }
    }
}

/// One point of a chart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Point {
    /// When it begins, in milliseconds since the epoch.
    pub at_ms: i64,
    /// What happened from then on, for one step.
    #[serde(flatten)]
    pub figures: Figures,
}

/// The sums of one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VersionFigures {
    /// Which one.
    pub version: String,
    /// What happened in the whole window.
    #[serde(flatten)]
    pub figures: Figures,
}

/// A window of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Chart {
    /// How far it goes back.
    pub window: ChartWindow,
    /// Milliseconds of one point.
    pub step_ms: i64,
    /// Every point, the oldest first, those without calls included.
    pub points: Vec<Point>,
    /// All points together.
    pub total: Figures,
    /// The same for each version that was called.
    pub versions: Vec<VersionFigures>,
}

impl Chart {
    /// Puts what was stored, as `(minute, version, figures)`, into points.
    pub(crate) fn of(window: ChartWindow, now_ms: i64, stored: &[(i64, String, Cell)]) -> Self {
        let (first, step) = (window.first_minute(now_ms), window.step_minutes());
        let mut cells: Vec<Cell> = (0..window.points()).map(|_| Cell::default()).collect();
        let (mut total, mut versions) = (Cell::default(), BTreeMap::<&str, Cell>::new());
        for (minute, version, cell) in stored {
            let index = usize::try_from((minute - first).div_euclid(step)).ok();
            let Some(point) = index.and_then(|index| cells.get_mut(index)) else { continue };
            point.merge(cell);
            total.merge(cell);
            versions.entry(version).or_default().merge(cell);
        }
        let point = |(index, cell): (i64, &Cell)| Point {
            at_ms: (first + index * step) * MINUTE_MS,
            figures: Figures::of(cell),
        };
        let version = |(version, cell): (&&str, &Cell)| VersionFigures {
            version: (*version).to_owned(),
            figures: Figures::of(cell),
        };
        Self {
            window,
            step_ms: step * MINUTE_MS,
            points: (0..).zip(&cells).map(point).collect(),
            total: Figures::of(&total),
            versions: versions.iter().map(version).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_end_with_the_point_that_goes_on() {
        let now_ms = (100 * HOUR_MINUTES + 37) * MINUTE_MS + 1;
        let last = |window: ChartWindow| {
            window.first_minute(now_ms) + (window.points() - 1) * window.step_minutes() - 100 * HOUR_MINUTES
        };
        assert_eq!([ChartWindow::Hour, ChartWindow::Day, ChartWindow::Week].map(last), [37, 30, 0]);
    }

    #[test]
    fn what_is_outside_of_the_window_is_left_out() {
        let now_ms = 1_000 * MINUTE_MS;
        let cell = |calls| Cell { calls, ..Cell::default() };
        let stored = [
            (940, "v1".to_owned(), cell(1)),
            (941, "v1".to_owned(), cell(2)),
            (1_000, "v2".to_owned(), cell(4)),
            (1_001, "v2".to_owned(), cell(8)),
        ];
        let chart = Chart::of(ChartWindow::Hour, now_ms, &stored);
        assert_eq!((chart.points.len(), chart.total.calls), (60, 6));
        assert_eq!((chart.points[0].figures.calls, chart.points[59].figures.calls), (2, 4));
        let versions: Vec<_> =
            chart.versions.iter().map(|of| (of.version.as_str(), of.figures.calls)).collect();
        assert_eq!(versions, [("v1", 2), ("v2", 4)]);
    }
}
