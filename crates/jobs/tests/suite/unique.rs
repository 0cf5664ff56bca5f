//! Unique keys.

use crate::support::{World, job, queue, retry, steady};
use jobs::{JobsConfig, NewJob, Recorded, UniqueKey};
use service_kit::ids::ProjectId;
use std::time::Duration;

fn keyed(payload: &str, key: &str, keep_s: u64) -> NewJob {
    let unique = Some(UniqueKey { key: key.to_owned(), keep: Duration::from_secs(keep_s) });
    NewJob { unique, ..job(payload) }
}

#[tokio::test]
async fn a_key_finds_its_job_while_it_waits_runs_and_for_a_time_after() {
    let mut world = World::new().await;
    let id = world.enqueue(keyed("a", "k", 60)).await;
    let again = || keyed("again", "k", 60);
    let found = world.enqueue_all(vec![again()]).await.unwrap().remove(0);
    assert_eq!((found.id, found.existed), (id.clone(), true));
    world.work(1).await;
    let started = world.next().await;
    assert_eq!(started.job.idempotency_key(), "k");
    assert!(world.enqueue_all(vec![again()]).await.unwrap()[0].existed);
    started.done();
    assert_eq!(world.recorded().await.1, Recorded::Done);
    assert!(world.enqueue_all(vec![again()]).await.unwrap()[0].existed);
    world.advance(Duration::from_secs(59)).await;
    assert_eq!(world.enqueue_all(vec![again()]).await.unwrap()[0].id, id);
    world.advance(Duration::from_secs(1)).await;
    assert!(!world.enqueue_all(vec![again()]).await.unwrap()[0].existed);
    assert_eq!(world.next().await.job.spec.payload, "again");
}

#[tokio::test]
async fn a_key_that_is_not_kept_is_free_at_the_end() {
    let mut world = World::new().await;
    world.work(1).await;
    world.enqueue(keyed("a", "k", 0)).await;
    world.next().await.done();
    world.recorded().await;
    world.enqueue(keyed("b", "k", 0)).await;
    assert_eq!(world.next().await.job.spec.payload, "b");
}

#[tokio::test]
async fn keys_belong_to_their_queue_and_project() {
    let world = World::new().await;
    world.enqueue(keyed("a", "k", 0)).await;
    let mut elsewhere = keyed("a", "k", 0);
    elsewhere.spec.queue = queue("other");
    world.enqueue(elsewhere).await;
    let other = world.jobs.enqueue(&ProjectId::generate(), vec![keyed("a", "k", 0)]).await.unwrap();
    assert!(!other[0].existed);
}

#[tokio::test]
async fn one_call_enqueues_a_key_once_and_the_rest_all_the_same() {
    let world = World::new().await;
    let batch = vec![keyed("a", "k", 0), job("b"), keyed("c", "k", 0)];
    let enqueued = world.enqueue_all(batch).await.unwrap();
    assert_eq!(enqueued.iter().map(|one| one.existed).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(enqueued[0].id, enqueued[2].id);
    assert_eq!(world.jobs.jobs(&world.project, Default::default()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_key_outlives_retries_crashes_and_dead_letters() {
    let mut world = World::new().await;
    world.work(1).await;
    let unique = Some(UniqueKey { key: "k".to_owned(), keep: Duration::from_secs(60) });
    let id = world.enqueue(NewJob { unique, ..steady("a", 2) }).await;
    world.next().await.end(retry("first"));
    world.recorded().await;
    let mut world = world.crash().await;
    assert_eq!(world.enqueue_all(vec![keyed("b", "k", 0)]).await.unwrap()[0].id, id);
    world.work(1).await;
    world.advance(Duration::from_secs(5)).await;
    world.next().await.end(retry("second"));
    assert_eq!(world.recorded().await.1, Recorded::Dead);
    assert!(world.enqueue_all(vec![keyed("b", "k", 0)]).await.unwrap()[0].existed);
    world.advance(Duration::from_secs(61)).await;
    assert!(!world.enqueue_all(vec![keyed("b", "k", 0)]).await.unwrap()[0].existed);
}

#[tokio::test]
async fn keys_of_ended_jobs_are_bounded() {
    let config = JobsConfig { unique_keys_per_project_max: 10, ..JobsConfig::default() };
    let mut world = World::with(config).await;
    world.work(1).await;
    for number in 0..11 {
        world.enqueue(keyed("x", &number.to_string(), 600 + number)).await;
        world.next().await.done();
        world.recorded().await;
    }
    let again: Vec<_> = (0..11).map(|number| keyed("x", &number.to_string(), 0)).collect();
    let existed: Vec<_> = world.enqueue_all(again).await.unwrap().iter().map(|one| one.existed).collect();
    assert_eq!(existed, [[false; 2].as_slice(), &[true; 9]].concat());
}

crate::support::on_postgres!(
    a_key_finds_its_job_while_it_waits_runs_and_for_a_time_after,
    a_key_that_is_not_kept_is_free_at_the_end,
    keys_belong_to_their_queue_and_project,
    one_call_enqueues_a_key_once_and_the_rest_all_the_same,
    a_key_outlives_retries_crashes_and_dead_letters,
    keys_of_ended_jobs_are_bounded
);
