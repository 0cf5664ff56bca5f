//! Graceful drain: one signal that says "take no new work", and a count of the work in flight that the
//! end waits for.

use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// How long work in flight may take to end once draining began.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Shared by everything that takes work. Clones are the same drain.
#[derive(Debug, Clone, Default)]
pub struct Drain {
    started: CancellationToken,
    work: TaskTracker,
}

impl Drain {
    /// A drain that has not begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins: `/ready` turns false, nothing new is taken.
    pub fn start(&self) {
        self.started.cancel();
        self.work.close();
    }

    /// Whether it has begun.
    pub fn is_started(&self) -> bool {
        self.started.is_cancelled()
    }

    /// Waits until it begins.
    pub async fn started(&self) {
        self.started.cancelled().await;
    }

    /// Counts one piece of work until the token is dropped.
    pub fn work(&self) -> TaskTrackerToken {
        self.work.token()
    }

    /// Pieces of work in flight.
    pub fn in_flight(&self) -> usize {
        self.work.len()
    }

    /// Waits until all work has ended, at most `DRAIN_TIMEOUT`; says whether it did.
    pub async fn finished(&self) -> bool {
        tokio::time::timeout(DRAIN_TIMEOUT, self.work.wait()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_waits_for_work_in_flight() {
        let drain = Drain::new();
        let work = drain.work();
        drain.start();
        assert!(drain.is_started());
        let waiting = tokio::spawn({
            let drain = drain.clone();
            async move { drain.finished().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(work);
        assert!(waiting.await.unwrap());
    }
}
