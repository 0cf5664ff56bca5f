//! Several processes on one PostgreSQL.

use crate::support::{World, job, queue, run_on_postgres, soon, steady};
use async_trait::async_trait;
use jobs::{
    ConcurrencyKey, CursorKey, Delivery, Handler, Job, JobOptions, JobSpec, Jobs, JobsConfig, JobsError,
    NewJob, NewSchedule, Outcome, Overlap, Recorded, RunOutcome, ScheduleName, Selector, UniqueKey, When,
    WorkOptions,
};
use service_kit::clock::Clock;
use service_kit::error::{Classify as _, ErrorCode};
use service_kit::ids::JobId;
use sql::shared::SharedDatabase;
use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What several handlers did, all together.
#[derive(Default)]
struct Tally {
    ran: Mutex<Vec<(usize, JobId)>>,
    running: AtomicUsize,
    most: AtomicUsize,
    recorded: AtomicUsize,
}

/// The handler of one process.
struct Counting(usize, Arc<Tally>);

#[async_trait]
impl Handler for Counting {
    async fn run(&self, job: Arc<Job>) -> Outcome {
        let Self(process, tally) = self;
        let running = tally.running.fetch_add(1, Ordering::SeqCst) + 1;
        tally.most.fetch_max(running, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(1)).await;
        tally.ran.lock().unwrap().push((*process, job.id.clone()));
        tally.running.fetch_sub(1, Ordering::SeqCst);
        Outcome::Done
    }

    fn recorded(&self, _job: &Job, recorded: &Recorded) {
        assert_eq!(*recorded, Recorded::Done);
        self.1.recorded.fetch_add(1, Ordering::SeqCst);
    }
}

impl Tally {
    async fn work(self: &Arc<Self>, worlds: [&World; 2], slots: usize) {
        for (process, world) in worlds.into_iter().enumerate() {
            let options = WorkOptions::new(NonZeroUsize::new(slots).unwrap());
            let handler = Arc::new(Counting(process, self.clone()));
            world.jobs.work(Selector::all(), handler, options).await.unwrap();
        }
    }

    async fn until(&self, count: usize) {
        soon(async {
            while self.recorded.load(Ordering::SeqCst) < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        let ran = self.ran.lock().unwrap();
        let different: HashSet<_> = ran.iter().map(|(_, id)| id).collect();
        assert_eq!((ran.len(), different.len()), (count, count), "each ran once");
    }
}

async fn two() -> (World, World) {
    let first = World::new().await;
    let second = first.beside().await;
    (first, second)
}

async fn jobs_run_once_each_shared_out_over_both() {
    let (first, second) = two().await;
    let tally = Arc::new(Tally::default());
    tally.work([&first, &second], 16).await;
    for _ in 0..20 {
        first.enqueue_all((0..100).map(|_| job("x")).collect()).await.unwrap();
    }
    tally.until(2_000).await;
    let of_first = tally.ran.lock().unwrap().iter().filter(|(process, _)| *process == 0).count();
    assert!((200..1_800).contains(&of_first), "{of_first} of 2,000 ran in the first process");
}

async fn a_unique_key_that_both_want_gives_one_job() {
    let (first, second) = two().await;
    for number in 0..50 {
        let unique = || {
            let key = UniqueKey { key: format!("k{number}"), keep: Duration::ZERO };
            vec![NewJob { unique: Some(key), ..job("x") }]
        };
        let (one, two) = tokio::join!(first.enqueue_all(unique()), second.enqueue_all(unique()));
        let (one, two) = (one.unwrap().remove(0), two.unwrap().remove(0));
        assert_eq!(one.id, two.id);
        assert!(one.existed != two.existed, "one of them made it");
    }
}

async fn a_key_and_a_queue_have_their_limits_in_both_together() {
    for (key, queue_limit, most) in [(Some(1), None, 1), (None, Some(2), 2)] {
        let (first, second) = two().await;
        first.jobs.limit(&first.project, &queue("q"), queue_limit).await.unwrap();
        second.jobs.tick().await.unwrap();
        let tally = Arc::new(Tally::default());
        tally.work([&first, &second], 8).await;
        let jobs = || {
            let mut new = job("x");
            new.spec.options.concurrency = key.map(|limit| ConcurrencyKey { key: "k".to_owned(), limit });
            vec![new; 30]
        };
        let (one, two) = tokio::join!(first.enqueue_all(jobs()), second.enqueue_all(jobs()));
        one.and(two).unwrap();
        tally.until(60).await;
        assert_eq!(tally.most.load(Ordering::SeqCst), most);
    }
}

async fn a_schedule_fires_once_for_each_of_its_times() {
    let (first, second) = two().await;
    let name = ScheduleName::parse("s").unwrap();
    let spec = JobSpec { queue: queue("q"), payload: "x".into(), options: JobOptions::default() };
    let new = NewSchedule {
        overlap: Overlap::Allow,
        ..NewSchedule::new(name.clone(), When::parse("* * * * * *", "UTC").unwrap(), spec)
    };
    let save = |world: &World| {
        let (jobs, project, new) = (world.jobs.clone(), world.project.clone(), new.clone());
        async move { jobs.save_schedule(&project, new).await }
    };
    let (one, two) = tokio::join!(save(&first), save(&second));
    one.and(two).unwrap();
    for _ in 0..5 {
        first.now_ms.fetch_add(1_000, Ordering::Relaxed);
        let (one, two) = tokio::join!(first.jobs.tick(), second.jobs.tick());
        one.and(two).unwrap();
    }
    let runs = first.jobs.schedule_runs(&first.project, &name, None, 100).await.unwrap();
    let times: HashSet<_> = runs.iter().map(|run| run.planned_at_ms).collect();
    assert_eq!((runs.len(), times.len()), (5, 5));
    assert!(runs.iter().all(|run| run.outcome == RunOutcome::Enqueued));
}

async fn a_process_that_vanishes_loses_its_jobs_after_its_lease() {
    let mut world = World::new().await;
    let id = world.enqueue(steady("x", 2)).await;
    let (url, (began, begun)) = (world.postgres().url(), std::sync::mpsc::channel());
    let other = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    other.spawn(async move {
        let database = SharedDatabase::postgres(&url, "bunbase_jobs").await.unwrap();
        let jobs = Jobs::open(JobsConfig::default(), database, Clock::system()).await.unwrap();
        let options = WorkOptions::new(NonZeroUsize::MIN);
        jobs.work(Selector::all(), Arc::new(Never(began)), options).await.unwrap();
        std::future::pending::<()>().await;
    });
    tokio::task::spawn_blocking(move || begun.recv().unwrap()).await.unwrap();
    other.shutdown_background();
    world.work(1).await;
    world.assert_idle().await;
    world.postgres().expire_leases().await;
    world.jobs.tick().await.unwrap();
    let again = world.next().await;
    assert_eq!((&again.job.id, again.job.attempt), (&id, 2));
    assert!(again.job.last_error.as_deref().unwrap().contains("process ended"));
}

/// Says that it began, and does not end.
struct Never(std::sync::mpsc::Sender<()>);

#[async_trait]
impl Handler for Never {
    async fn run(&self, _job: Arc<Job>) -> Outcome {
        self.0.send(()).unwrap();
        std::future::pending().await
    }
}

async fn a_process_that_lost_its_lease_stops_what_the_others_run() {
    let (mut first, mut second) = two().await;
    first.work(1).await;
    let id = first.enqueue(steady("x", 3)).await;
    let mut lost = first.next().await;
    second.postgres().expire_leases().await;
    second.jobs.tick().await.unwrap();
    second.work(1).await;
    let again = second.next().await;
    assert_eq!((&again.job.id, again.job.attempt), (&id, 2));
    first.jobs.tick().await.unwrap();
    soon(lost.answer.closed()).await;
    assert_eq!(first.recorded().await, (id.clone(), Recorded::Removed));
    again.done();
    assert_eq!(second.recorded().await, (id, Recorded::Done));
}

async fn a_job_that_is_cancelled_at_another_process_stops() {
    let (first, mut second) = two().await;
    second.work(1).await;
    let id = first.enqueue(job("x")).await;
    let mut started = second.next().await;
    first.jobs.cancel(&first.project, &id).await.unwrap();
    soon(started.answer.closed()).await;
    assert_eq!(second.recorded().await, (id, Recorded::Removed));
}

async fn a_queue_that_is_paused_at_another_process_stands_still() {
    let (first, mut second) = two().await;
    first.jobs.pause(&first.project, &queue("q")).await.unwrap();
    second.work(1).await;
    second.jobs.tick().await.unwrap();
    first.enqueue(job("x")).await;
    second.assert_idle().await;
    first.jobs.resume(&first.project, &queue("q")).await.unwrap();
    second.next().await;
}

async fn a_cursor_is_moved_by_one_of_those_that_read_the_same() {
    let (first, second) = two().await;
    let cursor =
        CursorKey { project: first.project.clone(), source: "topic".to_owned(), subscriber: "s".to_owned() };
    for (expected, position) in [(None, "1"), (Some("1"), "2")] {
        let delivery = || Delivery {
            cursor: cursor.clone(),
            expected: expected.map(str::to_owned),
            position: position.to_owned(),
            jobs: vec![job(position)],
        };
        let (one, two) = tokio::join!(first.jobs.deliver(delivery()), second.jobs.deliver(delivery()));
        assert!(one.is_ok() != two.is_ok());
        assert!(matches!(one.and(two), Err(JobsError::CursorMoved)));
    }
    let stats = first.jobs.stats(&first.project).await.unwrap();
    assert_eq!(stats[&queue("q")].ready, 2);
}

async fn while_postgresql_is_away_calls_are_refused_and_then_everything_goes_on() {
    let mut world = World::new().await;
    world.work(1).await;
    let (running, waiting) = (world.enqueue(job("1")).await, world.enqueue(job("2")).await);
    let started = world.next().await;
    world.postgres().allow(false).await;
    let refused = world.enqueue_all(vec![job("3")]).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Unavailable);
    assert!(!format!("{refused:?}").contains(&world.postgres().url()));
    started.done();
    world.postgres().allow(true).await;
    assert_eq!(world.recorded().await, (running, Recorded::Done));
    let next = world.next().await;
    assert_eq!((next.job.id.clone(), next.job.attempt), (waiting, 1));
    next.done();
    world.enqueue(job("3")).await;
    assert_eq!(world.next().await.job.spec.payload, "3");
}

macro_rules! cases {
    ($($case:ident),* $(,)?) => {
        [$((stringify!($case), || tokio::runtime::Runtime::new().unwrap().block_on($case()))),*]
    };
}

#[test]
fn several_processes_share_the_tables() {
    run_on_postgres(&cases![
        jobs_run_once_each_shared_out_over_both,
        a_unique_key_that_both_want_gives_one_job,
        a_key_and_a_queue_have_their_limits_in_both_together,
        a_schedule_fires_once_for_each_of_its_times,
        a_process_that_vanishes_loses_its_jobs_after_its_lease,
        a_process_that_lost_its_lease_stops_what_the_others_run,
        a_job_that_is_cancelled_at_another_process_stops,
        a_queue_that_is_paused_at_another_process_stands_still,
        a_cursor_is_moved_by_one_of_those_that_read_the_same,
        while_postgresql_is_away_calls_are_refused_and_then_everything_goes_on,
    ]);
}
