//! Limits of what runs at once.

use crate::support::{World, job, queue};
use jobs::{ConcurrencyKey, JobState, NewJob};

fn keyed(payload: &str, key: &str, limit: u32) -> NewJob {
    let mut job = job(payload);
    job.spec.options.concurrency = Some(ConcurrencyKey { key: key.to_owned(), limit });
    job
}

#[tokio::test]
async fn jobs_of_a_key_run_one_after_another_and_do_not_stop_others() {
    let mut world = World::new().await;
    let batch = ["a1", "a2", "a3"].map(|payload| keyed(payload, "a", 1));
    let mut ids = Vec::new();
    for job in batch {
        ids.push(world.enqueue(job).await);
    }
    world.enqueue(job("free")).await;
    world.work(3).await;
    let first = world.next().await;
    let free = world.next().await;
    let mut began = [&first, &free].map(|started| started.job.spec.payload.clone());
    began.sort();
    assert_eq!(began, ["a1", "free"]);
    world.assert_idle().await;
    assert_eq!(world.jobs.job(&world.project, &ids[1]).await.unwrap().state, JobState::Held);
    let (first, free) = if first.job.id == ids[0] { (first, free) } else { (free, first) };
    first.done();
    let second = world.next().await;
    assert_eq!(second.job.id, ids[1]);
    free.done();
    world.recorded().await;
    world.assert_idle().await;
    second.done();
    assert_eq!(world.next().await.job.id, ids[2]);
}

#[tokio::test]
async fn a_key_has_as_many_as_its_limit() {
    let mut world = World::new().await;
    for number in 0..5 {
        world.enqueue(keyed(&number.to_string(), "k", 2)).await;
    }
    world.work(10).await;
    let (first, _second) = (world.next().await, world.next().await);
    world.assert_idle().await;
    first.done();
    world.next().await;
    world.assert_idle().await;
}

#[tokio::test]
async fn a_job_that_was_let_go_and_is_cancelled_lets_the_next_one_go() {
    let mut world = World::new().await;
    let mut ids = Vec::new();
    for payload in ["1", "2", "3"] {
        ids.push(world.enqueue(keyed(payload, "k", 1)).await);
    }
    world.work(3).await;
    let first = world.next().await;
    world.assert_idle().await;
    // The second is let go on, and cannot begin.
    world.jobs.pause(&world.project, &queue("q")).await.unwrap();
    first.done();
    world.recorded().await;
    assert_eq!(world.jobs.job(&world.project, &ids[1]).await.unwrap().state, JobState::Ready);
    assert_eq!(world.jobs.job(&world.project, &ids[2]).await.unwrap().state, JobState::Held);
    world.jobs.cancel(&world.project, &ids[1]).await.unwrap();
    world.jobs.resume(&world.project, &queue("q")).await.unwrap();
    assert_eq!(world.next().await.job.id, ids[2]);
}

#[tokio::test]
async fn held_jobs_go_on_after_a_crash() {
    let mut world = World::new().await;
    let (first, second) = (world.enqueue(keyed("1", "k", 1)).await, world.enqueue(keyed("2", "k", 1)).await);
    world.work(2).await;
    world.next().await;
    world.assert_idle().await;
    let mut world = world.crash().await;
    world.work(2).await;
    let again = world.next().await;
    assert_eq!((&again.job.id, again.job.attempt), (&first, 2));
    world.assert_idle().await;
    again.done();
    assert_eq!(world.next().await.job.id, second);
}

#[tokio::test]
async fn a_queue_keeps_to_its_limit() {
    let mut world = World::new().await;
    let queue = queue("q");
    world.jobs.limit(&world.project, &queue, Some(2)).await.unwrap();
    for number in 0..4 {
        world.enqueue(job(&number.to_string())).await;
    }
    world.work(10).await;
    let (first, _second) = (world.next().await, world.next().await);
    world.assert_idle().await;
    first.done();
    let _third = world.next().await;
    world.assert_idle().await;
    world.jobs.limit(&world.project, &queue, None).await.unwrap();
    world.next().await;
    assert!(world.jobs.limit(&world.project, &queue, Some(0)).await.is_err());
}

crate::support::on_postgres!(
    jobs_of_a_key_run_one_after_another_and_do_not_stop_others,
    a_key_has_as_many_as_its_limit,
    a_job_that_was_let_go_and_is_cancelled_lets_the_next_one_go,
    held_jobs_go_on_after_a_crash,
    a_queue_keeps_to_its_limit
);
