//! Dead letters.

use crate::support::{World, job, queue};
use jobs::{DeadFilter, JobsConfig, JobsError, NewJob, UniqueKey};
use service_kit::error::{Classify as _, ErrorCode};
use service_kit::ids::ProjectId;
use std::time::Duration;

#[tokio::test]
async fn dead_letters_are_listed_in_pages() {
    let mut world = World::new().await;
    world.work(1).await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(world.dead(job(&number.to_string())).await);
    }
    let (mut found, mut before) = (Vec::new(), None);
    loop {
        let filter = DeadFilter { queue: Some(queue("q")), before, limit: 2 };
        let page = world.jobs.dead_jobs(&world.project, filter).await.unwrap();
        before = page.last().map(|dead| dead.id.clone());
        found.extend(page.into_iter().map(|dead| dead.id));
        if before.is_none() {
            break;
        }
    }
    found.reverse();
    assert_eq!(found, ids);
    let foreign = world.jobs.dead_jobs(&ProjectId::generate(), DeadFilter::default()).await.unwrap();
    assert!(foreign.is_empty());
}

#[tokio::test]
async fn a_replayed_dead_letter_has_all_its_attempts_again() {
    let mut world = World::new().await;
    world.work(1).await;
    let id = world.dead(job("x")).await;
    assert!(world.jobs.replay(&ProjectId::generate(), &id).await.is_err());
    world.jobs.replay(&world.project, &id).await.unwrap();
    let again = world.next().await;
    assert_eq!((&again.job.id, again.job.attempt, &again.job.spec.payload[..]), (&id, 1, &b"x"[..]));
    again.done();
    world.recorded().await;
    let gone = world.jobs.replay(&world.project, &id).await.unwrap_err();
    assert_eq!(gone.code(), ErrorCode::JobNotFound);
}

#[tokio::test]
async fn all_of_a_queue_are_replayed_or_discarded() {
    let mut world = World::new().await;
    world.work(1).await;
    for number in 0..120 {
        world.dead(job(&number.to_string())).await;
    }
    let other = world.dead(NewJob::new(queue("other"), "stays")).await;
    world.jobs.pause(&world.project, &queue("q")).await.unwrap();
    assert_eq!(world.jobs.replay_all(&world.project, &queue("q")).await.unwrap(), 120);
    let stats = world.jobs.stats(&world.project).await.unwrap();
    assert_eq!((stats[&queue("q")].ready, stats[&queue("q")].dead), (120, 0));
    assert_eq!(world.jobs.discard_all(&world.project, &queue("other")).await.unwrap(), 1);
    assert!(world.jobs.discard(&world.project, &other).await.is_err());
}

#[tokio::test]
async fn a_dead_letter_whose_key_another_job_has_stays() {
    let mut world = World::new().await;
    world.work(1).await;
    let keyed = || {
        let unique = Some(UniqueKey { key: "k".to_owned(), keep: Duration::ZERO });
        NewJob { unique, ..job("keyed") }
    };
    let dead = world.dead(keyed()).await;
    world.enqueue(keyed()).await;
    let running = world.next().await;
    let refused = world.jobs.replay(&world.project, &dead).await.unwrap_err();
    assert!(matches!(refused, JobsError::KeyTaken));
    assert_eq!(world.jobs.replay_all(&world.project, &queue("q")).await.unwrap(), 0);
    running.done();
    world.recorded().await;
    world.jobs.replay(&world.project, &dead).await.unwrap();
    assert!(world.enqueue_all(vec![keyed()]).await.unwrap()[0].existed);
}

#[tokio::test]
async fn dead_letters_are_bounded_by_number_and_age() {
    let config = JobsConfig { failures_per_project_max: 3, failures_days: 2, ..JobsConfig::default() };
    let mut world = World::with(config).await;
    world.work(1).await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(world.dead(job(&number.to_string())).await);
        world.advance(Duration::from_secs(1)).await;
    }
    let kept = world.jobs.dead_jobs(&world.project, DeadFilter::default()).await.unwrap();
    let kept: Vec<_> = kept.into_iter().map(|dead| dead.id).rev().collect();
    assert_eq!(kept, ids[2..]);
    world.advance(Duration::from_secs(2 * 24 * 3600 - 4)).await;
    assert_eq!(world.jobs.dead_jobs(&world.project, DeadFilter::default()).await.unwrap().len(), 3);
    world.advance(Duration::from_secs(60)).await;
    assert!(world.jobs.dead_jobs(&world.project, DeadFilter::default()).await.unwrap().is_empty());
}

crate::support::on_postgres!(
    dead_letters_are_listed_in_pages,
    a_replayed_dead_letter_has_all_its_attempts_again,
    all_of_a_queue_are_replayed_or_discarded,
    a_dead_letter_whose_key_another_job_has_stays,
    dead_letters_are_bounded_by_number_and_age
);
