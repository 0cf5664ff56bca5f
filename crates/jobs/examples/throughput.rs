//! Small jobs from the enqueue to the recorded end: how many in a second. On a file with `synchronous=FULL`, or on the
//! PostgreSQL that `DATABASE_URL` names, with `synchronous_commit=on`; there in a schema of its own, which stays.
//! `cargo run --release -p jobs --example throughput -- DIRECTORY [jobs] [callers] [slots] [jobs of one call]`, where the
//! file is made in a directory of its own in `DIRECTORY`.

use async_trait::async_trait;
use jobs::{Handler, Job, Jobs, JobsConfig, NewJob, Outcome, QueueName, Recorded, Selector, WorkOptions};
use service_kit::clock::Clock;
use service_kit::ids::ProjectId;
use sql::shared::SharedDatabase;
use sql::{Database, Durability};
use std::error::Error;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::Notify;

struct Count {
    done: AtomicUsize,
    total: usize,
    all: Notify,
}

#[async_trait]
impl Handler for Count {
    async fn run(&self, _job: Arc<Job>) -> Outcome {
        Outcome::Done
    }

    fn recorded(&self, _job: &Job, _recorded: &Recorded) {
        if self.done.fetch_add(1, Ordering::Relaxed) + 1 == self.total {
            self.all.notify_one();
        }
    }
}

fn argument(place: usize, default: usize) -> usize {
    std::env::args().nth(place).and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (total, callers, slots, batch) =
        (argument(2, 20_000), argument(3, 64), argument(4, 128), argument(5, 1));
    let directory = tempfile::tempdir_in(std::env::args().nth(1).unwrap_or_else(|| ".".to_owned()))?;
    let database = match std::env::var("DATABASE_URL") {
        Ok(url) => SharedDatabase::postgres(&url, "bunbase_throughput").await?,
        Err(_) => Database::open(&directory.path().join("jobs.db"), Durability::Full).await?.into(),
    };
    let jobs = Jobs::open(JobsConfig::default(), database, Clock::system()).await?;
    let count = Arc::new(Count { done: AtomicUsize::new(0), total, all: Notify::new() });
    let slots_wanted = NonZeroUsize::new(slots).ok_or("at least one slot")?;
    jobs.work(Selector::all(), count.clone(), WorkOptions::new(slots_wanted)).await?;
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for caller in 0..callers {
        let jobs = jobs.clone();
        let share = total / callers + usize::from(caller < total % callers);
        let (project, queue) = (ProjectId::generate(), QueueName::parse("small")?);
        tasks.push(tokio::spawn(async move {
            let mut left = share;
            while left > 0 {
                let size = left.min(batch);
                let batch = (0..size).map(|_| NewJob::new(queue.clone(), "{\"id\":1}")).collect();
                jobs.enqueue(&project, batch).await?;
                left -= size;
            }
            Ok::<_, jobs::JobsError>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    let enqueued = begun.elapsed();
    count.all.notified().await;
    let ended = begun.elapsed();
    let rate = |seconds: f64| (total as f64 / seconds).round();
    println!(
        "{total} jobs, {callers} callers with {batch} each call, {slots} slots: enqueued {}/s, done {}/s",
        rate(enqueued.as_secs_f64()),
        rate(ended.as_secs_f64())
    );
    jobs.shutdown().await;
    Ok(())
}
