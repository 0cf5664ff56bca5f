//! Turns: who may run next. Counts what is ready and what runs for each queue of each project, in memory, and
//! deals out free slots one at a time: projects take turns, and within a project its queues. Rebuilt from the
//! tables at the start and after a write that failed.

use crate::names::QueueName;
use crate::store::queues::QueueSettings;
use service_kit::ids::ProjectId;
use std::collections::{HashMap, HashSet, VecDeque};

/// Slots dealt to one queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Take {
    pub(crate) project: ProjectId,
    pub(crate) queue: QueueName,
    pub(crate) count: usize,
}

/// What a queue has.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) ready: u64,
    pub(crate) held: u64,
    running: u64,
    /// Running jobs by concurrency key.
    keys: HashMap<String, u32>,
    settings: QueueSettings,
    /// Slots dealt and not yet taken.
    dealt: u64,
    /// Whether it stands among the turns of its project.
    has_turn: bool,
}

impl Queue {
    fn has_room(&self) -> bool {
        let room = self.settings.concurrency_max.is_none_or(|max| self.running + self.dealt < u64::from(max));
        !self.settings.paused && room && self.ready > self.dealt
    }

    fn is_idle(&self) -> bool {
        self.ready + self.held + self.running == 0 && self.settings == QueueSettings::default()
    }

    /// Jobs with this key that run.
    pub(crate) fn running_with(&self, key: &str) -> u32 {
        self.keys.get(key).copied().unwrap_or(0)
    }
}

/// What a project has.
#[derive(Debug, Default)]
pub(crate) struct Project {
    /// Jobs that wait, delayed and held ones included.
    pub(crate) waiting: u64,
    /// Dead letters.
    pub(crate) dead: u64,
    /// Unique keys of jobs that ended, or some more: a key that is given away again is still counted.
    pub(crate) kept_keys: u64,
    queues: HashMap<QueueName, Queue>,
    turns: VecDeque<QueueName>,
    /// Whether it stands among the turns of all.
    has_turn: bool,
}

impl Project {
    /// Deals one slot, to the next queue that has something for it.
    fn deal(&mut self, project: &ProjectId, wants: &Wants<'_>) -> Option<QueueName> {
        for _ in 0..self.turns.len() {
            let name = self.turns.pop_front()?;
            let Some(queue) = self.queues.get_mut(&name) else { continue };
            if queue.ready == 0 {
                queue.has_turn = false;
                continue;
            }
            self.turns.push_back(name.clone());
            if queue.has_room() && wants(project, &name) {
                queue.dealt += 1;
                return Some(name);
            }
        }
        None
    }
}

/// Whether a worker takes jobs of a queue.
pub(crate) type Wants<'a> = dyn Fn(&ProjectId, &QueueName) -> bool + 'a;

/// The turns.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    projects: HashMap<ProjectId, Project>,
    /// Queues that have a limit.
    limited: HashSet<(ProjectId, QueueName)>,
    turns: VecDeque<ProjectId>,
}

impl Lanes {
    /// A project's counts, made where they are missing.
    pub(crate) fn project(&mut self, project: &ProjectId) -> &mut Project {
        self.projects.entry(project.clone()).or_default()
    }

    /// Jobs of a project that wait.
    pub(crate) fn waiting(&self, project: &ProjectId) -> u64 {
        self.projects.get(project).map_or(0, |project| project.waiting)
    }

    /// A queue's counts, made where they are missing.
    pub(crate) fn queue(&mut self, project: &ProjectId, queue: &QueueName) -> &mut Queue {
        self.project(project).queues.entry(queue.clone()).or_default()
    }

    /// More jobs of a queue may run.
    pub(crate) fn add_ready(&mut self, project: &ProjectId, queue: &QueueName, count: u64) {
        let lane = self.queue(project, queue);
        lane.ready += count;
        let had_turn = std::mem::replace(&mut lane.has_turn, true);
        let own = self.project(project);
        if !had_turn {
            own.turns.push_back(queue.clone());
        }
        if !std::mem::replace(&mut own.has_turn, true) {
            self.turns.push_back(project.clone());
        }
    }

    /// A job of a queue begins; it was ready.
    pub(crate) fn begin(&mut self, project: &ProjectId, queue: &QueueName, key: Option<&str>) {
        let own = self.project(project);
        own.waiting = own.waiting.saturating_sub(1);
        let lane = self.queue(project, queue);
        lane.ready = lane.ready.saturating_sub(1);
        self.add_running(project, queue, key, 1);
    }

    /// A job of a queue runs.
    pub(crate) fn add_running(
        &mut self,
        project: &ProjectId,
        queue: &QueueName,
        key: Option<&str>,
        count: u32,
    ) {
        let lane = self.queue(project, queue);
        lane.running += u64::from(count);
        if let Some(key) = key {
            *lane.keys.entry(key.to_owned()).or_default() += count;
        }
    }

    /// A job of a queue no longer runs.
    pub(crate) fn end(&mut self, project: &ProjectId, queue: &QueueName, key: Option<&str>) {
        let lane = self.queue(project, queue);
        lane.running = lane.running.saturating_sub(1);
        let Some(key) = key else { return };
        match lane.keys.get_mut(key) {
            Some(running) if *running > 1 => *running -= 1,
            _ => drop(lane.keys.remove(key)),
        }
    }

    /// Keeps a queue's settings.
    pub(crate) fn configure(&mut self, project: &ProjectId, queue: &QueueName, settings: QueueSettings) {
        self.queue(project, queue).settings = settings;
        let place = (project.clone(), queue.clone());
        match settings.concurrency_max {
            Some(_) => self.limited.insert(place),
            None => self.limited.remove(&place),
        };
    }

    /// Whether a queue that has a limit has jobs that may run.
    pub(crate) fn has_limited(&self) -> bool {
        let find = |(project, queue): &(_, _)| self.projects.get(project)?.queues.get(queue);
        self.limited.iter().filter_map(find).any(|queue| queue.ready > 0 && !queue.settings.paused)
    }

    /// Whether a queue has a limit.
    pub(crate) fn is_limited(&self, project: &ProjectId, queue: &QueueName) -> bool {
        let own = self.projects.get(project).and_then(|project| project.queues.get(queue));
        own.is_some_and(|queue| queue.settings.concurrency_max.is_some())
    }

    /// At least so many jobs of a queue may run, as another process says.
    pub(crate) fn hear_ready(&mut self, project: &ProjectId, queue: &QueueName, count: u64) {
        let known = self.queue(project, queue).ready;
        self.add_ready(project, queue, count.saturating_sub(known));
    }

    /// Nothing runs; what does is counted anew.
    pub(crate) fn clear_running(&mut self) {
        for queue in self.projects.values_mut().flat_map(|project| project.queues.values_mut()) {
            queue.running = 0;
            queue.keys.clear();
        }
    }

    /// Forgets a project.
    pub(crate) fn remove(&mut self, project: &ProjectId) {
        self.projects.remove(project);
        self.turns.retain(|other| other != project);
        self.limited.retain(|(other, _)| other != project);
    }

    /// Deals out free slots. `room` says how many of them a project may have.
    pub(crate) fn deal(
        &mut self,
        free: usize,
        wants: &Wants<'_>,
        room: impl Fn(&ProjectId) -> usize,
    ) -> Vec<Take> {
        let mut takes: Vec<Take> = Vec::new();
        let mut taken: HashMap<ProjectId, usize> = HashMap::new();
        let (mut left, mut idle_turns) = (free, 0);
        while left > 0 && idle_turns < self.turns.len() {
            let Some(project) = self.turns.pop_front() else { break };
            let Some(own) = self.projects.get_mut(&project) else { continue };
            let has_room = taken.get(&project).copied().unwrap_or(0) < room(&project);
            let dealt = if has_room { own.deal(&project, wants) } else { None };
            if own.turns.is_empty() {
                own.has_turn = false;
                continue;
            }
            self.turns.push_back(project.clone());
            let Some(queue) = dealt else {
                idle_turns += 1;
                continue;
            };
            (left, idle_turns) = (left - 1, 0);
            *taken.entry(project.clone()).or_default() += 1;
            match takes.iter_mut().find(|take| take.project == project && take.queue == queue) {
                Some(take) => take.count += 1,
                None => takes.push(Take { project, queue, count: 1 }),
            }
        }
        for take in &takes {
            self.queue(&take.project, &take.queue).dealt = 0;
        }
        takes
    }

    /// Forgets queues and projects of which nothing is left.
    pub(crate) fn tidy(&mut self) {
        self.projects.retain(|_, project| {
            project.queues.retain(|_, queue| !queue.is_idle());
            project.turns.retain(|queue| project.queues.contains_key(queue));
            project.waiting + project.dead + project.kept_keys > 0 || !project.queues.is_empty()
        });
        self.turns.retain(|project| self.projects.contains_key(project));
    }
}

#[cfg(test)]
mod tests;
