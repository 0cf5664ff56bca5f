//! Delivery of events.

use crate::support::{World, job};
use jobs::{CursorKey, Delivery, JobsConfig, JobsError, NewJob, UniqueKey};
use service_kit::error::{Classify as _, ErrorCode};
use std::time::Duration;

fn event(number: u64) -> NewJob {
    let unique = Some(UniqueKey { key: format!("orders/{number}"), keep: Duration::from_secs(60) });
    NewJob { unique, ..job(&number.to_string()) }
}

fn delivery(world: &World, expected: Option<&str>, position: &str, jobs: Vec<NewJob>) -> Delivery {
    let cursor = CursorKey {
        project: world.project.clone(),
        source: "topic/orders".to_owned(),
        subscriber: "mailer".to_owned(),
    };
    Delivery { cursor, expected: expected.map(str::to_owned), position: position.to_owned(), jobs }
}

#[tokio::test]
async fn events_and_cursor_survive_together() {
    let world = World::new().await;
    let first = delivery(&world, None, "2", vec![event(0), event(1)]);
    let cursor = first.cursor.clone();
    assert_eq!(world.jobs.cursor(&cursor).await.unwrap(), None);
    world.jobs.deliver(first).await.unwrap();
    let mut world = world.crash().await;
    assert_eq!(world.jobs.cursor(&cursor).await.unwrap().as_deref(), Some("2"));
    world.work(2).await;
    let mut began = [world.next().await, world.next().await].map(|started| started.job.spec.payload.clone());
    began.sort();
    assert_eq!(began, ["0", "1"]);
    world.jobs.forget_cursor(&cursor).await.unwrap();
    assert_eq!(world.jobs.cursor(&cursor).await.unwrap(), None);
}

#[tokio::test]
async fn a_cursor_that_was_moved_refuses_the_delivery() {
    let world = World::new().await;
    world.jobs.deliver(delivery(&world, None, "1", vec![event(0)])).await.unwrap();
    let late = delivery(&world, None, "1", vec![event(0), event(7)]);
    let refused = world.jobs.deliver(late).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Conflict);
    assert!(matches!(refused, JobsError::CursorMoved));
    assert_eq!(world.jobs.jobs(&world.project, Default::default()).await.unwrap().len(), 1);
    // Read again from an earlier place, an event's key finds its job.
    let again = delivery(&world, Some("1"), "2", vec![event(0), event(1)]);
    let enqueued = world.jobs.deliver(again).await.unwrap();
    assert_eq!(enqueued.iter().map(|one| one.existed).collect::<Vec<_>>(), [true, false]);
}

#[tokio::test]
async fn a_delivery_that_does_not_fit_leaves_the_cursor() {
    let config = JobsConfig { jobs_per_project_max: 2, cursors_per_project_max: 1, ..JobsConfig::default() };
    let world = World::with(config).await;
    let large = delivery(&world, None, "3", vec![event(0), event(1), event(2)]);
    let cursor = large.cursor.clone();
    let refused = world.jobs.deliver(large).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::LimitExceeded);
    assert_eq!(world.jobs.cursor(&cursor).await.unwrap(), None);
    world.jobs.deliver(delivery(&world, None, "1", vec![])).await.unwrap();
    let mut another = delivery(&world, None, "1", vec![]);
    another.cursor.subscriber = "another".to_owned();
    assert_eq!(world.jobs.deliver(another).await.unwrap_err().code(), ErrorCode::LimitExceeded);
}

crate::support::on_postgres!(
    events_and_cursor_survive_together,
    a_cursor_that_was_moved_refuses_the_delivery,
    a_delivery_that_does_not_fit_leaves_the_cursor
);
