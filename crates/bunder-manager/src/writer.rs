//! The one task that writes. Writes wait in a bounded queue; those that wait together share a transaction,
//! and so its fsync, in the order in which they came. Each is decided inside the transaction, on what the
//! ones before it left.

mod change;

pub(crate) use change::{Change, Done, Limits};

use crate::metrics::Metrics;
use crate::service::stored;
use crate::store::{Store, projects};
use change::{Failure, Group};
use ports::key_value::KvError;
use service_kit::admission::Admitted;
use service_kit::clock::Clock;
use service_kit::drain::Drain;
use service_kit::ids::ProjectId;
use sql::SqlError;
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// A write that waits.
pub(crate) struct Job {
    /// Whose; `None` for the sweep of expired keys of all.
    pub(crate) project: Option<ProjectId>,
    pub(crate) change: Change,
    pub(crate) reply: oneshot::Sender<Result<Done, KvError>>,
    /// The place in the queue, given back when the job is done.
    pub(crate) admitted: Option<Admitted>,
}

/// The task.
pub(crate) struct Writer {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) batch_max: usize,
    /// Projects that were removed: a write that was on the way does not bring them back.
    pub(crate) removed: HashSet<ProjectId>,
}

impl Writer {
    /// Works until the drain begins, then until the queue is empty.
    pub(crate) async fn run(mut self, mut queue: mpsc::Receiver<Job>, drain: Drain) {
        let mut group = Vec::with_capacity(self.batch_max);
        loop {
            tokio::select! {
                taken = queue.recv_many(&mut group, self.batch_max) => if taken == 0 { return },
                () = drain.started(), if !queue.is_closed() => queue.close(),
            }
            group.retain(|job| !job.reply.is_closed());
            if !group.is_empty() {
                self.commit(std::mem::take(&mut group)).await;
            }
        }
    }

    async fn commit(&mut self, jobs: Vec<Job>) {
        for job in &jobs {
            if let (Change::Purge, Some(project)) = (&job.change, &job.project) {
                self.removed.insert(project.clone());
            }
        }
        self.metrics.group.record(jobs.len() as f64);
        match self.attempt(&jobs).await {
            Ok(results) => self.answer(jobs, results),
            Err(Broken::Committing(error)) => self.fail_all(jobs, error),
            Err(Broken::Applying(error)) if jobs.len() == 1 => {
                self.answer(jobs, vec![Err(stored(error))]);
            }
            // One of them does not fit; the others may.
            Err(Broken::Applying(_)) => {
                for job in jobs {
                    let result = match self.attempt(std::slice::from_ref(&job)).await {
                        Ok(mut results) => results.pop().unwrap_or(Err(KvError::Stopped)),
                        Err(Broken::Applying(error) | Broken::Committing(error)) => Err(stored(error)),
                    };
                    self.answer(vec![job], vec![result]);
                }
            }
        }
    }

    async fn attempt(&self, jobs: &[Job]) -> Result<Vec<Result<Done, KvError>>, Broken> {
        let write = self.store.write().await.map_err(Broken::Applying)?;
        let mut group = Group::new(write, self.clock.now_ms(), self.limits);
        let mut results = Vec::with_capacity(jobs.len());
        for job in jobs {
            let result = match &job.project {
                Some(project) if self.removed.contains(project) && !matches!(job.change, Change::Purge) => {
                    Err(Failure::Refused(KvError::Stopped))
                }
                project => group.apply(project.as_ref(), &job.change).await,
            };
            results.push(match result {
                Ok(done) => Ok(done),
                Err(Failure::Refused(error)) => Err(error),
                Err(Failure::Store(error)) => return Err(Broken::Applying(error)),
            });
        }
        group.commit().await?;
        Ok(results)
    }

    fn answer(&self, jobs: Vec<Job>, results: Vec<Result<Done, KvError>>) {
        for (job, result) in jobs.into_iter().zip(results) {
            match &result {
                Ok(_) => self.metrics.applied.increment(1),
                Err(KvError::DiskFull | KvError::Failed(_)) => self.metrics.failed.increment(1),
                Err(_) => self.metrics.refused.increment(1),
            }
            drop(job.admitted);
            // The caller may have gone meanwhile.
            let _ = job.reply.send(result);
        }
    }

    /// Nothing is tried again: a commit that failed may be on disk all the same.
    fn fail_all(&self, jobs: Vec<Job>, error: SqlError) {
        let is_full = matches!(error, SqlError::DiskFull(_));
        let error = Arc::new(error);
        let results = jobs
            .iter()
            .map(|_| Err(if is_full { KvError::DiskFull } else { KvError::Failed(Box::new(error.clone())) }));
        let results = results.collect();
        self.answer(jobs, results);
    }
}

/// Where a transaction broke.
enum Broken {
    Applying(SqlError),
    Committing(SqlError),
}

impl Group {
    /// Writes what the projects use now, and commits.
    async fn commit(mut self) -> Result<(), Broken> {
        for (project, usage) in &self.usage {
            usage.save(&mut self.write, project).await.map_err(Broken::Applying)?;
        }
        for project in &self.purged {
            projects::delete(&mut self.write, project).await.map_err(Broken::Applying)?;
        }
        self.write.commit().await.map_err(|error| Broken::Committing(error.into()))
    }
}
