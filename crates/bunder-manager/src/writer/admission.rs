//! Places in the queue: so many writes, so many bytes, and of both at most half for one project.

use service_kit::ids::ProjectId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How much may wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdmissionLimits {
    pub(crate) writes_max: usize,
    pub(crate) bytes_max: usize,
    /// Bytes of one write, which always fits into a project's half.
    pub(crate) write_bytes_max: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Load {
    writes: usize,
    bytes: usize,
}

impl Load {
    fn with(self, bytes: usize) -> Self {
        Self { writes: self.writes + 1, bytes: self.bytes + bytes }
    }

    fn fits(self, writes_max: usize, bytes_max: usize) -> bool {
        self.writes <= writes_max && self.bytes <= bytes_max
    }
}

#[derive(Debug, Default)]
struct Waiting {
    all: Load,
    by_project: HashMap<ProjectId, Load>,
}

/// Counts what waits.
#[derive(Debug)]
pub(crate) struct Admission {
    limits: AdmissionLimits,
    waiting: Mutex<Waiting>,
}

impl Admission {
    pub(crate) fn new(limits: AdmissionLimits) -> Arc<Self> {
        Arc::new(Self { limits, waiting: Mutex::default() })
    }

    /// A place for a write of `bytes`, if there is one.
    pub(crate) fn enter(self: &Arc<Self>, project: &ProjectId, bytes: usize) -> Option<Admitted> {
        let AdmissionLimits { writes_max, bytes_max, write_bytes_max } = self.limits;
        let half_bytes = (bytes_max / 2).max(write_bytes_max);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let all = waiting.all.with(bytes);
        let own = waiting.by_project.get(project).copied().unwrap_or_default().with(bytes);
        let fits = all.fits(writes_max, bytes_max.max(write_bytes_max))
            && own.fits(writes_max.div_ceil(2), half_bytes);
        if !fits {
            return None;
        }
        waiting.all = all;
        waiting.by_project.insert(project.clone(), own);
        Some(Admitted { admission: self.clone(), project: project.clone(), bytes })
    }

    fn leave(&self, project: &ProjectId, bytes: usize) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.all.writes -= 1;
        waiting.all.bytes -= bytes;
        if let Some(own) = waiting.by_project.get_mut(project) {
            own.writes -= 1;
            own.bytes -= bytes;
            if own.writes == 0 {
                waiting.by_project.remove(project);
            }
        }
    }
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    admission: Arc<Admission>,
    project: ProjectId,
    bytes: usize,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.admission.leave(&self.project, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_project_has_half_of_the_places() {
        let limits = AdmissionLimits { writes_max: 4, bytes_max: 100, write_bytes_max: 10 };
        let admission = Admission::new(limits);
        let (one, other) = (ProjectId::generate(), ProjectId::generate());
        let first = admission.enter(&one, 1).unwrap();
        let _second = admission.enter(&one, 1).unwrap();
        assert!(admission.enter(&one, 1).is_none());
        assert!(admission.enter(&other, 60).is_none());
        let _third = admission.enter(&other, 50).unwrap();
        drop(first);
        assert!(admission.enter(&one, 1).is_some());
    }

    #[test]
    fn the_largest_write_fits_always() {
        let limits = AdmissionLimits { writes_max: 1, bytes_max: 5, write_bytes_max: 10 };
        let admission = Admission::new(limits);
        let project = ProjectId::generate();
        let place = admission.enter(&project, 10).unwrap();
        assert!(admission.enter(&project, 0).is_none());
        drop(place);
        assert!(admission.enter(&project, 10).is_some());
    }
}
