//! `JobQueue` of another process.

use crate::MESSAGE_BYTES_MAX;
use crate::proto::job_queue_client::JobQueueClient as Wire;
use crate::proto::{EnqueueRequest, NewJob as WireJob, QueuedJob};
use crate::remote::{Remote, Signed};
use crate::status::from_status;
use async_trait::async_trait;
use ports::jobs::{JobQueue, NewJob, QueueError, Queued};
use service_kit::ids::{JobId, ProjectId};

/// Enqueues jobs in functions.
pub struct JobQueueClient {
    remote: Remote,
    wire: Wire<Signed>,
}

impl JobQueueClient {
    pub(crate) fn new(remote: Remote) -> Self {
        let wire = Wire::new(remote.channel()).max_encoding_message_size(MESSAGE_BYTES_MAX);
        Self { remote, wire }
    }
}

fn wire_job(job: NewJob) -> Result<WireJob, QueueError> {
    let options =
        serde_json::to_string(&job.options).map_err(|error| QueueError::Invalid(error.to_string()))?;
    Ok(WireJob { queue: job.queue, payload: job.payload, options, origin: job.origin })
}

fn queued(job: &QueuedJob) -> Result<Queued, QueueError> {
    let id = JobId::parse(&job.id).map_err(|error| QueueError::Unavailable(Box::new(error)))?;
    Ok(Queued { id, existed: job.existed })
}

#[async_trait]
impl JobQueue for JobQueueClient {
    async fn enqueue(&self, project: &ProjectId, jobs: Vec<NewJob>) -> Result<Vec<Queued>, QueueError> {
        let jobs = jobs.into_iter().map(wire_job).collect::<Result<_, _>>()?;
        let mut wire = self.wire.clone();
        let message = EnqueueRequest { project: project.to_string(), jobs };
        let reply = self.remote.call(wire.enqueue(message)).await.map_err(from_status)?;
        reply.jobs.iter().map(queued).collect()
    }
}
