//! A store that fails, and works again.

use crate::support::{World, job, queue};
use jobs::{JobsConfig, NewJob};
use service_kit::error::{Classify as _, ErrorCode};
use sqlx::Executor as _;

#[tokio::test]
async fn after_a_full_disk_everything_goes_on() {
    let mut world = World::with(JobsConfig::default()).await;
    world.work(1).await;
    world.enqueue(job("running")).await;
    let running = world.next().await;
    let waiting = world.enqueue(job("waiting")).await;
    let mut write = world.file().write().await.unwrap();
    write.execute("PRAGMA max_page_count = 1").await.unwrap();
    write.commit().await.unwrap();
    let large = || NewJob::new(queue("q"), vec![0_u8; 1 << 20]);
    let refused = world.enqueue_all(vec![large()]).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::DiskFull);
    let mut write = world.file().write().await.unwrap();
    write.execute("PRAGMA max_page_count = 1000000").await.unwrap();
    write.commit().await.unwrap();
    world.enqueue(large()).await;
    running.done();
    let next = world.next().await;
    assert_eq!((&next.job.id, next.job.attempt), (&waiting, 1));
    next.done();
    assert_eq!(world.next().await.job.spec.payload.len(), 1 << 20);
    world.assert_idle().await;
    let stats = world.jobs.stats(&world.project).await.unwrap();
    assert_eq!((stats[&queue("q")].ready, stats[&queue("q")].running), (0, 1));
}
