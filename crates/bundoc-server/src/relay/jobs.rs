//! Jobs of batches and transactions, to the job queue. Each has its place in the store as its origin, so that
//! one that comes again after a crash is the same job.

use super::outbox::{NotTaken, Receiver};
use crate::live::event_id;
use async_trait::async_trait;
use bundoc::engine::{Outbox, OutboxEntry, Outgoing};
use ports::jobs::{JobQueue, NewJob, QueueError};
use service_kit::ids::ProjectId;
use std::sync::Arc;

/// Enqueues what batches ask for.
pub(super) struct Jobs(pub(super) Arc<dyn JobQueue>);

#[async_trait]
impl Receiver for Jobs {
    fn outbox(&self) -> Outbox {
        Outbox::Jobs
    }

    async fn take(&self, project: ProjectId, epoch: &str, entries: &[OutboxEntry]) -> Result<(), NotTaken> {
        let jobs: Vec<NewJob> = entries.iter().filter_map(|entry| job(epoch, entry)).collect();
        match self.0.enqueue(&project, jobs.clone()).await {
            Ok(_) => Ok(()),
            Err(QueueError::Invalid(_) | QueueError::TooLarge(_)) => {
                self.take_one_by_one(&project, jobs).await
            }
            Err(later) => Err(later.into()),
        }
    }
}

impl Jobs {
    /// One of them is refused for good. It was checked when it was noted, so this is left to a change of limits
    /// since: that one is said in the log, and the others are enqueued.
    async fn take_one_by_one(&self, project: &ProjectId, jobs: Vec<NewJob>) -> Result<(), NotTaken> {
        for job in jobs {
            let (queue, origin) = (job.queue.clone(), job.origin.clone());
            match self.0.enqueue(project, vec![job]).await {
                Ok(_) => {}
                Err(QueueError::Invalid(reason) | QueueError::TooLarge(reason)) => {
                    tracing::error!(%project, queue, origin, reason, "a job of a batch was refused by the queue");
                }
                Err(later) => return Err(later.into()),
            }
        }
        Ok(())
    }
}

fn job(epoch: &str, entry: &OutboxEntry) -> Option<NewJob> {
    let Outgoing::Job { queue, payload, options } = &entry.outgoing else { return None };
    Some(NewJob {
        queue: queue.clone(),
        payload: crate::json::write_value(payload).ok()?.into(),
        options: bson::deserialize_from_document(options.clone()).ok()?,
        origin: Some(event_id(epoch, entry.position)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{Bson, doc};
    use bundoc::engine::ChangePosition;
    use ports::jobs::Queued;
    use service_kit::ids::JobId;
    use std::sync::Mutex;

    /// Refuses the queue `bad`, and everything while it is `shut`.
    #[derive(Default)]
    struct Queue {
        kept: Mutex<Vec<NewJob>>,
        shut: bool,
    }

    #[async_trait]
    impl JobQueue for Queue {
        async fn enqueue(&self, _: &ProjectId, jobs: Vec<NewJob>) -> Result<Vec<Queued>, QueueError> {
            if self.shut {
                return Err(QueueError::LimitExceeded("too many jobs wait".into()));
            }
            if jobs.iter().any(|job| job.queue == "bad") {
                return Err(QueueError::Invalid("no such queue".into()));
            }
            let queued = jobs.iter().map(|_| Queued { id: JobId::generate(), existed: false }).collect();
            self.kept.lock().unwrap().extend(jobs);
            Ok(queued)
        }
    }

    fn entry(queue: &str, index: u32) -> OutboxEntry {
        let (payload, options) = (Bson::from(doc! { "n": 1 }), doc! { "delay_ms": 5 });
        OutboxEntry {
            position: ChangePosition { commit: 7, index },
            outgoing: Outgoing::Job { queue: queue.into(), payload, options },
        }
    }

    #[tokio::test]
    async fn one_that_is_refused_for_good_does_not_hold_up_the_others() {
        let queue = Arc::new(Queue::default());
        let entries = [entry("mail", 0), entry("bad", 1), entry("mail", 2)];
        Jobs(queue.clone()).take(ProjectId::generate(), "e", &entries).await.unwrap();
        let kept = queue.kept.lock().unwrap();
        let origins: Vec<_> = kept.iter().filter_map(|job| job.origin.as_deref()).collect();
        assert_eq!(origins, ["e-7-0", "e-7-2"]);
        assert_eq!((&kept[0].payload[..], kept[0].options.delay_ms), (&br#"{"n":1}"#[..], Some(5)));
    }

    #[tokio::test]
    async fn what_a_full_queue_does_not_take_comes_again() {
        let queue = Arc::new(Queue { shut: true, ..Queue::default() });
        let taken = Jobs(queue).take(ProjectId::generate(), "e", &[entry("mail", 0)]).await;
        assert!(taken.is_err());
    }
}
