//! Projects take turns.

use crate::support::{World, job};
use jobs::WorkOptions;
use service_kit::ids::ProjectId;
use std::num::NonZeroUsize;

#[tokio::test]
async fn many_jobs_of_one_project_do_not_stop_another() {
    let mut world = World::new().await;
    for _ in 0..20 {
        world.enqueue_all((0..500).map(|_| job("many")).collect()).await.unwrap();
    }
    world.work(2).await;
    let (first, _second) = (world.next().await, world.next().await);
    let other = ProjectId::generate();
    world.jobs.enqueue(&other, vec![job("one")]).await.unwrap();
    first.done();
    // At most one more of the first project has its turn before.
    let third = world.next().await;
    if third.job.project != other {
        third.done();
        assert_eq!(world.next().await.job.project, other);
    }
}

#[tokio::test]
async fn a_share_keeps_slots_for_others() {
    let mut world = World::new().await;
    world.enqueue_all((0..10).map(|_| job("long")).collect()).await.unwrap();
    let share = NonZeroUsize::new(2).unwrap();
    let all = NonZeroUsize::new(3).unwrap();
    world.work_with(WorkOptions { concurrency: all, concurrency_per_project_max: share }).await;
    let _running = [world.next().await, world.next().await];
    world.assert_idle().await;
    let other = ProjectId::generate();
    world.jobs.enqueue(&other, vec![job("short")]).await.unwrap();
    assert_eq!(world.next().await.job.project, other);
}

crate::support::on_postgres!(many_jobs_of_one_project_do_not_stop_another, a_share_keeps_slots_for_others);
