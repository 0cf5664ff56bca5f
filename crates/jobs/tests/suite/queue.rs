//! Jobs come in, run in order, and end.

use crate::support::{World, job, queue, soon};
use jobs::{JobChange, JobState, JobsConfig, JobsError, NewJob, QueueName, Recorded, Selector, Start};
use service_kit::error::{Classify as _, ErrorCode};
use service_kit::ids::ProjectId;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[tokio::test]
async fn a_job_runs_once_and_is_removed() {
    let mut world = World::new().await;
    world.work(4).await;
    let id = world.enqueue(job("hello")).await;
    let started = world.next().await;
    assert_eq!(started.job.spec.payload, "hello");
    assert_eq!((started.job.attempt, started.job.idempotency_key()), (1, id.as_str()));
    assert_eq!(world.jobs.job(&world.project, &id).await.unwrap().state, JobState::Running);
    started.done();
    assert_eq!(world.recorded().await, (id.clone(), Recorded::Done));
    let gone = world.jobs.job(&world.project, &id).await.unwrap_err();
    assert_eq!(gone.code(), ErrorCode::JobNotFound);
    world.assert_idle().await;
}

#[tokio::test]
async fn a_job_that_waits_is_changed_and_others_are_not() {
    let mut world = World::new().await;
    let (first, second) = (world.enqueue(job("first")).await, world.enqueue(job("second")).await);
    let change = JobChange { priority: Some(3), payload: Some("changed".into()) };
    world.jobs.update(&world.project, &second, change.clone()).await.unwrap();
    world
        .jobs
        .update(&world.project, &second, JobChange { priority: Some(4), ..JobChange::default() })
        .await
        .unwrap();
    let too_large = JobChange { payload: Some(vec![0; (1 << 20) + 1].into()), ..JobChange::default() };
    let refused = world.jobs.update(&world.project, &first, too_large).await.unwrap_err();
    assert!(matches!(refused, JobsError::PayloadTooLarge { .. }));
    world.work(1).await;
    let started = world.next().await;
    assert_eq!((&started.job.id, &*started.job.spec.payload), (&second, &b"changed"[..]));
    assert_eq!(started.job.spec.options.priority, 4);
    for (project, id) in [(world.project.clone(), &second), (ProjectId::generate(), &first)] {
        let missing = world.jobs.update(&project, id, change.clone()).await.unwrap_err();
        assert!(matches!(missing, JobsError::JobNotFound));
    }
    started.done();
    assert_eq!(world.next().await.job.spec.payload, "first");
}

#[tokio::test]
async fn higher_priority_runs_first_and_equal_ones_in_order() {
    let mut world = World::new().await;
    let prioritised = [("a", 0), ("b", 5), ("c", 0), ("d", -3), ("e", 5)].map(|(payload, priority)| {
        let mut job = job(payload);
        job.spec.options.priority = priority;
        job
    });
    world.enqueue_all(prioritised.into()).await.unwrap();
    world.work(1).await;
    let mut order = String::new();
    for _ in 0..5 {
        let started = world.next().await;
        order.push_str(std::str::from_utf8(&started.job.spec.payload).unwrap());
        started.done();
    }
    assert_eq!(order, "beacd");
}

#[tokio::test]
async fn a_delayed_job_waits_for_its_time() {
    let mut world = World::new().await;
    world.work(4).await;
    let later = NewJob { start: Start::After(Duration::from_secs(60)), ..job("after") };
    let at = NewJob { start: Start::At(world.now() + 90_000), ..job("at") };
    let id = world.enqueue(later).await;
    world.enqueue(at).await;
    world.assert_idle().await;
    assert_eq!(world.jobs.job(&world.project, &id).await.unwrap().state, JobState::Delayed);
    world.advance(Duration::from_millis(59_999)).await;
    world.assert_idle().await;
    world.advance(Duration::from_millis(1)).await;
    assert_eq!(world.next().await.job.spec.payload, "after");
    world.advance(Duration::from_secs(30)).await;
    assert_eq!(world.next().await.job.spec.payload, "at");
}

#[tokio::test]
async fn a_batch_over_the_limit_leaves_nothing_behind() {
    let world = World::with(JobsConfig { jobs_per_project_max: 3, ..JobsConfig::default() }).await;
    world.enqueue_all(vec![job("1"), job("2")]).await.unwrap();
    let refused = world.enqueue_all(vec![job("3"), job("4")]).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::LimitExceeded);
    assert_eq!(world.jobs.jobs(&world.project, Default::default()).await.unwrap().len(), 2);
    let other = ProjectId::generate();
    world.jobs.enqueue(&other, vec![job("1"), job("2"), job("3")]).await.unwrap();
    world.enqueue(job("3")).await;
}

#[tokio::test]
async fn what_is_too_large_or_malformed_is_refused() {
    let world = World::with(JobsConfig { payload_bytes_max: 10, ..JobsConfig::default() }).await;
    let large = world.enqueue_all(vec![job("12345678901")]).await.unwrap_err();
    assert_eq!(large.code(), ErrorCode::BodyTooLarge);
    let mut changed = vec![job("attempts"), job("timeout"), job("late"), job("wide")];
    changed[0].spec.options.retry.attempts_max = 0;
    changed[1].spec.options.timeout_ms = 0;
    changed[2].start = Start::After(Duration::from_secs(400 * 24 * 3600));
    changed[3].spec.options.attributes.insert("a".to_owned(), "x".repeat(5_000));
    for job in changed {
        let refused = world.enqueue_all(vec![job.clone()]).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::InvalidRequest, "{job:?}");
    }
    let many = world.enqueue_all((0..1_001).map(|_| job("")).collect()).await.unwrap_err();
    assert!(matches!(many, JobsError::Invalid(_)));
    assert!(QueueName::parse("").is_err());
}

#[tokio::test]
async fn a_cancelled_job_does_not_run_and_a_running_one_is_stopped() {
    let mut world = World::new().await;
    let waiting = world.enqueue(job("waiting")).await;
    world.jobs.cancel(&world.project, &waiting).await.unwrap();
    world.work(1).await;
    world.assert_idle().await;
    let running = world.enqueue(job("running")).await;
    let mut started = world.next().await;
    let foreign = world.jobs.cancel(&ProjectId::generate(), &running).await.unwrap_err();
    assert!(matches!(foreign, JobsError::JobNotFound));
    world.jobs.cancel(&world.project, &running).await.unwrap();
    soon(started.answer.closed()).await;
    assert_eq!(world.recorded().await, (running.clone(), Recorded::Removed));
    assert!(world.jobs.cancel(&world.project, &running).await.is_err());
    // Its slot is free again.
    world.enqueue(job("next")).await;
    assert_eq!(world.next().await.job.spec.payload, "next");
}

#[tokio::test]
async fn a_paused_queue_begins_nothing_and_goes_on() {
    let mut world = World::new().await;
    world.work(4).await;
    world.jobs.pause(&world.project, &queue("q")).await.unwrap();
    world.enqueue(job("held back")).await;
    world.assert_idle().await;
    world.jobs.enqueue(&world.project, vec![NewJob::new(queue("other"), "runs")]).await.unwrap();
    assert_eq!(world.next().await.job.spec.payload, "runs");
    world.jobs.resume(&world.project, &queue("q")).await.unwrap();
    assert_eq!(world.next().await.job.spec.payload, "held back");
}

#[tokio::test]
async fn a_handler_gets_the_queues_it_asked_for_and_those_it_wants_later() {
    let mut world = World::new().await;
    let open = Arc::new(AtomicBool::new(false));
    let asked = open.clone();
    let later = Selector::matching(move |_, name| name.as_str() == "later" && asked.load(Ordering::Relaxed));
    world.work_on(Selector::queues([queue("a")]), 4).await;
    world.work_on(later, 4).await;
    for name in ["a", "b", "later"] {
        world.jobs.enqueue(&world.project, vec![NewJob::new(queue(name), name)]).await.unwrap();
    }
    assert_eq!(world.next().await.job.spec.payload, "a");
    world.assert_idle().await;
    open.store(true, Ordering::Relaxed);
    world.jobs.tick().await.unwrap();
    assert_eq!(world.next().await.job.spec.payload, "later");
    world.assert_idle().await;
}

#[tokio::test]
async fn shutting_down_waits_for_what_runs_and_begins_nothing() {
    let mut world = World::new().await;
    world.work(1).await;
    let first = world.enqueue(job("first")).await;
    let started = world.next().await;
    let second = world.enqueue(job("second")).await;
    let stopping = tokio::spawn({
        let jobs = world.jobs.clone();
        async move { jobs.shutdown().await }
    });
    tokio::task::yield_now().await;
    assert!(!stopping.is_finished());
    started.done();
    assert_eq!(world.recorded().await, (first, Recorded::Done));
    soon(stopping).await.unwrap();
    let refused = world.enqueue_all(vec![job("late")]).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::ShuttingDown);
    let mut world = world.crash().await;
    world.work(1).await;
    assert_eq!(world.next().await.job.id, second);
}

crate::support::on_postgres!(
    a_job_runs_once_and_is_removed,
    higher_priority_runs_first_and_equal_ones_in_order,
    a_delayed_job_waits_for_its_time,
    a_batch_over_the_limit_leaves_nothing_behind,
    what_is_too_large_or_malformed_is_refused,
    a_job_that_waits_is_changed_and_others_are_not,
    a_cancelled_job_does_not_run_and_a_running_one_is_stopped,
    a_paused_queue_begins_nothing_and_goes_on,
    a_handler_gets_the_queues_it_asked_for_and_those_it_wants_later,
    shutting_down_waits_for_what_runs_and_begins_nothing
);
