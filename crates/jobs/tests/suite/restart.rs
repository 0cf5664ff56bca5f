//! What another process finds.

use crate::support::{World, job, queue, steady};
use jobs::{NewJob, Start};
use std::time::Duration;

#[tokio::test]
async fn a_job_whose_process_was_killed_runs_again_and_the_attempt_counts() {
    let mut world = World::new().await;
    world.work(1).await;
    let id = world.enqueue(steady("x", 2)).await;
    world.next().await;
    let mut world = world.crash().await;
    world.work(1).await;
    let again = world.next().await;
    assert_eq!((&again.job.id, again.job.attempt), (&id, 2));
    assert!(again.job.last_error.as_deref().unwrap().contains("process ended"));
    let world = world.crash().await;
    let dead = world.jobs.dead_job(&world.project, &id).await.unwrap();
    assert_eq!(dead.attempts, 2);
    assert!(world.jobs.job(&world.project, &id).await.is_err());
}

#[tokio::test]
async fn delays_and_pauses_and_order_are_kept() {
    let world = World::new().await;
    world.jobs.pause(&world.project, &queue("paused")).await.unwrap();
    world.jobs.enqueue(&world.project, vec![NewJob::new(queue("paused"), "paused")]).await.unwrap();
    world.enqueue(NewJob { start: Start::After(Duration::from_secs(60)), ..job("late") }).await;
    world.enqueue_all(vec![job("1"), job("2")]).await.unwrap();
    let mut world = world.crash().await;
    world.work(1).await;
    for payload in ["1", "2"] {
        let started = world.next().await;
        assert_eq!(started.job.spec.payload, payload);
        started.done();
        world.recorded().await;
    }
    world.assert_idle().await;
    world.advance(Duration::from_secs(60)).await;
    assert_eq!(world.next().await.job.spec.payload, "late");
}

#[tokio::test]
async fn what_was_recorded_as_done_does_not_run_again() {
    let mut world = World::new().await;
    world.work(1).await;
    for payload in ["1", "2", "3"] {
        world.enqueue(job(payload)).await;
        world.next().await.done();
        world.recorded().await;
    }
    let mut world = world.crash().await;
    world.work(1).await;
    world.assert_idle().await;
}

crate::support::on_postgres!(
    a_job_whose_process_was_killed_runs_again_and_the_attempt_counts,
    delays_and_pauses_and_order_are_kept,
    what_was_recorded_as_done_does_not_run_again
);
