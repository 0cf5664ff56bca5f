//! The newest traced runs of each project, in memory. What is in a ring is redacted.

use crate::run::StoredRun;
use service_kit::ids::{FunctionId, ProjectId};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
struct Ring {
    runs: VecDeque<Arc<StoredRun>>,
    used: bool,
}

/// The rings of all projects. Together they hold `total_max` runs; with more projects each has fewer.
pub(crate) struct Rings {
    project_max: usize,
    total_max: usize,
    rings: Mutex<HashMap<ProjectId, Ring>>,
}

impl Rings {
    pub(crate) fn new(project_max: usize, total_max: usize) -> Self {
        Self { project_max, total_max, rings: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ProjectId, Ring>> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the newest run of a project.
    pub(crate) fn push(&self, project: &ProjectId, run: StoredRun) {
        let mut rings = self.lock();
        let is_new = !rings.contains_key(project);
        if is_new && rings.len() >= self.total_max {
            return;
        }
        rings.entry(project.clone()).or_default();
        let each = self.project_max.min(self.total_max / rings.len().max(1));
        if is_new {
            rings.values_mut().for_each(|ring| shorten(ring, each));
        }
        if let Some(ring) = rings.get_mut(project) {
            ring.runs.push_back(Arc::new(run));
            ring.used = true;
            shorten(ring, each);
        }
    }

    /// The newest first.
    pub(crate) fn newest(
        &self,
        project: &ProjectId,
        wanted: impl Fn(&StoredRun) -> bool,
        limit: usize,
    ) -> Vec<StoredRun> {
        let rings = self.lock();
        let Some(ring) = rings.get(project) else { return Vec::new() };
        ring.runs.iter().rev().filter(|run| wanted(run)).take(limit).map(|run| (**run).clone()).collect()
    }

    /// Forgets rings that were not added to since the last time, where there are many.
    pub(crate) fn forget_idle(&self) {
        let mut rings = self.lock();
        if rings.len() > self.total_max / 2 {
            rings.retain(|_, ring| std::mem::take(&mut ring.used));
        }
    }

    pub(crate) fn remove_project(&self, project: &ProjectId) {
        self.lock().remove(project);
    }

    pub(crate) fn remove_function(&self, project: &ProjectId, function: &FunctionId) {
        if let Some(ring) = self.lock().get_mut(project) {
            ring.runs.retain(|run| run.function != function.as_str());
        }
    }
}

fn shorten(ring: &mut Ring, runs_max: usize) {
    let beyond = ring.runs.len().saturating_sub(runs_max);
    ring.runs.drain(..beyond);
}
