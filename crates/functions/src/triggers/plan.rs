//! What the live versions of functions declare: the triggers that are followed, and who consumes a queue. In
//! memory; the store of versions is where it comes from.

use super::names;
use crate::manifest::{CronTrigger, DocumentTrigger, EventTrigger, Handler, QueueTrigger, Trigger};
use crate::store::functions::FunctionRow;
use jobs::QueueName;
use service_kit::ids::ProjectId;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

/// The handlers of one function's live version.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(super) function: Box<str>,
    handlers: Vec<Handler>,
}

/// A handler that consumes a queue.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Consumer {
    pub(super) function: Box<str>,
    pub(super) handler: String,
    pub(super) trigger: QueueTrigger,
}

impl Plan {
    /// The plan of a function, if a version of it is live.
    pub(super) fn of(row: &FunctionRow) -> Option<Self> {
        let version = row.version.as_ref()?;
        Some(Self { function: row.name.as_str().into(), handlers: version.manifest.handlers.clone() })
    }

    fn triggers(&self) -> impl Iterator<Item = (&Handler, &Trigger)> {
        self.handlers
            .iter()
            .flat_map(|handler| handler.triggers.iter().map(move |trigger| (handler, trigger)))
    }

    /// Whether the handler is there.
    pub(super) fn has(&self, handler: &str) -> bool {
        self.handlers.iter().any(|known| known.name == handler)
    }

    pub(super) fn crons(&self) -> impl Iterator<Item = (&Handler, &CronTrigger)> {
        self.triggers().filter_map(|(handler, trigger)| match trigger {
            Trigger::Cron(cron) => Some((handler, cron)),
            _ => None,
        })
    }

    pub(super) fn queues(&self) -> impl Iterator<Item = (&Handler, &QueueTrigger)> {
        self.triggers().filter_map(|(handler, trigger)| match trigger {
            Trigger::Queue(queue) => Some((handler, queue)),
            _ => None,
        })
    }

    pub(super) fn events(&self) -> impl Iterator<Item = (&Handler, &EventTrigger)> {
        self.triggers().filter_map(|(handler, trigger)| match trigger {
            Trigger::Event(event) => Some((handler, event)),
            _ => None,
        })
    }

    pub(super) fn documents(&self) -> impl Iterator<Item = (&Handler, &DocumentTrigger)> {
        self.triggers().filter_map(|(handler, trigger)| match trigger {
            Trigger::Document(document) => Some((handler, document)),
            _ => None,
        })
    }
}

/// The functions of one project that have a live version, by name.
type Functions = BTreeMap<Box<str>, Arc<Plan>>;

/// The plans of every project.
#[derive(Debug, Default)]
pub(crate) struct Plans(RwLock<HashMap<ProjectId, Functions>>);

impl Plans {
    pub(super) fn put(&self, project: &ProjectId, plan: Plan) {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        table.entry(project.clone()).or_default().insert(plan.function.clone(), Arc::new(plan));
    }

    pub(super) fn remove(&self, project: &ProjectId, function: &str) {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(functions) = table.get_mut(project) {
            functions.remove(function);
        }
    }

    pub(super) fn remove_project(&self, project: &ProjectId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(project);
    }

    pub(super) fn projects(&self) -> Vec<ProjectId> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// The plans of a project, by the names of the functions.
    pub(super) fn of_project(&self, project: &ProjectId) -> Vec<Arc<Plan>> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        table.get(project).map(|functions| functions.values().cloned().collect()).unwrap_or_default()
    }

    pub(super) fn plan(&self, project: &ProjectId, function: &str) -> Option<Arc<Plan>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(project)?.get(function).cloned()
    }

    /// Who consumes a queue; of several functions the first by name.
    pub(super) fn consumer(&self, project: &ProjectId, queue: &str) -> Option<Consumer> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut consumers = table.get(project)?.values().flat_map(|plan| {
            plan.queues().map(move |(handler, trigger)| (&plan.function, &handler.name, trigger))
        });
        let (function, handler, trigger) = consumers.find(|(_, _, trigger)| trigger.queue == queue)?;
        Some(Consumer { function: function.clone(), handler: handler.clone(), trigger: trigger.clone() })
    }

    fn consumes(&self, project: &ProjectId, queue: &str) -> bool {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut plans = table.get(project).into_iter().flat_map(BTreeMap::values);
        plans.any(|plan| plan.queues().any(|(_, trigger)| trigger.queue == queue))
    }

    /// Whether somebody runs the jobs of a queue.
    pub(super) fn takes(&self, project: &ProjectId, queue: &QueueName) -> bool {
        match names::source_of(queue.as_str()) {
            Some((_, function)) => self.plan(project, function).is_some(),
            None => self.consumes(project, queue.as_str()),
        }
    }
}
