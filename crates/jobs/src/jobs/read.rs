//! Looking at jobs, dead letters and queues; readers never wait for the writer.

use super::Jobs;
use crate::error::JobsError;
use crate::inspect::{DeadFilter, DeadJob, JobFilter, JobView, PAGE_MAX, QueueStats};
use crate::names::QueueName;
use service_kit::ids::{JobId, ProjectId};
use std::collections::BTreeMap;

impl Jobs {
    /// A job that has not ended, with its payload.
    ///
    /// # Errors
    /// `JobNotFound`: also where it is done or a dead letter.
    pub async fn job(&self, project: &ProjectId, id: &JobId) -> Result<JobView, JobsError> {
        self.store.job(project, id).await?.ok_or(JobsError::JobNotFound)
    }

    /// Jobs of a project, the newest first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn jobs(&self, project: &ProjectId, mut filter: JobFilter) -> Result<Vec<JobView>, JobsError> {
        filter.limit = filter.limit.min(PAGE_MAX);
        Ok(self.store.jobs(project, &filter).await?)
    }

    /// A dead letter, with its payload.
    ///
    /// # Errors
    /// `JobNotFound`.
    pub async fn dead_job(&self, project: &ProjectId, id: &JobId) -> Result<DeadJob, JobsError> {
        self.store.failure(project, id).await?.ok_or(JobsError::JobNotFound)
    }

    /// Dead letters of a project, those that were enqueued last first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn dead_jobs(
        &self,
        project: &ProjectId,
        mut filter: DeadFilter,
    ) -> Result<Vec<DeadJob>, JobsError> {
        filter.limit = filter.limit.min(PAGE_MAX);
        Ok(self.store.failures(project, &filter).await?)
    }

    /// What stands in each queue of a project that has anything.
    ///
    /// # Errors
    /// The store failed.
    pub async fn stats(&self, project: &ProjectId) -> Result<BTreeMap<QueueName, QueueStats>, JobsError> {
        Ok(self.store.stats(project).await?)
    }
}
