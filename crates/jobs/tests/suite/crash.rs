//! `kill -9` at random moments: this test runs itself as a child that enqueues, works and fires a schedule, and
//! prints what was answered; the parent kills it, and in the end lets a last one finish. `BUNBASE_CRASH_ROUNDS`
//! sets the number of rounds.

use async_trait::async_trait;
use jobs::{
    CatchUp, Handler, Job, JobOptions, JobSpec, Jobs, JobsConfig, NewJob, NewSchedule, Outcome, Overlap,
    Recorded, RetryPolicy, ScheduleName, Selector, UniqueKey, When, WorkOptions,
};
use service_kit::clock::{Clock, now_ms};
use service_kit::ids::ProjectId;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const CHILD: &str = "BUNBASE_CRASH_CHILD";
const PROJECT: &str = "prj_0123456789abcdef0123456789abcdef";
const CALLERS: usize = 4;
/// The children's clock runs so much faster, so that a schedule of one second fires often.
const HASTE: i64 = 50;

fn project() -> ProjectId {
    ProjectId::parse(PROJECT).unwrap()
}

fn say(line: &str) {
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

/// Prints what it runs and what is recorded.
struct Noisy;

#[async_trait]
impl Handler for Noisy {
    async fn run(&self, job: Arc<Job>) -> Outcome {
        let planned = job.scheduled.as_ref().map_or(0, |run| run.planned_at_ms);
        say(&format!("ran {} {planned}\n", job.id));
        match job.attempt {
            1 if job.id.as_str().ends_with('0') => Outcome::Retry { after: None, error: "again".to_owned() },
            _ => Outcome::Done,
        }
    }

    fn recorded(&self, job: &Job, recorded: &Recorded) {
        if *recorded == Recorded::Done {
            say(&format!("done {}\n", job.id));
        }
    }
}

fn spec() -> JobSpec {
    let retry = RetryPolicy { attempts_max: 100, floor_ms: 1, ceiling_ms: 1_000 };
    let options = JobOptions { retry, ..JobOptions::default() };
    JobSpec { queue: crate::support::queue("q"), payload: "x".into(), options }
}

async fn open(path: &str, begin_ms: i64) -> Arc<Jobs> {
    let clock = Clock::reading(move || begin_ms + (now_ms() - begin_ms) * HASTE);
    let jobs = Jobs::open(JobsConfig::default(), crate::support::database(Path::new(path)).await, clock);
    let jobs = jobs.await.unwrap();
    jobs.work(Selector::all(), Arc::new(Noisy), WorkOptions::new(NonZeroUsize::new(8).unwrap()))
        .await
        .unwrap();
    jobs
}

/// The task: round, the beginning of the clock, and the directory. The last round, 0, finishes what is left.
async fn child(task: &str) {
    let mut words = task.splitn(3, ' ');
    let (round, begin_ms) = (words.next().unwrap(), words.next().unwrap().parse().unwrap());
    let jobs = open(words.next().unwrap(), begin_ms).await;
    if round == "0" {
        return finish(&jobs).await;
    }
    let name = ScheduleName::parse("seconds").unwrap();
    let when = When::Every { interval_ms: 1_000 };
    let schedule = NewSchedule {
        overlap: Overlap::Allow,
        catch_up: CatchUp::All { max: jobs::CATCH_UP_MAX },
        ..NewSchedule::new(name, when, spec())
    };
    jobs.save_schedule(&project(), schedule).await.unwrap();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (jobs, round) = (jobs.clone(), round.to_owned());
            tokio::spawn(async move {
                for step in 0_u64.. {
                    let key = format!("{round}/{caller}/{step}");
                    let unique = Some(UniqueKey { key, keep: Duration::ZERO });
                    let job = NewJob { spec: spec(), unique, ..NewJob::new(crate::support::queue("q"), "") };
                    let enqueued = jobs.enqueue(&project(), vec![job]).await.unwrap();
                    say(&format!("enqueued {}\n", enqueued[0].id));
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
}

async fn finish(jobs: &Jobs) {
    let name = ScheduleName::parse("seconds").unwrap();
    jobs.pause_schedule(&project(), &name).await.unwrap();
    // The handler ends by itself; this only asks until the tables say so.
    let ended = async {
        loop {
            jobs.tick().await.unwrap();
            if jobs
                .stats(&project())
                .await
                .unwrap()
                .values()
                .all(|queue| queue.ready + queue.delayed + queue.held + queue.running == 0)
            {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.unwrap();
    let dead = jobs.dead_jobs(&project(), Default::default()).await.unwrap();
    assert!(dead.is_empty(), "{dead:?}");
    say("finished\n");
    jobs.shutdown().await;
}

#[derive(Default)]
struct Seen {
    enqueued: BTreeSet<String>,
    ran: BTreeSet<String>,
    done: BTreeSet<String>,
    /// The jobs of each planned time.
    planned: BTreeMap<i64, BTreeSet<String>>,
    finished: bool,
    rounds: usize,
}

impl Seen {
    fn note(&mut self, line: &str) {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["enqueued", id] => drop(self.enqueued.insert(id.to_owned())),
            ["done", id] => drop(self.done.insert(id.to_owned())),
            ["finished"] => self.finished = true,
            ["ran", id, planned] => {
                assert!(!self.done.contains(id), "{id} ran again after it was recorded as done");
                self.ran.insert(id.to_owned());
                if let Some(planned) = planned.parse().ok().filter(|planned| *planned > 0) {
                    self.planned.entry(planned).or_default().insert(id.to_owned());
                }
            }
            _ => {}
        }
    }

    /// Runs a child, and kills it a while after its first answer.
    fn run(&mut self, task: &str, kill_after: Option<Duration>) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::what_was_answered_survives_a_kill", "--nocapture"])
            .env(CHILD, task)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // A line that the kill cut off has no newline; it may name half an id.
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut next = move || {
            let mut line = String::new();
            output
                .read_line(&mut line)
                .ok()
                .filter(|_| line.ends_with('\n'))
                .map(|_| line.trim_end().to_owned())
        };
        let before = self.enqueued.len();
        while kill_after.is_some() && self.enqueued.len() == before {
            self.note(&next().expect("the child ended before it enqueued"));
        }
        std::thread::scope(|scope| {
            let reader = scope.spawn(move || std::iter::from_fn(next).collect::<Vec<_>>());
            if let Some(kill_after) = kill_after {
                let (_sender, nobody) = std::sync::mpsc::channel::<()>();
                let _ = nobody.recv_timeout(kill_after);
                child.kill().unwrap();
            }
            child.wait().unwrap();
            for line in reader.join().unwrap() {
                self.note(&line);
            }
        });
        self.rounds += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_a_kill() {
    if let Ok(task) = std::env::var(CHILD) {
        return child(&task).await;
    }
    let rounds: u64 = std::env::var("BUNBASE_CRASH_ROUNDS").map_or(8, |rounds| rounds.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let begin_ms = now_ms();
    let mut seen = Seen::default();
    for round in 1..=rounds {
        let task = format!("{round} {begin_ms} {}", directory.path().display());
        seen.run(&task, Some(Duration::from_millis(20 + 67 * round % 250)));
    }
    seen.run(&format!("0 {begin_ms} {}", directory.path().display()), None);
    assert!(seen.finished, "the last child did not finish");
    let lost: Vec<_> = seen.enqueued.difference(&seen.ran).collect();
    assert!(lost.is_empty(), "{} of {} enqueued jobs never ran", lost.len(), seen.enqueued.len());
    assert!(seen.planned.len() > 10, "{} planned times", seen.planned.len());
    let doubled: Vec<_> = seen.planned.iter().filter(|(_, jobs)| jobs.len() != 1).collect();
    assert!(doubled.is_empty(), "fired more than once: {doubled:?}");
    let times: Vec<_> = seen.planned.keys().collect();
    let gaps = times.windows(2).filter(|pair| pair[1] - pair[0] != 1_000).count();
    assert_eq!(gaps, 0, "planned times were left out");
    println!("{} rounds, {} enqueued, {} planned times", seen.rounds, seen.enqueued.len(), times.len());
}
