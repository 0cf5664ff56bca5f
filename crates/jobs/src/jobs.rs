//! The queue as the rest of the system sees it: what can be asked, checked before it waits to be written.

mod prepare;
mod read;
mod schedules;

use crate::config::JobsConfig;
use crate::delivery::{CursorKey, Delivery};
use crate::dispatcher::command::QueueChange;
use crate::dispatcher::{Command, Dispatcher, Done, Request, Worker};
use crate::error::JobsError;
use crate::job::{Enqueued, JobChange, NewJob};
use crate::metrics::Metrics;
use crate::names::QueueName;
use crate::store::Store;
use crate::store::failures::Which;
use crate::worker::{Handler, Selector, WorkOptions};
use bytes::Bytes;
use service_kit::admission::{Admission, AdmissionLimits, Admitted};
use service_kit::clock::Clock;
use service_kit::drain::Drain;
use service_kit::ids::{JobId, ProjectId};
use sql::shared::SharedDatabase;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

/// The queue, the schedules and the cursors of every project.
pub struct Jobs {
    config: JobsConfig,
    store: Store,
    clock: Clock,
    metrics: Arc<Metrics>,
    admission: Arc<Admission>,
    requests: mpsc::Sender<Request>,
    drain: Drain,
}

impl Jobs {
    /// Brings the tables up to date, frees the jobs that an earlier process had, and starts. A file should be one
    /// with `Durability::Full`, and nobody else's: its one writer is busy with this, and a second process that had it
    /// open would free and run what this one runs. A schema of PostgreSQL is for as many processes as there are.
    ///
    /// # Errors
    /// The database cannot be read, or is newer than this program.
    pub async fn open(
        config: JobsConfig,
        database: impl Into<SharedDatabase>,
        clock: Clock,
    ) -> Result<Arc<Self>, JobsError> {
        let store = Store::open(database.into()).await?;
        let metrics = Arc::new(Metrics::register());
        let drain = Drain::new();
        let (requests, queue) = mpsc::channel(config.queue_max.get());
        let dispatcher = Dispatcher::open(crate::dispatcher::DispatcherDeps {
            store: store.clone(),
            config: config.clone(),
            clock: clock.clone(),
            metrics: metrics.clone(),
            drain: drain.clone(),
            requests: requests.clone(),
        });
        tokio::spawn(dispatcher.await?.run(queue));
        let admission = Admission::new(AdmissionLimits {
            calls_max: config.queue_max.get(),
            bytes_max: config.queue_bytes_max,
        });
        Ok(Arc::new(Self { config, store, clock, metrics, admission, requests, drain }))
    }

    /// Enqueues jobs, all or none of them; they are on disk when this returns. For each: its id, and whether its
    /// unique key had a job before.
    ///
    /// # Errors
    /// A job is malformed or too large, the project has too many, or too much waits to be written.
    pub async fn enqueue(&self, project: &ProjectId, jobs: Vec<NewJob>) -> Result<Vec<Enqueued>, JobsError> {
        let (jobs, bytes) = self.prepare(jobs)?;
        let admitted = self.admit(project, bytes)?;
        let command = Command::Enqueue { project: project.clone(), jobs };
        self.enqueued(command, Some(admitted)).await
    }

    /// Enqueues the jobs for what a subscriber read, and moves its cursor, in one transaction.
    ///
    /// # Errors
    /// As `enqueue`; `CursorMoved` where the cursor is not where `expected` says.
    pub async fn deliver(&self, mut delivery: Delivery) -> Result<Vec<Enqueued>, JobsError> {
        delivery.check()?;
        delivery.cursor = self.own_cursor(&delivery.cursor);
        let (jobs, bytes) = self.prepare(std::mem::take(&mut delivery.jobs))?;
        let admitted = self.admit(&delivery.cursor.project, bytes)?;
        self.enqueued(Command::Deliver { delivery, jobs }, Some(admitted)).await
    }

    /// Where a subscriber's cursor stands.
    ///
    /// # Errors
    /// The store failed.
    pub async fn cursor(&self, key: &CursorKey) -> Result<Option<String>, JobsError> {
        Ok(self.store.cursor(&self.own_cursor(key)).await?)
    }

    /// Removes the cursor of a subscriber that is no more. Idempotent.
    ///
    /// # Errors
    /// The store failed.
    pub async fn forget_cursor(&self, key: &CursorKey) -> Result<(), JobsError> {
        self.ask(Command::ForgetCursor(self.own_cursor(key)), None).await.map(|_| ())
    }

    /// Runs jobs of the queues that `selector` says, from now on. A queue that several handlers want goes to the
    /// first of them that has a free slot.
    ///
    /// # Errors
    /// It is shutting down.
    pub async fn work(
        &self,
        selector: Selector,
        handler: Arc<dyn Handler>,
        options: WorkOptions,
    ) -> Result<(), JobsError> {
        let worker = Worker { handler, selector, options, running: 0, by_project: HashMap::new() };
        self.ask(Command::Work(worker), None).await.map(|_| ())
    }

    /// Changes a job that waits for an attempt.
    ///
    /// # Errors
    /// `JobNotFound` where there is none that waits; `PayloadTooLarge`; too much waits to be written.
    pub async fn update(&self, project: &ProjectId, id: &JobId, change: JobChange) -> Result<(), JobsError> {
        let (bytes, bytes_max) =
            (change.payload.as_ref().map_or(0, Bytes::len), self.config.payload_bytes_max);
        if bytes > bytes_max {
            return Err(JobsError::PayloadTooLarge { bytes_max });
        }
        let admitted = self.admit(project, bytes)?;
        let command = Command::Update { project: project.clone(), id: id.clone(), change };
        self.ask(command, Some(admitted)).await.map(|_| ())
    }

    /// Removes a job that has not ended. Where it runs its handler is dropped at its next `await`; what it did
    /// before stays done.
    ///
    /// # Errors
    /// `JobNotFound`.
    pub async fn cancel(&self, project: &ProjectId, id: &JobId) -> Result<(), JobsError> {
        self.ask(Command::Cancel { project: project.clone(), id: id.clone() }, None).await.map(|_| ())
    }

    /// Begins no more jobs of a queue; those that run end.
    ///
    /// # Errors
    /// The project has too many queues with settings.
    pub async fn pause(&self, project: &ProjectId, queue: &QueueName) -> Result<(), JobsError> {
        self.configure(project, queue, QueueChange::Pause(true)).await
    }

    /// Takes jobs of a queue again.
    ///
    /// # Errors
    /// The store failed.
    pub async fn resume(&self, project: &ProjectId, queue: &QueueName) -> Result<(), JobsError> {
        self.configure(project, queue, QueueChange::Pause(false)).await
    }

    /// Runs at most so many jobs of a queue at once; `None` for as many as there are slots.
    ///
    /// # Errors
    /// The limit is 0, or the project has too many queues with settings.
    pub async fn limit(
        &self,
        project: &ProjectId,
        queue: &QueueName,
        max: Option<u32>,
    ) -> Result<(), JobsError> {
        if max == Some(0) {
            return Err(JobsError::Invalid(
                "a queue runs at least one job at once: pause it instead".to_owned(),
            ));
        }
        self.configure(project, queue, QueueChange::Limit(max)).await
    }

    async fn configure(
        &self,
        project: &ProjectId,
        queue: &QueueName,
        change: QueueChange,
    ) -> Result<(), JobsError> {
        let command = Command::Configure { project: project.clone(), queue: queue.clone(), change };
        self.ask(command, None).await.map(|_| ())
    }

    /// Puts a dead letter back into its queue, with all its attempts before it.
    ///
    /// # Errors
    /// `JobNotFound`; `KeyTaken` where another job has its unique key; the project has too many jobs.
    pub async fn replay(&self, project: &ProjectId, id: &JobId) -> Result<(), JobsError> {
        let command = Command::Replay { project: project.clone(), which: Which::One(id.clone()) };
        self.ask(command, None).await.map(|_| ())
    }

    /// Puts all dead letters of a queue back, as far as the project may have more jobs; says how many. Those whose
    /// unique key another job has stay where they are.
    ///
    /// # Errors
    /// The project has too many jobs for any of them.
    pub async fn replay_all(&self, project: &ProjectId, queue: &QueueName) -> Result<usize, JobsError> {
        let (mut total, mut after) = (0, None);
        loop {
            let which = Which::Queue { queue: queue.clone(), after };
            match self.ask(Command::Replay { project: project.clone(), which }, None).await? {
                Done::Replayed(count, None) => return Ok(total + count),
                Done::Replayed(count, rest) => (total, after) = (total + count, rest),
                _ => return Err(JobsError::Stopped),
            }
        }
    }

    /// Removes a dead letter.
    ///
    /// # Errors
    /// `JobNotFound`.
    pub async fn discard(&self, project: &ProjectId, id: &JobId) -> Result<(), JobsError> {
        let command = Command::Discard { project: project.clone(), which: Which::One(id.clone()) };
        self.ask(command, None).await.map(|_| ())
    }

    /// Removes all dead letters of a queue; says how many.
    ///
    /// # Errors
    /// The store failed.
    pub async fn discard_all(&self, project: &ProjectId, queue: &QueueName) -> Result<u64, JobsError> {
        let mut total = 0;
        loop {
            let which = Which::Queue { queue: queue.clone(), after: None };
            match self.ask(Command::Discard { project: project.clone(), which }, None).await? {
                Done::Discarded(0) => return Ok(total),
                Done::Discarded(count) => total += count,
                _ => return Err(JobsError::Stopped),
            }
        }
    }

    /// Removes everything of a project and refuses what comes later for it. Idempotent.
    ///
    /// # Errors
    /// The store failed; ask again.
    pub async fn purge(&self, project: &ProjectId) -> Result<(), JobsError> {
        while let Done::Purged(true) = self.ask(Command::Purge(project.clone()), None).await? {}
        Ok(())
    }

    /// Does now what is due, as it happens in the background: after the clock or the answer of a selector changed.
    ///
    /// # Errors
    /// The store failed.
    pub async fn tick(&self) -> Result<(), JobsError> {
        self.ask(Command::Tick, None).await.map(|_| ())
    }

    /// Begins nothing new, waits up to 30 s for what runs, and stops. What has not ended by then runs again after
    /// the next start.
    pub async fn shutdown(&self) {
        self.drain.start();
        // Once this is answered no claim is on the way.
        let _ = self.tick().await;
        if !self.drain.finished().await {
            tracing::warn!(in_flight = self.drain.in_flight(), "jobs did not end in time");
        }
        let _ = self.ask(Command::Close, None).await;
    }

    /// The project under which the processes of one application use these tables, where they are shared: that of the
    /// first that asks. `None` where this process has them for itself.
    ///
    /// # Errors
    /// The store failed.
    pub async fn shared_project(
        &self,
        application: &str,
        own: &ProjectId,
    ) -> Result<Option<ProjectId>, JobsError> {
        if !self.store.is_shared() {
            return Ok(None);
        }
        Ok(Some(self.store.project_of(application, own).await?))
    }

    /// A cursor of this installation: another one has other events under the same names.
    fn own_cursor(&self, key: &CursorKey) -> CursorKey {
        if !self.store.is_shared() {
            return key.clone();
        }
        CursorKey { source: format!("{}/{}", self.config.installation, key.source), ..key.clone() }
    }

    fn admit(&self, project: &ProjectId, bytes: usize) -> Result<Admitted, JobsError> {
        let admitted = self.admission.enter(project, bytes);
        admitted.ok_or_else(|| {
            self.metrics.overloaded.increment(1);
            JobsError::Overloaded
        })
    }

    async fn enqueued(
        &self,
        command: Command,
        admitted: Option<Admitted>,
    ) -> Result<Vec<Enqueued>, JobsError> {
        match self.ask(command, admitted).await? {
            Done::Enqueued(enqueued) => Ok(enqueued),
            _ => Err(JobsError::Stopped),
        }
    }

    async fn ask(&self, command: Command, admitted: Option<Admitted>) -> Result<Done, JobsError> {
        let (reply, answer) = oneshot::channel();
        self.requests.try_send(Request { command, reply, admitted }).map_err(|error| match error {
            TrySendError::Full(_) => {
                self.metrics.overloaded.increment(1);
                JobsError::Overloaded
            }
            TrySendError::Closed(_) => JobsError::Stopped,
        })?;
        answer.await.unwrap_or(Err(JobsError::Stopped))
    }
}
