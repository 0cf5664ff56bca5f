//! Attempts that fail.

use crate::support::{World, job, retry, steady};
use jobs::{JobState, Outcome, Recorded, RetryPolicy};
use std::time::Duration;

#[tokio::test]
async fn a_failed_job_runs_again_after_its_wait() {
    let mut world = World::new().await;
    world.work(1).await;
    let id = world.enqueue(steady("x", 3)).await;
    world.next().await.end(retry("first"));
    let run_at_ms = world.now() + 5_000;
    assert_eq!(world.recorded().await, (id.clone(), Recorded::Retried { run_at_ms }));
    let view = world.jobs.job(&world.project, &id).await.unwrap();
    assert_eq!((view.state, view.run_at_ms, view.attempt), (JobState::Delayed, run_at_ms, 1));
    world.advance(Duration::from_millis(4_999)).await;
    world.assert_idle().await;
    world.advance(Duration::from_millis(1)).await;
    let again = world.next().await;
    assert_eq!((again.job.attempt, again.job.last_error.as_deref()), (2, Some("first")));
}

#[tokio::test]
async fn waits_lie_between_floor_and_ceiling() {
    let mut world = World::new().await;
    world.work(1).await;
    let mut job = job("x");
    job.spec.options.retry = RetryPolicy { attempts_max: 20, floor_ms: 100, ceiling_ms: 1_000 };
    world.enqueue(job).await;
    for attempt in 1..10 {
        world.next().await.end(retry("again"));
        let (_, Recorded::Retried { run_at_ms }) = world.recorded().await else { panic!("a retry") };
        let wait_ms = run_at_ms - world.now();
        assert!((100..=1_000.min(100 << attempt)).contains(&wait_ms), "{wait_ms} after {attempt}");
        world.advance(Duration::from_millis(wait_ms as u64)).await;
    }
}

#[tokio::test]
async fn a_handler_can_ask_for_a_time() {
    let mut world = World::new().await;
    world.work(1).await;
    world.enqueue(job("x")).await;
    let again = |seconds| {
        let after = Some(Duration::from_secs(seconds));
        Outcome::Retry { after, error: "not yet".to_owned() }
    };
    world.next().await.end(again(3_600));
    let run_at_ms = world.now() + 3_600_000;
    assert_eq!(world.recorded().await.1, Recorded::Retried { run_at_ms });
    world.advance(Duration::from_secs(3_600)).await;
    world.next().await.end(again(0));
    assert_eq!(world.next().await.job.attempt, 3);
}

#[tokio::test]
async fn the_last_attempt_and_a_failure_for_good_make_a_dead_letter() {
    let mut world = World::new().await;
    world.work(1).await;
    let twice = world.enqueue(steady("twice", 2)).await;
    world.next().await.end(retry("first"));
    world.recorded().await;
    world.advance(Duration::from_secs(5)).await;
    world.next().await.end(retry(&"é".repeat(4_000)));
    assert_eq!(world.recorded().await, (twice.clone(), Recorded::Dead));
    let dead = world.jobs.dead_job(&world.project, &twice).await.unwrap();
    assert_eq!((dead.attempts, dead.error.len(), dead.failed_at_ms), (2, 4_096, world.now()));
    assert!(world.jobs.job(&world.project, &twice).await.is_err());
    let once = world.dead(job("once")).await;
    let dead = world.jobs.dead_job(&world.project, &once).await.unwrap();
    assert_eq!((dead.attempts, dead.error.as_str(), &dead.spec.payload[..]), (1, "broken", &b"once"[..]));
}

#[tokio::test]
async fn a_panic_and_a_timeout_count_as_failed_attempts() {
    let mut world = World::new().await;
    world.work(2).await;
    let mut slow = steady("slow", 1);
    slow.spec.options.timeout_ms = 5;
    let slow = world.enqueue(slow).await;
    let _hanging = world.next().await;
    assert_eq!(world.recorded().await, (slow.clone(), Recorded::Dead));
    let error = world.jobs.dead_job(&world.project, &slow).await.unwrap().error;
    assert_eq!(error, "the attempt took longer than 5 ms");
    let panics = world.enqueue(steady("panic", 1)).await;
    assert_eq!(world.recorded().await, (panics.clone(), Recorded::Dead));
    let error = world.jobs.dead_job(&world.project, &panics).await.unwrap().error;
    assert_eq!(error, "the handler panicked");
}

#[tokio::test]
async fn an_attempt_that_could_not_begin_does_not_count() {
    let mut world = World::new().await;
    world.work(1).await;
    let id = world.enqueue(steady("x", 2)).await;
    for _ in 0..5 {
        let begun = world.next().await;
        assert_eq!(begun.job.attempt, 1);
        begun.end(Outcome::Later { after: Duration::from_secs(1) });
        let run_at_ms = world.now() + 1_000;
        assert_eq!(world.recorded().await, (id.clone(), Recorded::Retried { run_at_ms }));
        world.advance(Duration::from_secs(1)).await;
    }
    world.next().await.end(retry("first"));
    world.recorded().await;
    world.advance(Duration::from_secs(5)).await;
    let last = world.next().await;
    assert_eq!((last.job.attempt, last.job.last_error.as_deref()), (2, Some("first")));
}

crate::support::on_postgres!(
    a_failed_job_runs_again_after_its_wait,
    waits_lie_between_floor_and_ceiling,
    a_handler_can_ask_for_a_time,
    the_last_attempt_and_a_failure_for_good_make_a_dead_letter,
    a_panic_and_a_timeout_count_as_failed_attempts,
    an_attempt_that_could_not_begin_does_not_count
);
