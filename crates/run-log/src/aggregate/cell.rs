//! What is counted of one version in one minute.

use super::histogram::Histogram;
use super::{HOUR_MINUTES, MINUTE_MS};
use crate::run::{Run, RunStatus};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Error codes that are counted each for itself in one minute; the rest is counted as `other`.
const CODES_MAX: usize = 32;
/// Minutes of one version in memory. A run that ended before them is counted in the oldest one.
const MINUTES_MAX: usize = 4;
/// A version that was not called for so many minutes is forgotten with its totals: a day, in which whoever scrapes
/// them has had the last of them.
const TOTALS_MINUTES: i64 = 24 * HOUR_MINUTES;

/// The figures of one minute, or of several together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Cell {
    pub(crate) calls: u64,
    pub(crate) cold_starts: u64,
    pub(crate) cancelled: u64,
    /// How many failed, by code.
    pub(crate) errors: BTreeMap<Cow<'static, str>, u64>,
    pub(crate) durations: Histogram,
    pub(crate) waits: Histogram,
    pub(crate) lines_dropped: u64,
    pub(crate) runs_dropped: u64,
    pub(crate) runs_sampled_out: u64,
}

impl Cell {
    fn count(&mut self, run: &Run) {
        self.calls += 1;
        self.cold_starts += u64::from(run.cold_start_us.is_some());
        self.cancelled += u64::from(run.status == RunStatus::Cancelled);
        self.durations.record(run.duration_us);
        self.waits.record(run.queue_wait_us);
        if run.status == RunStatus::Error {
            self.count_error(
                run.error.as_ref().map_or(Cow::Borrowed("unknown"), |error| error.code.clone()),
                1,
            );
        }
    }

    fn count_error(&mut self, code: Cow<'static, str>, count: u64) {
        let is_known = self.errors.contains_key(&code);
        let code = if is_known || self.errors.len() < CODES_MAX { code } else { Cow::Borrowed("other") };
        *self.errors.entry(code).or_default() += count;
    }

    pub(crate) fn errors_by_code(&self) -> BTreeMap<String, u64> {
        self.errors.iter().map(|(code, count)| (code.to_string(), *count)).collect()
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.calls += other.calls;
        self.cold_starts += other.cold_starts;
        self.cancelled += other.cancelled;
        other.errors.iter().for_each(|(code, count)| self.count_error(code.clone(), *count));
        self.durations.merge(&other.durations);
        self.waits.merge(&other.waits);
        self.lines_dropped += other.lines_dropped;
        self.runs_dropped += other.runs_dropped;
        self.runs_sampled_out += other.runs_sampled_out;
    }
}

#[derive(Debug, Default)]
struct Minute {
    cell: Cell,
    changed: bool,
}

/// The minutes of a version that are in memory.
#[derive(Debug)]
pub(crate) struct Cells {
    minutes: BTreeMap<i64, Minute>,
    /// Minutes before it were taken for the last time. What comes later is counted in this one.
    floor: i64,
    /// All minutes that are over, and the last of them.
    over: Cell,
    last_over: i64,
}

impl Default for Cells {
    fn default() -> Self {
        Self { minutes: BTreeMap::new(), floor: i64::MIN, over: Cell::default(), last_over: i64::MIN }
    }
}

impl Cells {
    /// Counts a run.
    pub(crate) fn count(&mut self, run: &Run) {
        self.at(run.ended_at_ms()).count(run);
    }

    /// The minute of a moment.
    pub(crate) fn at(&mut self, at_ms: i64) -> &mut Cell {
        let mut minute = at_ms.div_euclid(MINUTE_MS).max(self.floor);
        if self.minutes.len() >= MINUTES_MAX && !self.minutes.contains_key(&minute) {
            let nearest = self.minutes.keys().min_by_key(|known| known.abs_diff(minute));
            minute = nearest.copied().unwrap_or(minute);
        }
        let found = self.minutes.entry(minute).or_default();
        found.changed = true;
        &mut found.cell
    }

    /// The minutes that changed since the last time, and forgets those that are over (`minute` is the one
    /// that goes on; the one before it stays for runs that end late). Says of each whether it is forgotten.
    pub(crate) fn take_changed(&mut self, minute: i64) -> Vec<(i64, Cell, bool)> {
        let is_over = |at: i64| at < minute - 1;
        let changed = self.minutes.iter().filter(|(at, found)| found.changed || is_over(**at));
        let taken = changed.map(|(at, found)| (*at, found.cell.clone(), is_over(*at))).collect();
        for (at, found) in self.minutes.extract_if(.., |at, _| is_over(*at)) {
            self.over.merge(&found.cell);
            self.last_over = self.last_over.max(at);
        }
        self.minutes.values_mut().for_each(|found| found.changed = false);
        self.floor = self.floor.max(minute - 1);
        taken
    }

    /// Everything since the version is counted; it only grows.
    pub(crate) fn total(&self) -> Cell {
        let mut total = self.over.clone();
        self.minutes.values().for_each(|minute| total.merge(&minute.cell));
        total
    }

    /// Whether nothing is lost with it that is still asked for.
    pub(crate) fn is_idle(&self) -> bool {
        let is_old = self.over.calls == 0 || self.last_over < self.floor.saturating_sub(TOTALS_MINUTES);
        self.minutes.is_empty() && is_old
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_beyond_the_bound_are_counted_together() {
        let mut cell = Cell::default();
        for number in 0..CODES_MAX + 10 {
            cell.count_error(format!("code_{number}").into(), 1);
        }
        assert_eq!(cell.errors.len(), CODES_MAX + 1);
        assert_eq!(cell.errors["other"], 10);
    }

    #[test]
    fn minutes_are_taken_when_they_changed_and_forgotten_when_they_are_over() {
        let mut cells = Cells::default();
        cells.at(0).calls += 1;
        cells.at(60_000).calls += 2;
        let taken = |taken: Vec<(i64, Cell, bool)>| {
            taken.into_iter().map(|(minute, cell, over)| (minute, cell.calls, over)).collect::<Vec<_>>()
        };
        assert_eq!(taken(cells.take_changed(1)), [(0, 1, false), (1, 2, false)]);
        assert_eq!(taken(cells.take_changed(1)), []);
        cells.at(60_001).calls += 1;
        assert_eq!(taken(cells.take_changed(2)), [(0, 1, true), (1, 3, false)]);
        assert_eq!(taken(cells.take_changed(3)), [(1, 3, true)]);
        assert!(cells.minutes.is_empty());
        cells.at(60_000).calls += 1;
        assert_eq!(taken(cells.take_changed(3)), [(2, 1, false)]);
        assert_eq!(cells.total().calls, 5);
    }

    #[test]
    fn totals_only_grow_and_are_kept_for_a_day_after_the_last_call() {
        let mut cells = Cells::default();
        assert!(cells.is_idle());
        cells.at(0).calls += 3;
        cells.take_changed(2);
        assert_eq!((cells.total().calls, cells.is_idle()), (3, false));
        cells.at(2 * MINUTE_MS).calls += 1;
        assert_eq!(cells.total().calls, 4);
        cells.take_changed(2 + TOTALS_MINUTES);
        assert!(!cells.is_idle());
        cells.take_changed(4 + TOTALS_MINUTES);
        assert!(cells.is_idle());
    }

    #[test]
    fn minutes_in_memory_are_bounded_whatever_the_clock_does() {
        let mut cells = Cells::default();
        for minute in 0..100 {
            cells.at(minute * 60_000).calls += 1;
        }
        assert_eq!(cells.minutes.len(), MINUTES_MAX);
        assert_eq!(cells.minutes.values().map(|minute| minute.cell.calls).sum::<u64>(), 100);
    }
}
