//! `JobQueue`.

use crate::process::Process;
use async_trait::async_trait;
use bytes::Bytes;
use ports::jobs::{EnqueueOptions, JobQueue, NewJob, QueueError, Queued};
use rpc::Service;
use service_kit::ids::{JobId, ProjectId};
use std::sync::{Arc, Mutex};

/// Knows the origins that it has seen, of every project.
#[derive(Default)]
pub(crate) struct FakeQueue(Mutex<Vec<(ProjectId, NewJob, JobId)>>);

#[async_trait]
impl JobQueue for FakeQueue {
    async fn enqueue(&self, project: &ProjectId, jobs: Vec<NewJob>) -> Result<Vec<Queued>, QueueError> {
        let mut kept = self.0.lock().unwrap();
        let refused = jobs.iter().find_map(|job| match &*job.queue {
            "" => Some(QueueError::Invalid("a queue needs a name".into())),
            "full" => Some(QueueError::LimitExceeded("too many jobs wait".into())),
            "no space" => Some(QueueError::DiskFull),
            "broken" => Some(QueueError::Unavailable("the file is gone".into())),
            _ => None,
        });
        if let Some(refused) = refused {
            return Err(refused);
        }
        let enqueue = |job: NewJob| {
            let same = |(owner, known, _): &&(ProjectId, NewJob, JobId)| {
                owner == project && job.origin.is_some() && known.origin == job.origin
            };
            if let Some((_, known, id)) = kept.iter().find(same) {
                assert_eq!(*known, job, "it came as it was sent");
                return Queued { id: id.clone(), existed: true };
            }
            let id = JobId::generate();
            kept.push((project.clone(), job, id.clone()));
            Queued { id, existed: false }
        };
        Ok(jobs.into_iter().map(enqueue).collect())
    }
}

fn job(queue: &str, origin: Option<&str>) -> NewJob {
    let options = EnqueueOptions {
        delay_ms: Some(5),
        priority: Some(-1),
        unique_key: Some("ä".into()),
        ..EnqueueOptions::default()
    };
    let payload = Bytes::from_static(br#"{"a":1}"#);
    NewJob { queue: queue.into(), payload, options, origin: origin.map(Into::into) }
}

async fn enqueues(queue: &dyn JobQueue) {
    let project = ProjectId::generate();
    let first = queue.enqueue(&project, vec![job("mail", Some("e-1-0")), job("mail", None)]).await.unwrap();
    assert_eq!(first.iter().map(|job| job.existed).collect::<Vec<_>>(), [false, false]);
    let again = queue.enqueue(&project, vec![job("mail", Some("e-1-0"))]).await.unwrap();
    assert_eq!(again, [Queued { id: first[0].id.clone(), existed: true }]);
    let refused = |name: &'static str| queue.enqueue(&project, vec![job(name, None)]);
    assert!(matches!(refused("").await, Err(QueueError::Invalid(text)) if text == "a queue needs a name"));
    assert!(
        matches!(refused("full").await, Err(QueueError::LimitExceeded(text)) if text == "too many jobs wait")
    );
    assert!(matches!(refused("no space").await, Err(QueueError::DiskFull)));
    assert!(matches!(refused("broken").await, Err(QueueError::Unavailable(_))));
}

#[tokio::test]
async fn jobs_are_enqueued_the_same_on_both_sides() {
    let process = Process::start(|server| server.jobs(Arc::new(FakeQueue::default()))).await;
    let client = process.clients(Service::BundocServer).jobs().unwrap();
    for queue in [&FakeQueue::default() as &dyn JobQueue, &client] {
        enqueues(queue).await;
    }
}
