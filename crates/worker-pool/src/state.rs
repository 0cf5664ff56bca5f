//! The states of a worker, when they changed, and what is known about it. Judged at each look of the supervisor
//! and not on the path of a call, so a worker that is called many times a second is busy all the time.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How long after its last call a worker counts as idle.
const IDLE_AFTER: Duration = Duration::from_secs(1);

/// State of a worker that belongs to a function version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WorkerState {
    /// The bundle is imported, and no call was made yet.
    Warm,
    /// It has a call, or had one within the last second.
    Busy,
    /// It had calls, and has none now.
    Idle,
    /// The process is gone.
    Terminated,
}

impl WorkerState {
    /// `WARM`, `BUSY`, `IDLE` or `TERMINATED`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warm => "WARM",
            Self::Busy => "BUSY",
            Self::Idle => "IDLE",
            Self::Terminated => "TERMINATED",
        }
    }
}

/// Why a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// By itself.
    Crashed,
    /// No longer needed, or replaced because it was old.
    Retired,
    /// It did not answer pings while a call was over its deadline.
    Unresponsive,
    /// It went over the memory limit.
    Memory,
    /// It broke the protocol.
    Protocol,
}

impl EndReason {
    /// `crashed`, `retired`, `unresponsive`, `memory` or `protocol`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Crashed => "crashed",
            Self::Retired => "retired",
            Self::Unresponsive => "unresponsive",
            Self::Memory => "memory",
            Self::Protocol => "protocol",
        }
    }
}

/// A change of a worker's state.
#[derive(Debug, Clone)]
pub struct WorkerChange {
    /// [`crate::VersionSpec::project`].
    pub project: Arc<str>,
    /// [`crate::VersionSpec::key`].
    pub version: Arc<str>,
    /// The worker as it is now.
    pub worker: WorkerSnapshot,
}

/// A worker of a version at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerSnapshot {
    /// Its number in the pool; never given twice.
    pub number: u64,
    /// Its process.
    pub pid: u32,
    /// Its state.
    pub state: WorkerState,
    /// When each state was entered last.
    pub times: StateTimes,
    /// Calls that it was given so far.
    pub calls: u32,
    /// Calls that it has now, work after an answer included.
    pub in_flight: usize,
    /// Its anonymous memory when it was looked at last.
    pub memory_bytes: u64,
    /// Why it ended, once it has.
    pub end: Option<EndReason>,
}

/// When a worker was started, and when it entered each state last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateTimes {
    /// The process was started.
    pub started: SystemTime,
    /// [`WorkerState::Warm`]
    pub warm: Option<SystemTime>,
    /// [`WorkerState::Busy`]
    pub busy: Option<SystemTime>,
    /// [`WorkerState::Idle`]
    pub idle: Option<SystemTime>,
    /// [`WorkerState::Terminated`]
    pub terminated: Option<SystemTime>,
}

/// The history of one worker.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) started: Instant,
    /// `None` before the bundle is imported.
    pub(crate) state: Option<WorkerState>,
    pub(crate) times: StateTimes,
    pub(crate) memory_bytes: u64,
    /// Processor time that its version has been told of.
    cpu_counted: Duration,
    calls_seen: u32,
    last_call: Instant,
}

impl Life {
    pub(crate) fn new(now: Instant) -> Self {
        let started = SystemTime::now();
        let times = StateTimes { started, warm: None, busy: None, idle: None, terminated: None };
        Self {
            started: now,
            state: None,
            times,
            memory_bytes: 0,
            cpu_counted: Duration::ZERO,
            calls_seen: 0,
            last_call: now,
        }
    }

    /// What was used since the last time, where `used` is all that was used so far.
    pub(crate) fn count_cpu(&mut self, used: Duration) -> Duration {
        let since = used.saturating_sub(self.cpu_counted);
        self.cpu_counted += since;
        since
    }

    /// Enters a state; `false` where it was in it, or has ended.
    pub(crate) fn enter(&mut self, state: WorkerState) -> bool {
        if self.state == Some(state) || self.state == Some(WorkerState::Terminated) {
            return false;
        }
        self.state = Some(state);
        let time = match state {
            WorkerState::Warm => &mut self.times.warm,
            WorkerState::Busy => &mut self.times.busy,
            WorkerState::Idle => &mut self.times.idle,
            WorkerState::Terminated => &mut self.times.terminated,
        };
        *time = Some(SystemTime::now());
        true
    }

    /// Looks at a worker that was given `calls` so far. `true` where that changed its state.
    pub(crate) fn look(&mut self, calls: u32, is_idle: bool, now: Instant) -> bool {
        if self.state.is_none() {
            return false;
        }
        if !is_idle || calls != self.calls_seen {
            self.calls_seen = calls;
            self.last_call = now;
            return self.enter(WorkerState::Busy);
        }
        let rests = now.saturating_duration_since(self.last_call) >= IDLE_AFTER;
        self.state == Some(WorkerState::Busy) && rests && self.enter(WorkerState::Idle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_busy_from_its_first_call_until_a_second_after_its_last() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut life = Life::new(start);
        assert!(!life.look(1, false, start), "it is not warm yet");
        assert!(life.enter(WorkerState::Warm));
        assert!(!life.look(0, true, at(5000)), "warm is not idle");
        assert!(life.look(1, true, at(6000)), "a call between two looks is seen");
        assert!(!life.look(2, false, at(6500)));
        assert!(!life.look(2, true, at(7400)));
        assert!(life.look(2, true, at(7500)));
        assert_eq!(life.state, Some(WorkerState::Idle));
        assert!(life.times.warm <= life.times.busy && life.times.busy <= life.times.idle);
    }

    #[test]
    fn nothing_comes_after_the_end() {
        let mut life = Life::new(Instant::now());
        assert!(life.enter(WorkerState::Warm));
        assert!(life.enter(WorkerState::Terminated));
        assert!(!life.look(1, false, Instant::now()));
        assert_eq!(life.state, Some(WorkerState::Terminated));
    }
}
