//! Whose turn it is: who runs and who waits, by project. Projects that neither run nor wait have no entry.

use super::GateError;
use service_kit::ids::ProjectId;
use std::collections::{HashMap, VecDeque};
use tokio::sync::oneshot;

/// How many may run and wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Running, of all.
    pub(super) places: usize,
    /// Running, of one project.
    pub(super) project_places: usize,
    /// Waiting, of all.
    pub(super) waiting: usize,
    /// Waiting, of one project.
    pub(super) project_waiting: usize,
}

/// The queue.
pub(super) struct Turns {
    limits: Limits,
    last_number: u64,
    running: usize,
    waiting: usize,
    by_project: HashMap<ProjectId, Share>,
    /// Projects that may begin a query, the one whose turn is next in front: those with one waiting and a
    /// place of their own left, once each.
    ready: VecDeque<ProjectId>,
}

#[derive(Default)]
struct Share {
    running: usize,
    waiting: VecDeque<Waiting>,
    is_ready: bool,
}

struct Waiting {
    number: u64,
    begin: oneshot::Sender<()>,
}

impl Turns {
    pub(super) fn new(limits: Limits) -> Self {
        let (by_project, ready) = (HashMap::new(), VecDeque::new());
        Self { limits, last_number: 0, running: 0, waiting: 0, by_project, ready }
    }

    /// Queues one, and lets it begin at once where it can: `begin` is told. Its number is for `leave`.
    pub(super) fn join(&mut self, project: &ProjectId, begin: oneshot::Sender<()>) -> Result<u64, GateError> {
        let share = self.by_project.get(project);
        let (running, waiting) = share.map_or((0, 0), |share| (share.running, share.waiting.len()));
        let has_place = self.running < self.limits.places && running < self.limits.project_places;
        let is_full = self.waiting >= self.limits.waiting || waiting >= self.limits.project_waiting;
        if !(has_place && self.ready.is_empty()) && is_full {
            return Err(GateError::QueueFull);
        }
        self.last_number += 1;
        let number = self.last_number;
        self.waiting += 1;
        let share = self.by_project.entry(project.clone()).or_default();
        share.waiting.push_back(Waiting { number, begin });
        self.line_up(project);
        self.begin_next();
        Ok(number)
    }

    /// Forgets one that waited or ran.
    pub(super) fn leave(&mut self, project: &ProjectId, number: u64) {
        let Some(share) = self.by_project.get_mut(project) else { return };
        match share.waiting.iter().position(|waiting| waiting.number == number) {
            Some(at) => {
                share.waiting.remove(at);
                self.waiting -= 1;
            }
            None => {
                share.running -= 1;
                self.running -= 1;
            }
        }
        self.line_up(project);
        self.begin_next();
        if self.by_project.get(project).is_some_and(|share| share.running == 0 && share.waiting.is_empty()) {
            self.by_project.remove(project);
            self.ready.retain(|ready| ready != project);
        }
    }

    /// Puts a project that may begin a query behind the others.
    fn line_up(&mut self, project: &ProjectId) {
        let Some(share) = self.by_project.get_mut(project) else { return };
        if !share.is_ready && !share.waiting.is_empty() && share.running < self.limits.project_places {
            share.is_ready = true;
            self.ready.push_back(project.clone());
        }
    }

    /// Lets begin what can.
    fn begin_next(&mut self) {
        while self.running < self.limits.places {
            let Some(project) = self.ready.pop_front() else { return };
            let Some(share) = self.by_project.get_mut(&project) else { continue };
            share.is_ready = false;
            let Some(next) = share.waiting.pop_front() else { continue };
            share.running += 1;
            self.running += 1;
            self.waiting -= 1;
            // One that has just gone away leaves by itself.
            let _ = next.begin.send(());
            self.line_up(&project);
        }
    }

    /// How many projects run or wait.
    pub(super) fn projects(&self) -> usize {
        self.by_project.len()
    }
}
