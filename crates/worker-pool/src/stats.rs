//! Figures for people: what a pool and a version are doing right now.

use std::time::Duration;

/// The whole pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Generic workers that stand ready.
    pub spares: usize,
    /// Workers that belong to a version.
    pub workers: usize,
    /// Versions that can be called.
    pub versions: usize,
}

/// One function version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionStats {
    /// Worker processes that take calls.
    pub workers: usize,
    /// Calls on workers.
    pub in_flight: usize,
    /// Calls that wait for a worker.
    pub queued: usize,
    /// Process ids of the workers.
    pub pids: Vec<u32>,
    /// Anonymous memory of the workers when each was looked at last.
    pub memory_bytes: u64,
    /// Processor time of all workers since the version was registered, those that have ended and what their starts
    /// took included. Counted once a second and when a worker is ended; only grows.
    pub cpu: Duration,
}
