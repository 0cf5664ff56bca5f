//! Bytes of payloads that wait to be written: bounded, and one project has at most half.

use service_kit::ids::ProjectId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug, Default)]
struct Waiting {
    bytes: usize,
    by_project: HashMap<ProjectId, usize>,
}

/// Counts what waits.
#[derive(Debug)]
pub(crate) struct Admission {
    bytes_max: usize,
    waiting: Mutex<Waiting>,
}

impl Admission {
    pub(crate) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { bytes_max, waiting: Mutex::default() })
    }

    /// A place for `bytes`, if there is one. The first call of a project fits always.
    pub(crate) fn enter(self: &Arc<Self>, project: &ProjectId, bytes: usize) -> Option<Admitted> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let own = waiting.by_project.get(project).copied().unwrap_or(0);
        let fits = waiting.bytes + bytes <= self.bytes_max && own + bytes <= self.bytes_max / 2;
        if own > 0 && !fits || waiting.bytes > self.bytes_max {
            return None;
        }
        waiting.bytes += bytes;
        waiting.by_project.insert(project.clone(), own + bytes);
        Some(Admitted { admission: self.clone(), project: project.clone(), bytes })
    }

    fn leave(&self, project: &ProjectId, bytes: usize) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.bytes -= bytes;
        match waiting.by_project.get_mut(project) {
            Some(own) if *own > bytes => *own -= bytes,
            _ => drop(waiting.by_project.remove(project)),
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
    fn one_project_has_half_of_the_bytes() {
        let admission = Admission::new(100);
        let (one, other) = (ProjectId::generate(), ProjectId::generate());
        let first = admission.enter(&one, 40).unwrap();
        assert!(admission.enter(&one, 11).is_none());
        let _second = admission.enter(&other, 50).unwrap();
        drop(first);
        assert!(admission.enter(&one, 50).is_some());
    }

    #[test]
    fn a_large_call_fits_alone_and_no_more_come_above_the_bound() {
        let admission = Admission::new(100);
        let (one, other, third) = (ProjectId::generate(), ProjectId::generate(), ProjectId::generate());
        let _first = admission.enter(&one, 90).unwrap();
        let _second = admission.enter(&other, 90).unwrap();
        assert!(admission.enter(&third, 1).is_none());
    }
}
