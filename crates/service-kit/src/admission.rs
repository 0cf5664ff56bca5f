//! Places in front of a writer that all projects share: so many calls, so many bytes, and of both at most half
//! for one project. A project that has nothing waiting gets a place for a call of any size as long as all
//! together are within the bound, so what waits is never more than the bound and one call.

use crate::ids::ProjectId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How much may wait, of all projects.
#[derive(Debug, Clone, Copy)]
pub struct AdmissionLimits {
    /// Calls.
    pub calls_max: usize,
    /// Bytes that they carry.
    pub bytes_max: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Load {
    calls: usize,
    bytes: usize,
}

impl Load {
    fn with(self, bytes: usize) -> Self {
        Self { calls: self.calls + 1, bytes: self.bytes + bytes }
    }

    fn without(self, bytes: usize) -> Self {
        Self { calls: self.calls - 1, bytes: self.bytes - bytes }
    }

    fn is_within(self, calls_max: usize, bytes_max: usize) -> bool {
        self.calls <= calls_max && self.bytes <= bytes_max
    }
}

#[derive(Debug, Default)]
struct Waiting {
    all: Load,
    by_project: HashMap<ProjectId, Load>,
}

/// Counts what waits.
#[derive(Debug)]
pub struct Admission {
    limits: AdmissionLimits,
    waiting: Mutex<Waiting>,
}

impl Admission {
    /// Nothing waits.
    pub fn new(limits: AdmissionLimits) -> Arc<Self> {
        Arc::new(Self { limits, waiting: Mutex::default() })
    }

    /// A place for a call that carries `bytes`, if there is one.
    pub fn enter(self: &Arc<Self>, project: &ProjectId, bytes: usize) -> Option<Admitted> {
        let AdmissionLimits { calls_max, bytes_max } = self.limits;
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let before = waiting.by_project.get(project).copied().unwrap_or_default();
        let (all, own) = (waiting.all.with(bytes), before.with(bytes));
        let fits = if before.calls == 0 {
            all.calls <= calls_max && waiting.all.bytes <= bytes_max
        } else {
            all.is_within(calls_max, bytes_max) && own.is_within(calls_max.div_ceil(2), bytes_max / 2)
        };
        if !fits {
            return None;
        }
        waiting.all = all;
        waiting.by_project.insert(project.clone(), own);
        Some(Admitted { admission: self.clone(), project: project.clone(), bytes })
    }

    fn leave(&self, project: &ProjectId, bytes: usize) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.all = waiting.all.without(bytes);
        if let Some(own) = waiting.by_project.get_mut(project) {
            *own = own.without(bytes);
            if own.calls == 0 {
                waiting.by_project.remove(project);
            }
        }
    }
}

/// A place, until it is dropped.
#[derive(Debug)]
pub struct Admitted {
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

    fn admission(calls_max: usize, bytes_max: usize) -> Arc<Admission> {
        Admission::new(AdmissionLimits { calls_max, bytes_max })
    }

    #[test]
    fn one_project_has_half_of_the_calls() {
        let admission = admission(4, 100);
        let (one, other) = (ProjectId::generate(), ProjectId::generate());
        let first = admission.enter(&one, 1).unwrap();
        let _second = admission.enter(&one, 1).unwrap();
        assert!(admission.enter(&one, 1).is_none());
        let _third = admission.enter(&other, 50).unwrap();
        drop(first);
        assert!(admission.enter(&one, 1).is_some());
    }

    #[test]
    fn one_project_has_half_of_the_bytes() {
        let admission = admission(10, 100);
        let (one, other) = (ProjectId::generate(), ProjectId::generate());
        let first = admission.enter(&one, 40).unwrap();
        assert!(admission.enter(&one, 11).is_none());
        let _second = admission.enter(&other, 50).unwrap();
        drop(first);
        assert!(admission.enter(&one, 50).is_some());
    }

    #[test]
    fn a_large_call_fits_alone_and_no_more_come_above_the_bound() {
        let admission = admission(10, 100);
        let [one, other, third] = [0; 3].map(|_| ProjectId::generate());
        let first = admission.enter(&one, 90).unwrap();
        let _second = admission.enter(&other, 500).unwrap();
        assert!(admission.enter(&third, 1).is_none());
        assert!(admission.enter(&other, 0).is_none());
        drop(first);
        assert!(admission.enter(&one, 1).is_none());
    }
}
