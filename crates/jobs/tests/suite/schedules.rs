//! Schedules, on a clock that the tests move.

use crate::support::{BEGIN_MS, World, queue, retry};
use jobs::{
    CatchUp, JobOptions, JobSpec, JobsConfig, JobsError, NewSchedule, Overlap, Recorded, RunOutcome,
    ScheduleName, When,
};
use service_kit::error::{Classify as _, ErrorCode};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn name(text: &str) -> ScheduleName {
    ScheduleName::parse(text).unwrap()
}

fn every(minutes: u64) -> When {
    When::Every { interval_ms: minutes * 60_000 }
}

fn schedule(when: When) -> NewSchedule {
    let options = JobOptions::default();
    let job = JobSpec { queue: queue("reports"), payload: "report".into(), options };
    NewSchedule::new(name("s"), when, job)
}

impl World {
    async fn save(&self, schedule: NewSchedule) -> jobs::Schedule {
        self.jobs.save_schedule(&self.project, schedule).await.unwrap()
    }

    /// The history, oldest first: outcome and minutes since the beginning.
    async fn history(&self) -> Vec<(RunOutcome, i64)> {
        let runs = self.jobs.schedule_runs(&self.project, &name("s"), None, 100).await.unwrap();
        runs.iter().rev().map(|run| (run.outcome, (run.planned_at_ms - BEGIN_MS) / 60_000)).collect()
    }
}

#[tokio::test]
async fn a_schedule_fires_at_each_of_its_times() {
    let mut world = World::new().await;
    world.work(1).await;
    let saved = world.save(schedule(When::parse("*/10 * * * *", "Europe/Berlin").unwrap())).await;
    assert_eq!(saved.next_at_ms, Some(BEGIN_MS + 600_000));
    world.assert_idle().await;
    for round in 1..4 {
        world.advance(10 * MINUTE).await;
        let started = world.next().await;
        let scheduled = started.job.scheduled.clone().unwrap();
        assert_eq!((scheduled.schedule, scheduled.planned_at_ms), (name("s"), BEGIN_MS + round * 600_000));
        started.done();
        assert_eq!(world.recorded().await.1, Recorded::Done);
    }
    let done = |minute| (RunOutcome::Done, minute);
    assert_eq!(world.history().await, [done(10), done(20), done(30)]);
    let found = world.jobs.schedule(&world.project, &name("s")).await.unwrap();
    assert_eq!(
        (found.last_at_ms, found.next_at_ms),
        (Some(BEGIN_MS + 1_800_000), Some(BEGIN_MS + 2_400_000))
    );
}

#[tokio::test]
async fn overlapping_runs_are_left_out_queued_or_allowed() {
    for (overlap, running, history) in [
        (Overlap::Skip, 1, [RunOutcome::Enqueued, RunOutcome::Overlapped]),
        (Overlap::Queue, 1, [RunOutcome::Enqueued; 2]),
        (Overlap::Allow, 2, [RunOutcome::Enqueued; 2]),
    ] {
        let mut world = World::new().await;
        world.work(4).await;
        world.save(NewSchedule { overlap, ..schedule(every(1)) }).await;
        world.advance(MINUTE).await;
        world.advance(MINUTE).await;
        let first = world.next().await;
        let _second = if running == 2 { Some(world.next().await) } else { None };
        world.assert_idle().await;
        let outcomes: Vec<_> = world.history().await.into_iter().map(|(outcome, _)| outcome).collect();
        assert_eq!(outcomes, history, "{overlap:?}");
        first.done();
        world.recorded().await;
        if overlap == Overlap::Queue {
            world.next().await;
        } else {
            world.assert_idle().await;
        }
    }
}

#[tokio::test]
async fn missed_times_are_made_up_as_the_policy_says() {
    for (catch_up, expected) in [
        (CatchUp::None, vec![(RunOutcome::Missed, 50)]),
        (CatchUp::Last, vec![(RunOutcome::Missed, 40), (RunOutcome::Enqueued, 50)]),
        (CatchUp::All { max: 100 }, (1..=5).map(|ten| (RunOutcome::Enqueued, ten * 10)).collect()),
        (
            CatchUp::All { max: 2 },
            vec![(RunOutcome::Missed, 30), (RunOutcome::Enqueued, 40), (RunOutcome::Enqueued, 50)],
        ),
    ] {
        let world = World::new().await;
        let new = NewSchedule { catch_up, overlap: Overlap::Allow, ..schedule(every(10)) };
        world.save(new).await;
        world.now_ms.fetch_add(55 * 60_000, std::sync::atomic::Ordering::Relaxed);
        let world = world.crash().await;
        world.jobs.tick().await.unwrap();
        assert_eq!(world.history().await, expected, "{catch_up:?}");
        let found = world.jobs.schedule(&world.project, &name("s")).await.unwrap();
        assert_eq!(found.next_at_ms, Some(BEGIN_MS + 60 * 60_000));
    }
}

#[tokio::test]
async fn many_missed_times_are_made_up_in_shares() {
    let mut world = World::new().await;
    let new = schedule(every(1));
    world.save(NewSchedule { catch_up: CatchUp::All { max: 1_000 }, overlap: Overlap::Allow, ..new }).await;
    world.advance(700 * MINUTE).await;
    for _ in 0..5 {
        world.jobs.tick().await.unwrap();
    }
    let stats = world.jobs.stats(&world.project).await.unwrap();
    assert_eq!(stats[&queue("reports")].ready, 700);
    world.work(1).await;
    for minute in 1..=700 {
        let started = world.next().await;
        let planned = started.job.scheduled.as_ref().unwrap().planned_at_ms;
        assert_eq!(planned, BEGIN_MS + minute * 60_000);
        started.done();
    }
    // The history is bounded.
    assert_eq!(world.history().await.len(), 100);
}

#[tokio::test]
async fn a_paused_schedule_lets_its_times_pass() {
    let mut world = World::new().await;
    world.work(1).await;
    world.save(schedule(every(10))).await;
    assert!(world.jobs.pause_schedule(&world.project, &name("s")).await.unwrap().paused);
    world.advance(35 * MINUTE).await;
    world.assert_idle().await;
    // Saving again does not resume it.
    assert!(world.save(schedule(every(10))).await.paused);
    let resumed = world.jobs.resume_schedule(&world.project, &name("s")).await.unwrap();
    assert_eq!(resumed.next_at_ms, Some(BEGIN_MS + 40 * 60_000));
    world.assert_idle().await;
    world.advance(5 * MINUTE).await;
    world.next().await;
}

#[tokio::test]
async fn saving_the_same_times_again_keeps_the_next_one() {
    let world = World::new().await;
    world.save(schedule(every(10))).await;
    world.advance(4 * MINUTE).await;
    let mut changed = schedule(every(10));
    changed.job.payload = "changed".into();
    assert_eq!(world.save(changed.clone()).await.next_at_ms, Some(BEGIN_MS + 10 * 60_000));
    let found = world.jobs.schedule(&world.project, &name("s")).await.unwrap();
    assert_eq!(found.saved, changed);
    assert_eq!(world.save(schedule(every(3))).await.next_at_ms, Some(BEGIN_MS + 7 * 60_000));
}

#[tokio::test]
async fn a_run_by_hand_is_beside_the_planned_ones() {
    let mut world = World::new().await;
    world.work(2).await;
    world.save(schedule(every(10))).await;
    let enqueued = world.jobs.run_schedule(&world.project, &name("s")).await.unwrap();
    let started = world.next().await;
    assert_eq!(started.job.id, enqueued.id);
    started.end(jobs::Outcome::Fail { error: "no paper".to_owned() });
    world.recorded().await;
    let run = world.jobs.schedule_runs(&world.project, &name("s"), None, 1).await.unwrap().remove(0);
    assert_eq!((run.outcome, run.error.as_deref()), (RunOutcome::Dead, Some("no paper")));
    assert_eq!(run.finished_at_ms, Some(world.now()));
    world.advance(10 * MINUTE).await;
    world.next().await;
}

#[tokio::test]
async fn a_single_time_fires_once_and_goes() {
    let mut world = World::new().await;
    world.work(1).await;
    let past = schedule(When::At { at_ms: BEGIN_MS - 1 });
    let refused = world.jobs.save_schedule(&world.project, past).await.unwrap_err();
    assert!(matches!(refused, JobsError::InvalidSchedule(_)));
    world.save(schedule(When::At { at_ms: BEGIN_MS + 60_000 })).await;
    world.advance(MINUTE).await;
    world.next().await.done();
    world.recorded().await;
    let fired = world.save(schedule(When::At { at_ms: BEGIN_MS + 60_000 })).await;
    assert_eq!(fired.next_at_ms, None);
    world.advance(MINUTE).await;
    world.assert_idle().await;
    world.advance(Duration::from_secs(8 * 24 * 3600)).await;
    let gone = world.jobs.schedule(&world.project, &name("s")).await.unwrap_err();
    assert_eq!(gone.code(), ErrorCode::ScheduleNotFound);
}

#[tokio::test]
async fn jitter_shifts_each_schedule_by_its_own_share() {
    let world = World::new().await;
    for number in 0..20 {
        let mut new = schedule(every(60));
        new.name = name(&number.to_string());
        new.jitter_ms = 600_000;
        world.save(new).await;
    }
    let fired = || async {
        let stats = world.jobs.stats(&world.project).await.unwrap();
        stats.get(&queue("reports")).map_or(0, |stats| stats.ready)
    };
    world.advance(60 * MINUTE - Duration::from_millis(1)).await;
    assert_eq!(fired().await, 0);
    world.advance(5 * MINUTE).await;
    let half = fired().await;
    assert!((2..19).contains(&half), "{half}");
    world.advance(5 * MINUTE + Duration::from_millis(1)).await;
    assert_eq!(fired().await, 20);
    let runs = world.jobs.schedule_runs(&world.project, &name("0"), None, 1).await.unwrap();
    assert_eq!(runs[0].planned_at_ms, BEGIN_MS + 3_600_000);
}

#[tokio::test]
async fn schedules_are_listed_bounded_and_deleted() {
    let world = World::with(JobsConfig { schedules_per_project_max: 2, ..JobsConfig::default() }).await;
    for text in ["b", "a"] {
        world.save(NewSchedule { name: name(text), ..schedule(every(1)) }).await;
    }
    let third = NewSchedule { name: name("c"), ..schedule(every(1)) };
    let refused = world.jobs.save_schedule(&world.project, third.clone()).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::LimitExceeded);
    let listed = world.jobs.schedules(&world.project, None, 10).await.unwrap();
    assert_eq!(listed.iter().map(|one| one.saved.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let after = world.jobs.schedules(&world.project, Some(&name("a")), 10).await.unwrap();
    assert_eq!(after.len(), 1);
    world.jobs.delete_schedule(&world.project, &name("a")).await.unwrap();
    assert!(world.jobs.delete_schedule(&world.project, &name("a")).await.is_err());
    world.jobs.save_schedule(&world.project, third).await.unwrap();
}

#[tokio::test]
async fn a_run_that_is_retried_overlaps_the_next() {
    let mut world = World::new().await;
    world.work(1).await;
    let mut new = schedule(every(1));
    new.job.options.retry = jobs::RetryPolicy { attempts_max: 3, floor_ms: 90_000, ceiling_ms: 90_000 };
    world.save(new).await;
    world.advance(MINUTE).await;
    world.next().await.end(retry("later"));
    world.recorded().await;
    world.advance(MINUTE).await;
    assert_eq!(world.history().await, [(RunOutcome::Enqueued, 1), (RunOutcome::Overlapped, 2)]);
}

crate::support::on_postgres!(
    a_schedule_fires_at_each_of_its_times,
    overlapping_runs_are_left_out_queued_or_allowed,
    missed_times_are_made_up_as_the_policy_says,
    many_missed_times_are_made_up_in_shares,
    a_paused_schedule_lets_its_times_pass,
    saving_the_same_times_again_keeps_the_next_one,
    a_run_by_hand_is_beside_the_planned_ones,
    a_single_time_fires_once_and_goes,
    jitter_shifts_each_schedule_by_its_own_share,
    schedules_are_listed_bounded_and_deleted,
    a_run_that_is_retried_overlaps_the_next
);
