//! What goes elsewhere: events and jobs that batches and transactions noted (`outbox`), and changes of
//! documents, on the topic `db.<collection>` of the project. Only projects in which
//! somebody waits for such topics are read, each by a task of its own; nobody's writes wait for it. How far
//! a project was relayed is kept in its database, so that nothing is left out after a restart: what was
//! relayed last may come again, with the same `id`.

mod events;
mod jobs;
mod message;
mod outbox;
mod place;
mod project;

use bundoc::engine::Engine;
use ports::events::{Demand, EventBus, Pattern, Realm};
use ports::jobs::JobQueue;
use project::{Begin, ProjectRelay};
use service_kit::ids::ProjectId;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::{AbortHandle, JoinHandle};

/// Relays of all projects.
#[derive(Default)]
pub(crate) struct Relay {
    following: Mutex<Vec<Running>>,
    projects: Mutex<HashMap<ProjectId, Running>>,
}

/// While this lives, its task runs.
struct Running(AbortHandle);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Relay {
    /// Follows the demand of `bus` from now on, and publishes what was noted.
    pub(crate) fn start(self: &Arc<Self>, engine: Arc<dyn Engine>, bus: Arc<dyn EventBus>) {
        let changes = tokio::spawn(self.clone().run(engine.clone(), bus.clone()));
        let noted = tokio::spawn(outbox::run(engine, Arc::new(events::Events(bus))));
        self.keep([changes, noted]);
    }

    /// Enqueues in `queue` what was noted for it.
    pub(crate) fn start_jobs(&self, engine: Arc<dyn Engine>, queue: Arc<dyn JobQueue>) {
        self.keep([tokio::spawn(outbox::run(engine, Arc::new(jobs::Jobs(queue))))]);
    }

    fn keep(&self, tasks: impl IntoIterator<Item = JoinHandle<()>>) {
        let running = tasks.into_iter().map(|task| Running(task.abort_handle()));
        self.following.lock().unwrap_or_else(PoisonError::into_inner).extend(running);
    }

    /// Runs until the bus is gone. Topics that are waited for from the beginning are
    /// those that keep a log: they go on where they were.
    async fn run(self: Arc<Self>, engine: Arc<dyn Engine>, bus: Arc<dyn EventBus>) {
        let mut demand = bus.demand();
        let mut begin = Begin::Stored;
        loop {
            let wanted = projects_in(&demand.borrow_and_update());
            self.follow(wanted, |project| ProjectRelay::new(engine.clone(), bus.clone(), project), begin);
            begin = Begin::Now;
            if demand.changed().await.is_err() {
                return;
            }
        }
    }

    fn follow(
        &self,
        wanted: HashSet<ProjectId>,
        relay: impl Fn(ProjectId) -> Option<ProjectRelay>,
        begin: Begin,
    ) {
        let mut projects = self.lock();
        projects.retain(|project, running| wanted.contains(project) && !running.0.is_finished());
        for project in wanted {
            if projects.contains_key(&project) {
                continue;
            }
            let Some(relay) = relay(project.clone()) else { continue };
            let task = tokio::spawn(relay.run(begin));
            projects.insert(project, Running(task.abort_handle()));
        }
    }

    /// Relays a project no more; a write of how far it was is before everything that comes after this.
    pub(crate) fn stop(&self, project: &ProjectId) {
        self.lock().remove(project);
    }

    /// Relays nothing more.
    pub(crate) fn end(&self) {
        self.following.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ProjectId, Running>> {
        self.projects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn projects_in(demand: &Demand) -> HashSet<ProjectId> {
    let of_project = |(realm, patterns): (&Realm, &[Pattern])| match realm {
        Realm::Project(project) if patterns.iter().any(may_name_documents) => Some(project.clone()),
        Realm::Project(_) | Realm::System => None,
    };
    demand.realms().filter_map(of_project).collect()
}

fn may_name_documents(pattern: &Pattern) -> bool {
    matches!(pattern.as_str().split('.').next(), Some("db" | "*" | ">"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_patterns_that_may_name_documents_begin_a_relay() {
        let project = ProjectId::generate();
        for (pattern, wanted) in [("db.users", true), ("db.>", true), (">", true), ("*.users", true)] {
            assert_eq!(may_name_documents(&Pattern::parse(pattern).unwrap()), wanted, "{pattern}");
        }
        let demand = |realm: &Realm, pattern: &str| -> Demand {
            [(realm.clone(), Arc::from([Pattern::parse(pattern).unwrap()]))].into_iter().collect()
        };
        let realm = Realm::Project(project.clone());
        assert_eq!(projects_in(&demand(&realm, "db.users")), HashSet::from([project]));
        assert_eq!(projects_in(&demand(&realm, "chat.db")), HashSet::new());
        assert_eq!(projects_in(&demand(&Realm::System, ">")), HashSet::new());
    }
}
