//! What starts functions other than requests: cron, events, changes of documents and queues, over the crate
//! `jobs`. What live versions declare is followed; each run is a job, and each attempt of a job a call through
//! the one executor.
//!
//! What must hold: what was acknowledged (an enqueue, an event of a durable topic, a planned time) is run at
//! least once, across crashes; a run that ended is not run again; an attempt that could not begin does not count.

mod answer;
mod events;
pub(crate) mod filter;
mod http;
mod names;
mod plan;
mod queue;
mod request;
mod run;
mod schedules;

pub(crate) use http::{DeadJobView, JobView, QueueView, ScheduleView, declare};

use crate::error::StartError;
use crate::front::Executor;
use crate::service::FunctionsService;
use crate::store;
use crate::store::functions::FunctionRow;
use events::{Begun, Reach, Subscriptions};
use jobs::{JobFilter, Jobs, JobsError, PAGE_MAX, Selector, WorkOptions};
use names::Source;
use plan::{Plan, Plans};
use ports::events::EventBus;
use ports::jobs::JobQueue;
use ports::project_api::ProjectApi;
use queue::Queues;
use run::Runner;
use service_kit::ids::ProjectId;
use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// Jobs that run at once, of all projects; the workers have limits of their own.
const CONCURRENCY: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");
/// Of one project.
const CONCURRENCY_PER_PROJECT: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");
/// How long a deployment waits for its subscriptions; they go on without it.
const READY: Duration = Duration::from_secs(2);
/// How long what could not be saved waits until it is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// What triggers need from outside.
pub struct TriggersDeps {
    /// Keeps jobs, schedules and cursors. Nobody else uses it.
    pub jobs: Arc<Jobs>,
    /// Brings events.
    pub events: Arc<dyn EventBus>,
    /// `jobs.payload_bytes_max`.
    pub payload_bytes_max: usize,
}

/// The triggers of all functions.
pub(crate) struct Triggers {
    pub(crate) jobs: Arc<Jobs>,
    pub(crate) queues: Arc<dyn JobQueue>,
    bus: Arc<dyn EventBus>,
    payload_bytes_max: usize,
    plans: Arc<Plans>,
    executor: Arc<Executor>,
    subscriptions: Subscriptions,
    /// There from the start on: until then what is declared is noted and not followed.
    reach: OnceLock<Reach>,
    /// Projects for which reconciling is tried again.
    behind: Mutex<HashSet<ProjectId>>,
    /// One change of what is stored at a time.
    turn: tokio::sync::Mutex<()>,
}

impl FunctionsService {
    /// Opens the triggers: jobs can be enqueued from now on, and nothing runs before `start_triggers`. A second
    /// call changes nothing.
    ///
    /// # Errors
    /// The functions cannot be read.
    pub async fn open_triggers(&self, deps: TriggersDeps) -> Result<Arc<dyn JobQueue>, StartError> {
        let plans = Arc::new(Plans::default());
        for row in store::functions::all(&self.database).await.map_err(sql::SqlError::from)? {
            if let Some(plan) = Plan::of(&row) {
                plans.put(&row.project, plan);
            }
        }
        let queues = Arc::new(Queues { jobs: deps.jobs.clone(), plans: plans.clone() });
        let triggers = self.triggers.get_or_init(|| {
            Arc::new(Triggers {
                jobs: deps.jobs,
                queues,
                bus: deps.events,
                payload_bytes_max: deps.payload_bytes_max,
                plans,
                executor: self.executor.clone(),
                subscriptions: Subscriptions::default(),
                reach: OnceLock::new(),
                behind: Mutex::default(),
                turn: tokio::sync::Mutex::default(),
            })
        });
        Ok(triggers.queues.clone())
    }

    /// Runs jobs and follows what the live versions declare, from now on. `api` is the surface of the projects:
    /// functions have theirs by now, and topics are declared through it.
    ///
    /// # Errors
    /// The queue is closed.
    pub async fn start_triggers(&self, api: Arc<dyn ProjectApi>) -> Result<(), JobsError> {
        let Some(triggers) = self.triggers.get() else { return Ok(()) };
        triggers.start(api).await?;
        let triggers = triggers.clone();
        self.background.spawn(async move {
            for project in triggers.plans.projects() {
                triggers.reconcile_or_later(project).await;
            }
        });
        Ok(())
    }

    /// Follows what the live version of a function declares. Needs the project's turn.
    pub(crate) async fn follow_triggers(&self, row: &FunctionRow) {
        let Some(triggers) = self.triggers.get() else { return };
        if let Some(plan) = Plan::of(row) {
            triggers.plans.put(&row.project, plan);
        }
        let begun = triggers.reconcile_or_later(row.project.clone()).await;
        if tokio::time::timeout(READY, begun.followed()).await.is_err() {
            tracing::warn!(project = %row.project, "a trigger of events is not followed yet: it begins when the bus answers");
        }
    }

    /// Follows nothing of a function any more, and removes what waits for it.
    pub(crate) async fn forget_triggers(&self, project: &ProjectId, function: &str) {
        let Some(triggers) = self.triggers.get() else { return };
        triggers.plans.remove(project, function);
        triggers.reconcile_or_later(project.clone()).await;
        for source in [Source::Cron, Source::Event, Source::Document] {
            if let Err(error) = triggers.cancel_all(project, source, function).await {
                tracing::warn!(%error, function, "jobs of a removed function wait on");
            }
        }
    }

    /// Removes what a project has of jobs.
    pub(crate) async fn purge_triggers(&self, project: &ProjectId) -> Result<(), JobsError> {
        let Some(triggers) = self.triggers.get() else { return Ok(()) };
        triggers.plans.remove_project(project);
        triggers.subscriptions.remove_project(project);
        triggers.jobs.purge(project).await
    }

    /// Begins no more jobs, and waits for those that run.
    pub(crate) async fn end_triggers(&self) {
        let Some(triggers) = self.triggers.get() else { return };
        triggers.subscriptions.end();
        triggers.jobs.shutdown().await;
    }
}

impl Triggers {
    async fn start(&self, api: Arc<dyn ProjectApi>) -> Result<(), JobsError> {
        let made = || Reach::new(self.jobs.clone(), self.bus.clone(), (api, self.payload_bytes_max));
        self.reach.get_or_init(made);
        let plans = self.plans.clone();
        let selector = Selector::matching(move |project, queue| plans.takes(project, queue));
        let runner = Runner { executor: self.executor.clone(), plans: self.plans.clone() };
        let options =
            WorkOptions { concurrency: CONCURRENCY, concurrency_per_project_max: CONCURRENCY_PER_PROJECT };
        self.jobs.work(selector, Arc::new(runner), options).await
    }

    /// Makes what is stored and followed of a project what its live versions declare; where that fails, again
    /// and again in the background. What begins to be followed is not waited for.
    async fn reconcile_or_later(self: &Arc<Self>, project: ProjectId) -> Begun {
        match self.reconcile(&project).await {
            Ok(begun) => begun,
            Err(error) => {
                tracing::warn!(%error, %project, "what functions declare could not be saved, trying again");
                if self.behind().insert(project.clone()) {
                    tokio::spawn(self.clone().catch_up(project));
                }
                Begun::default()
            }
        }
    }

    async fn catch_up(self: Arc<Self>, project: ProjectId) {
        loop {
            tokio::time::sleep(AGAIN).await;
            // Before the attempt: a change that fails during it begins a task of its own.
            self.behind().remove(&project);
            match self.reconcile(&project).await {
                Ok(_) | Err(JobsError::Stopped | JobsError::ProjectRemoved) => return,
                Err(error) => tracing::debug!(%error, %project, "what functions declare waits"),
            }
            if !self.behind().insert(project.clone()) {
                return;
            }
        }
    }

    fn behind(&self) -> MutexGuard<'_, HashSet<ProjectId>> {
        self.behind.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn reconcile(&self, project: &ProjectId) -> Result<Begun, JobsError> {
        let Some(reach) = self.reach.get() else { return Ok(Begun::default()) };
        let _turn = self.turn.lock().await;
        let plans = self.plans.of_project(project);
        let schedules = schedules::reconcile(&self.jobs, project, &plans).await;
        let limits = schedules::limit_queues(&self.jobs, project, &plans).await;
        let begun = self.subscriptions.reconcile(reach, project, &plans).await;
        // Whether a queue has a consumer may have changed.
        self.jobs.tick().await?;
        schedules.and(limits).map(|()| begun)
    }

    /// The function that runs the jobs of a queue.
    pub(crate) fn consumer(&self, project: &ProjectId, queue: &str) -> Option<String> {
        match names::source_of(queue) {
            Some((_, function)) => self.plans.plan(project, function).map(|plan| plan.function.to_string()),
            None => self.plans.consumer(project, queue).map(|consumer| consumer.function.to_string()),
        }
    }

    async fn cancel_all(&self, project: &ProjectId, source: Source, function: &str) -> Result<(), JobsError> {
        let queue = names::queue_of(source, function)?;
        loop {
            let filter = JobFilter { queue: Some(queue.clone()), limit: PAGE_MAX, ..JobFilter::default() };
            let waiting = self.jobs.jobs(project, filter).await?;
            if waiting.is_empty() {
                self.jobs.discard_all(project, &queue).await?;
                return Ok(());
            }
            for job in waiting {
                match self.jobs.cancel(project, &job.id).await {
                    Ok(()) | Err(JobsError::JobNotFound) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
}
