//! What the dispatcher keeps in memory.

use crate::job::Job;
use crate::lanes::Lanes;
use crate::worker::{Handler, Selector, WorkOptions};
use service_kit::ids::{JobId, ProjectId};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Somebody who takes jobs.
#[derive(Clone)]
pub(crate) struct Worker {
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) selector: Selector,
    pub(crate) options: WorkOptions,
    pub(crate) running: usize,
    pub(crate) by_project: HashMap<ProjectId, usize>,
}

impl Worker {
    pub(crate) fn free(&self) -> usize {
        self.options.concurrency.get().saturating_sub(self.running)
    }

    pub(crate) fn room(&self, project: &ProjectId) -> usize {
        let running = self.by_project.get(project).copied().unwrap_or(0);
        self.options.concurrency_per_project_max.get().saturating_sub(running)
    }

    pub(crate) fn begin(&mut self, project: &ProjectId) {
        self.running += 1;
        *self.by_project.entry(project.clone()).or_default() += 1;
    }

    pub(crate) fn end(&mut self, project: &ProjectId) {
        self.running = self.running.saturating_sub(1);
        match self.by_project.get_mut(project) {
            Some(running) if *running > 1 => *running -= 1,
            _ => drop(self.by_project.remove(project)),
        }
    }
}

/// A job that a handler has.
pub(crate) struct Entry {
    pub(crate) job: Arc<Job>,
    pub(crate) worker: usize,
    pub(crate) stop: CancellationToken,
    /// It was cancelled, or its project is removed: only its slot is still taken.
    pub(crate) is_removed: bool,
}

/// All of it.
#[derive(Default)]
pub(crate) struct State {
    /// This process among those that share the tables.
    pub(crate) instance: String,
    pub(crate) lanes: Lanes,
    pub(crate) workers: Vec<Worker>,
    /// By ticket: a number for each attempt.
    pub(crate) running: HashMap<u64, Entry>,
    pub(crate) last_ticket: u64,
    /// Projects that were removed: a call that was on the way does not bring them back.
    pub(crate) removed: HashSet<ProjectId>,
    pub(crate) next_delayed: Option<i64>,
    pub(crate) next_schedule: Option<i64>,
    pub(crate) next_sweep: i64,
    /// Whether it may differ from the tables.
    pub(crate) is_stale: bool,
    /// Whether the tables were read once.
    pub(crate) is_opened: bool,
}

impl State {
    /// When there is something to do by itself.
    pub(crate) fn next_due(&self) -> i64 {
        let due = [self.next_delayed, self.next_schedule].into_iter().flatten().min();
        due.map_or(self.next_sweep, |due| due.min(self.next_sweep))
    }

    /// Whether a handler could have another job.
    pub(crate) fn has_free_slot(&self) -> bool {
        self.workers.iter().any(|worker| worker.free() > 0)
    }

    /// The job of a run is no more: its handler stops where it is.
    pub(crate) fn stop(&mut self, ticket: u64) {
        if let Some(run) = self.running.get_mut(&ticket) {
            run.is_removed = true;
            run.stop.cancel();
        }
    }

    /// Nothing of a project runs or comes in from here on; gives its runs.
    pub(crate) fn remove(&mut self, project: &ProjectId) -> Vec<u64> {
        self.removed.insert(project.clone());
        self.lanes.remove(project);
        let runs = self.running.iter().filter(|(_, entry)| entry.job.project == *project);
        runs.map(|(ticket, _)| *ticket).collect()
    }

    /// The run of a job.
    pub(crate) fn ticket_of(&self, id: &JobId) -> Option<u64> {
        self.running
            .iter()
            .find(|(_, entry)| entry.job.id == *id && !entry.is_removed)
            .map(|(ticket, _)| *ticket)
    }
}
