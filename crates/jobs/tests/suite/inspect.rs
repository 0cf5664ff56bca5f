//! Lists, numbers, and the end of a project.

use crate::support::{World, job, queue, soon};
use jobs::{DeadFilter, JobFilter, JobState, JobsError, NewJob, Start};
use service_kit::ids::ProjectId;
use std::time::Duration;

#[tokio::test]
async fn jobs_are_listed_in_pages_with_filters() {
    let mut world = World::new().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(world.enqueue(job(&number.to_string())).await);
    }
    let delayed = NewJob { start: Start::After(Duration::from_secs(9)), ..NewJob::new(queue("r"), "late") };
    let delayed = world.enqueue(delayed).await;
    let page = JobFilter { queue: Some(queue("q")), limit: 3, ..JobFilter::default() };
    let first = world.jobs.jobs(&world.project, page.clone()).await.unwrap();
    assert_eq!(first.iter().map(|view| &view.id).collect::<Vec<_>>(), [&ids[4], &ids[3], &ids[2]]);
    assert!(first[0].spec.payload.is_empty());
    let rest = JobFilter { before: Some(ids[2].clone()), ..page };
    let rest = world.jobs.jobs(&world.project, rest).await.unwrap();
    assert_eq!(rest.iter().map(|view| &view.id).collect::<Vec<_>>(), [&ids[1], &ids[0]]);
    world.work(1).await;
    let _running = world.next().await;
    for (state, expected) in [(JobState::Running, &ids[0]), (JobState::Delayed, &delayed)] {
        let filter = JobFilter { state: Some(state), ..JobFilter::default() };
        let found = world.jobs.jobs(&world.project, filter).await.unwrap();
        assert_eq!(found.iter().map(|view| &view.id).collect::<Vec<_>>(), [expected]);
    }
    assert_eq!(world.jobs.job(&world.project, &delayed).await.unwrap().spec.payload, "late");
    let foreign = world.jobs.job(&ProjectId::generate(), &delayed).await.unwrap_err();
    assert!(matches!(foreign, JobsError::JobNotFound));
}

#[tokio::test]
async fn numbers_tell_what_stands_in_each_queue() {
    let mut world = World::new().await;
    world.work(1).await;
    world.dead(job("dead")).await;
    world.enqueue(job("running")).await;
    let _running = world.next().await;
    let oldest = world.now();
    world.enqueue(job("waiting")).await;
    world.advance(Duration::from_secs(30)).await;
    world.enqueue(job("waiting too")).await;
    world.enqueue(NewJob { start: Start::After(Duration::from_secs(9)), ..job("late") }).await;
    world.jobs.pause(&world.project, &queue("quiet")).await.unwrap();
    let stats = world.jobs.stats(&world.project).await.unwrap();
    let q = &stats[&queue("q")];
    assert_eq!((q.ready, q.held, q.delayed, q.running, q.dead), (2, 0, 1, 1, 1));
    assert_eq!(q.oldest_at_ms, Some(oldest));
    assert!(stats[&queue("quiet")].settings.paused);
    assert!(world.jobs.stats(&ProjectId::generate()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_purged_project_leaves_nothing_and_does_not_come_back() {
    let mut world = World::new().await;
    world.work(2).await;
    world.dead(job("dead")).await;
    world.enqueue(job("running")).await;
    let mut running = world.next().await;
    world.jobs.pause(&world.project, &queue("q")).await.unwrap();
    for _ in 0..3 {
        world.enqueue_all((0..400).map(|_| job("waiting")).collect()).await.unwrap();
    }
    let other = ProjectId::generate();
    world.jobs.enqueue(&other, vec![NewJob::new(queue("kept"), "kept")]).await.unwrap();
    assert_eq!(world.next().await.job.project, other);
    world.jobs.purge(&world.project).await.unwrap();
    soon(running.answer.closed()).await;
    assert!(world.jobs.stats(&world.project).await.unwrap().is_empty());
    assert!(world.jobs.dead_jobs(&world.project, DeadFilter::default()).await.unwrap().is_empty());
    let refused = world.enqueue_all(vec![job("late")]).await.unwrap_err();
    assert!(matches!(refused, JobsError::ProjectRemoved));
    world.jobs.purge(&world.project).await.unwrap();
    assert_eq!(world.jobs.stats(&other).await.unwrap()[&queue("kept")].running, 1);
}

crate::support::on_postgres!(
    jobs_are_listed_in_pages_with_filters,
    numbers_tell_what_stands_in_each_queue,
    a_purged_project_leaves_nothing_and_does_not_come_back
);
