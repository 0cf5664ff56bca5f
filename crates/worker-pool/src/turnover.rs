//! How workers of a version come and go: kept warm, drained, replaced, ended when idle.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::error::LoadError;
use crate::health::cpu_time;
use crate::state::{EndReason, WorkerSnapshot};
use crate::version::{ENDED_MAX, Version};
use crate::worker::Worker;

/// After a worker could not be replaced.
const REPLACE_AGAIN_AFTER: Duration = Duration::from_secs(60);

impl Version {
    /// The worker has ended.
    pub(crate) fn forget(self: &Arc<Self>, worker: &Worker) {
        self.remove(worker);
        if !self.is_retired() && !self.shared.is_stopping() {
            self.keep_warm();
            self.grow_for_queue();
        }
    }

    /// Gives the worker no more calls; it ends when those on it are over, and another one may take its place.
    pub(crate) fn drain(self: &Arc<Self>, worker: &Worker) {
        if !worker.draining.swap(true, Ordering::AcqRel) {
            self.forget(worker);
        }
    }

    /// Ends a worker that nobody has called for long, unless it is one of those that stay warm.
    pub(crate) fn end_idle(&self, worker: &Worker) {
        {
            let mut workers = self.workers.write().unwrap_or_else(PoisonError::into_inner);
            if workers.len() <= self.spec.settings.min_warm || worker.slots.load(Ordering::Acquire) > 0 {
                return;
            }
            // Slots are only taken under the read lock, so none is taken from here on.
            workers.retain(|known| known.number != worker.number);
        }
        worker.end(EndReason::Retired);
    }

    fn remove(&self, worker: &Worker) {
        let mut workers = self.workers.write().unwrap_or_else(PoisonError::into_inner);
        workers.retain(|known| known.number != worker.number);
    }

    pub(crate) fn all_workers(&self) -> Vec<Arc<Worker>> {
        self.workers.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts another worker, and drains this one when that is there. One after the other; where the other does
    /// not start, this one goes on.
    pub(crate) fn replace(self: &Arc<Self>, worker: &Arc<Worker>) {
        if worker.draining.load(Ordering::Acquire) || self.is_retired() {
            return;
        }
        if self.replacing.swap(true, Ordering::AcqRel) {
            return;
        }
        let (version, worker) = (Arc::clone(self), Arc::clone(worker));
        tokio::spawn(async move {
            match version.add_worker().await {
                Ok(()) => version.drain(&worker),
                Err(error) => {
                    version.replacement_failed(&error);
                    tokio::time::sleep(REPLACE_AGAIN_AFTER).await;
                }
            }
            version.replacing.store(false, Ordering::Release);
        });
    }

    fn replacement_failed(&self, error: &LoadError) {
        let error = error as &dyn std::error::Error;
        tracing::warn!(version = %self.spec.key, error, "worker could not be replaced");
    }

    /// Counts the processor time that a worker of this version has used.
    pub(crate) fn count_cpu(&self, worker: &Worker) {
        // Nothing of a process that is gone.
        let Some(used) = cpu_time(worker.pid) else { return };
        let since = worker.life().count_cpu(used).as_micros();
        self.cpu_us.fetch_add(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// A worker of this version has ended.
    pub(crate) fn remember(&self, worker: WorkerSnapshot) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.len() == ENDED_MAX {
            ended.pop_front();
        }
        ended.push_back(worker);
    }

    pub(crate) fn snapshots(self: &Arc<Self>) -> Vec<WorkerSnapshot> {
        let is_own =
            |worker: &Arc<Worker>| worker.version().is_some_and(|version| Arc::ptr_eq(version, self));
        let there = self.shared.busy_workers().into_iter().filter(is_own);
        let there: Vec<_> = there.filter_map(|worker| worker.snapshot()).collect();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let is_there = |number| there.iter().any(|worker| worker.number == number);
        let mut all: Vec<_> = ended.iter().filter(|worker| !is_there(worker.number)).cloned().collect();
        drop(ended);
        all.extend(there);
        all.sort_unstable_by_key(|worker| worker.number);
        all
    }
}
