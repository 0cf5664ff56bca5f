//! `JobQueue`, offered.

use crate::proto::job_queue_server::JobQueue as Wire;
use crate::proto::{EnqueueReply, EnqueueRequest, NewJob as WireJob, QueuedJob};
use crate::status::to_status;
use crate::wire::project;
use ports::jobs::{JobQueue, NewJob};
use std::sync::Arc;
use tonic::{Request, Response, Status, async_trait};

pub(crate) struct Served(pub(crate) Arc<dyn JobQueue>);

fn job(wire: WireJob) -> Result<NewJob, Status> {
    let options = serde_json::from_str(&wire.options)
        .map_err(|error| Status::invalid_argument(format!("options of a job: {error}")))?;
    Ok(NewJob { queue: wire.queue, payload: wire.payload, options, origin: wire.origin })
}

#[async_trait]
impl Wire for Served {
    async fn enqueue(&self, request: Request<EnqueueRequest>) -> Result<Response<EnqueueReply>, Status> {
        let message = request.into_inner();
        let jobs = message.jobs.into_iter().map(job).collect::<Result<_, _>>()?;
        let queued = self.0.enqueue(&project(&message.project)?, jobs).await;
        let jobs = queued.map_err(|error| to_status(&error))?.into_iter();
        let jobs = jobs.map(|job| QueuedJob { id: job.id.to_string(), existed: job.existed }).collect();
        Ok(Response::new(EnqueueReply { jobs }))
    }
}
