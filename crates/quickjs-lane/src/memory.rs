//! What instances hold, and when their code has to stop. A [`Meter`] belongs to one instance and is written by the
//! one thread that runs it; only `abandon` comes from elsewhere.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use crate::failure::Failure;

/// An allocation up to this size is granted above the limit too, as far as the reserve reaches: the engine needs a
/// few to unwind, and ends the process where settling a promise finds no memory.
const SMALL_BYTES: usize = 1024;
const RESERVE_BYTES: usize = 16 << 20;
/// Changes smaller than this are not told to the lane, so that instances do not contend for its counter.
const REPORT_BYTES: i64 = 64 << 10;
/// An instance below this part of the lane's memory, or this size, may grow where the lane is full: who takes much
/// gives way, and nobody who takes little notices.
const SHARE_DIVISOR: usize = 64;
const SHARE_BYTES_MIN: usize = 1 << 20;

/// Memory of all instances.
#[derive(Debug)]
pub(crate) struct LaneMemory {
    used: AtomicI64,
    limit: i64,
}

impl LaneMemory {
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self { used: AtomicI64::new(0), limit: i64::try_from(limit_bytes).unwrap_or(i64::MAX) }
    }

    pub(crate) fn used_bytes(&self) -> usize {
        usize::try_from(self.used.load(Ordering::Relaxed)).unwrap_or(0)
    }

    pub(crate) fn limit_bytes(&self) -> usize {
        usize::try_from(self.limit).unwrap_or(usize::MAX)
    }

    /// What an instance may hold of a full lane.
    fn share_bytes(&self) -> usize {
        (self.limit_bytes() / SHARE_DIVISOR).max(SHARE_BYTES_MIN)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.used.load(Ordering::Relaxed) >= self.limit
    }
}

/// Why code was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Its time is over.
    Time,
    /// It holds more than it may.
    Memory,
    /// All instances together hold what they may.
    LaneFull,
    /// Nobody waits for it.
    Abandoned,
}

/// Counts and bounds one instance.
#[derive(Debug)]
pub(crate) struct Meter {
    lane: Arc<LaneMemory>,
    /// What all instances of the version hold.
    version: Arc<AtomicI64>,
    limit: usize,
    used: AtomicUsize,
    unreported: AtomicI64,
    /// What was passed: 0 nothing, 1 the own limit, 2 that of the lane.
    exceeded: AtomicU8,
    abandoned: AtomicBool,
    stop_at_us: AtomicU64,
    stopped: AtomicU8,
}

impl Meter {
    pub(crate) fn new(limit: usize, lane: Arc<LaneMemory>, version: Arc<AtomicI64>) -> Self {
        Self {
            lane,
            version,
            limit,
            used: AtomicUsize::new(0),
            unreported: AtomicI64::new(0),
            exceeded: AtomicU8::new(0),
            abandoned: AtomicBool::new(false),
            stop_at_us: AtomicU64::new(u64::MAX),
            stopped: AtomicU8::new(0),
        }
    }

    /// What a call that was stopped for `stop` failed of; `time` is what its time was.
    pub(crate) fn failure(&self, stop: Stop, time: Failure) -> Failure {
        match stop {
            Stop::Time => time,
            Stop::Memory => Failure::Memory { limit_bytes: self.limit },
            Stop::LaneFull => Failure::LaneFull { limit_bytes: self.lane.limit_bytes() },
            Stop::Abandoned => Failure::Crashed { message: "nobody waited for the call any more".to_owned() },
        }
    }

    /// Whether it holds so much that another call might not fit.
    pub(crate) fn is_half_full(&self) -> bool {
        self.used.load(Ordering::Relaxed) > self.limit / 2
    }

    /// Whether `bytes` more may be allocated. Where the limit is passed, the code stops at its next check.
    pub(crate) fn may_grow(&self, bytes: usize) -> bool {
        let after = self.used.load(Ordering::Relaxed).saturating_add(bytes);
        let is_within = after <= self.limit;
        if is_within && (after <= self.lane.share_bytes() || !self.lane.is_full()) {
            return true;
        }
        self.exceeded.store(1 + u8::from(is_within), Ordering::Relaxed);
        bytes <= SMALL_BYTES && after <= self.limit.saturating_add(RESERVE_BYTES)
    }

    pub(crate) fn grew(&self, bytes: usize) {
        self.used.store(self.used.load(Ordering::Relaxed).wrapping_add(bytes), Ordering::Relaxed);
        self.report(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    pub(crate) fn shrank(&self, bytes: usize) {
        self.used.store(self.used.load(Ordering::Relaxed).wrapping_sub(bytes), Ordering::Relaxed);
        self.report(-i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    fn report(&self, change: i64) {
        let change = self.unreported.load(Ordering::Relaxed) + change;
        if change.abs() < REPORT_BYTES {
            return self.unreported.store(change, Ordering::Relaxed);
        }
        self.unreported.store(0, Ordering::Relaxed);
        self.tell(change);
    }

    fn tell(&self, change: i64) {
        self.lane.used.fetch_add(change, Ordering::Relaxed);
        self.version.fetch_add(change, Ordering::Relaxed);
    }

    /// From now on code runs until `at`.
    pub(crate) fn arm(&self, at: Instant) {
        self.stop_at_us.store(us_of(at), Ordering::Relaxed);
    }

    /// Stops the code as soon as it looks: nobody waits for it any more.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }

    /// Whether the code has to stop; remembered, so that it stays so.
    pub(crate) fn must_stop(&self) -> bool {
        let reason = if let Some(passed) = self.passed() {
            passed
        } else if self.abandoned.load(Ordering::Relaxed) {
            Stop::Abandoned
        } else if us_of(Instant::now()) >= self.stop_at_us.load(Ordering::Relaxed) {
            Stop::Time
        } else {
            return self.stopped.load(Ordering::Relaxed) != 0;
        };
        self.stopped.store(reason as u8 + 1, Ordering::Relaxed);
        true
    }

    /// Why the code was stopped, if it was. A limit that was passed counts, seen or not.
    pub(crate) fn stopped(&self) -> Option<Stop> {
        self.passed().or_else(|| match self.stopped.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Stop::Time),
            2 => Some(Stop::Memory),
            3 => Some(Stop::LaneFull),
            _ => Some(Stop::Abandoned),
        })
    }

    fn passed(&self) -> Option<Stop> {
        match self.exceeded.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Stop::Memory),
            _ => Some(Stop::LaneFull),
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.tell(self.unreported.load(Ordering::Relaxed));
    }
}

/// Microseconds since the first call.
fn us_of(at: Instant) -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let start = *START.get_or_init(Instant::now);
    u64::try_from(at.saturating_duration_since(start).as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn meter(limit: usize) -> Meter {
        Meter::new(limit, Arc::new(LaneMemory::new(1 << 30)), Arc::default())
    }

    #[test]
    fn large_allocations_stop_at_the_limit_and_small_ones_at_the_reserve() {
        let meter = meter(1 << 20);
        assert!(meter.may_grow(1 << 20));
        meter.grew(1 << 20);
        assert_eq!(meter.stopped(), None);
        assert!(!meter.may_grow(SMALL_BYTES + 1));
        assert_eq!(meter.stopped(), Some(Stop::Memory));
        assert!(meter.may_grow(SMALL_BYTES));
        meter.grew(RESERVE_BYTES);
        assert!(!meter.may_grow(1));
    }

    #[test]
    fn time_stops_code_for_good() {
        let meter = meter(1 << 20);
        meter.arm(Instant::now() + Duration::from_secs(60));
        assert!(!meter.must_stop());
        meter.arm(Instant::now());
        assert!(meter.must_stop());
        meter.arm(Instant::now() + Duration::from_secs(60));
        assert!(meter.must_stop() && meter.stopped() == Some(Stop::Time));
    }

    #[test]
    fn the_lane_knows_what_instances_hold_and_gets_it_back() {
        let lane = Arc::new(LaneMemory::new(1 << 20));
        let version = Arc::<AtomicI64>::default();
        let meter = Meter::new(10 << 20, Arc::clone(&lane), Arc::clone(&version));
        let neighbour = Meter::new(10 << 20, Arc::clone(&lane), Arc::default());
        meter.grew(2 << 20);
        assert_eq!(version.load(Ordering::Relaxed), 2 << 20);
        assert!(lane.is_full());
        assert!(neighbour.may_grow(SMALL_BYTES + 1), "who holds little goes on");
        assert!(!meter.may_grow(SMALL_BYTES + 1), "who holds much does not grow in a full lane");
        assert!(meter.may_grow(SMALL_BYTES), "but can unwind");
        assert_eq!(meter.stopped(), Some(Stop::LaneFull));
        meter.shrank((2 << 20) - 10);
        meter.shrank(10);
        drop(meter);
        assert_eq!((lane.used_bytes(), version.load(Ordering::Relaxed)), (0, 0));
    }
}
