//! Random steps against a model in memory: who may run is worked out by hand, and each job that begins has to be
//! one of the best of its queue. After each step the tables and the model say the same.

use crate::support::{Started, World, queue};
use jobs::{
    ConcurrencyKey, DeadFilter, JobFilter, JobState, NewJob, Outcome, Recorded, RetryPolicy, Start, UniqueKey,
};
use proptest::prelude::*;
use service_kit::ids::JobId;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

const SLOTS: usize = 3;
const WAIT_MS: i64 = 5_000;

#[derive(Debug, Clone)]
enum Step {
    Enqueue {
        queue: u8,
        priority: i32,
        delay_s: u64,
        unique: Option<(u8, u64)>,
        key: Option<(u8, u32)>,
        attempts: u32,
    },
    Advance {
        seconds: u64,
    },
    End {
        which: usize,
        how: u8,
    },
    Cancel {
        which: usize,
    },
    Pause {
        queue: u8,
        paused: bool,
    },
    Replay {
        which: usize,
    },
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let unique = proptest::option::weighted(0.3, (0..3_u8, prop_oneof![Just(0_u64), Just(20)]));
    let key = proptest::option::weighted(0.4, (0..2_u8, 1..3_u32));
    let enqueue = (0..2_u8, 0..3_i32, prop_oneof![3 => Just(0_u64), 1 => Just(7)], unique, key, 1..4_u32)
        .prop_map(|(queue, priority, delay_s, unique, key, attempts)| Step::Enqueue {
            queue,
            priority,
            delay_s,
            unique,
            key,
            attempts,
        });
    prop_oneof![
        8 => enqueue,
        2 => (1..12_u64).prop_map(|seconds| Step::Advance { seconds }),
        6 => (any::<usize>(), 0..4_u8).prop_map(|(which, how)| Step::End { which, how }),
        1 => any::<usize>().prop_map(|which| Step::Cancel { which }),
        1 => (0..2_u8, any::<bool>()).prop_map(|(queue, paused)| Step::Pause { queue, paused }),
        1 => any::<usize>().prop_map(|which| Step::Replay { which }),
        1 => Just(Step::Crash),
    ]
}

#[derive(Debug, Clone)]
struct Modelled {
    queue: u8,
    priority: i32,
    run_at: i64,
    attempt: u32,
    attempts_max: u32,
    unique: Option<(u8, u64)>,
    key: Option<(u8, u32)>,
    is_running: bool,
}

#[derive(Default)]
struct Model {
    jobs: BTreeMap<JobId, Modelled>,
    dead: BTreeMap<JobId, Modelled>,
    /// The owner of a unique key, and when it ends.
    keys: HashMap<(u8, u8), (JobId, Option<i64>)>,
    paused: BTreeSet<u8>,
}

impl Model {
    fn owner(&self, queue: u8, key: u8, now: i64) -> Option<&JobId> {
        let (owner, expires) = self.keys.get(&(queue, key))?;
        expires.is_none_or(|expires| expires > now).then_some(owner)
    }

    fn running_with(&self, queue: u8, key: u8) -> u32 {
        let same =
            |job: &&Modelled| job.is_running && job.queue == queue && job.key.is_some_and(|own| own.0 == key);
        self.jobs.values().filter(same).count() as u32
    }

    fn running(&self) -> usize {
        self.jobs.values().filter(|job| job.is_running).count()
    }

    fn may_run(&self, job: &Modelled, now: i64) -> bool {
        let is_blocked = job.key.is_some_and(|(key, limit)| self.running_with(job.queue, key) >= limit);
        !job.is_running && job.run_at <= now && !self.paused.contains(&job.queue) && !is_blocked
    }

    fn end_key(&mut self, id: &JobId, job: &Modelled, now: i64) {
        let Some((key, keep_s)) = job.unique else { return };
        if let Some((owner, expires)) = self.keys.get_mut(&(job.queue, key)).filter(|(owner, _)| owner == id)
        {
            let _ = owner;
            *expires = Some(now + keep_s as i64 * 1_000);
        }
    }

    fn fail(&mut self, id: &JobId, now: i64, wait_ms: i64, is_final: bool) {
        let mut job = self.jobs.remove(id).unwrap();
        if is_final || job.attempt >= job.attempts_max {
            self.end_key(id, &job, now);
            self.dead.insert(id.clone(), job);
        } else {
            (job.is_running, job.run_at) = (false, now + wait_ms);
            self.jobs.insert(id.clone(), job);
        }
    }
}

struct Test {
    world: World,
    model: Model,
    started: BTreeMap<JobId, Started>,
}

fn name(number: u8) -> jobs::QueueName {
    queue(&format!("q{number}"))
}

impl Test {
    async fn step(mut self, step: Step) -> Self {
        let now = self.world.now();
        match step {
            Step::Enqueue { queue, priority, delay_s, unique, key, attempts } => {
                let mut job = NewJob::new(name(queue), "x");
                job.spec.options.priority = priority;
                let retry = RetryPolicy { attempts_max: attempts, floor_ms: WAIT_MS as u64, ceiling_ms: 0 };
                job.spec.options.retry = retry;
                job.spec.options.concurrency =
                    key.map(|(key, limit)| ConcurrencyKey { key: key.to_string(), limit });
                job.start = Start::After(Duration::from_secs(delay_s));
                job.unique = unique
                    .map(|(key, keep)| UniqueKey { key: key.to_string(), keep: Duration::from_secs(keep) });
                let enqueued = self.world.enqueue_all(vec![job]).await.unwrap().remove(0);
                let owner = unique.and_then(|(key, _)| self.model.owner(queue, key, now)).cloned();
                assert_eq!(enqueued.existed, owner.is_some());
                if let Some(owner) = owner {
                    assert_eq!(enqueued.id, owner);
                    return self;
                }
                if let Some((key, _)) = unique {
                    self.model.keys.insert((queue, key), (enqueued.id.clone(), None));
                }
                let run_at = now + delay_s as i64 * 1_000;
                let (attempt, is_running, attempts_max) = (0, false, attempts);
                let job =
                    Modelled { queue, priority, run_at, attempt, attempts_max, unique, key, is_running };
                self.model.jobs.insert(enqueued.id, job);
            }
            Step::Advance { seconds } => self.world.advance(Duration::from_secs(seconds)).await,
            Step::End { which, how } => self.end(which, how, now).await,
            Step::Cancel { which } => {
                let Some(id) = self.model.jobs.keys().nth(which % self.model.jobs.len().max(1)).cloned()
                else {
                    return self;
                };
                self.world.jobs.cancel(&self.world.project, &id).await.unwrap();
                let job = self.model.jobs.remove(&id).unwrap();
                self.model.end_key(&id, &job, now);
                if self.started.remove(&id).is_some() {
                    assert_eq!(self.world.recorded().await, (id, Recorded::Removed));
                }
            }
            Step::Pause { queue, paused } => {
                let (jobs, project) = (&self.world.jobs, &self.world.project);
                if paused {
                    jobs.pause(project, &name(queue)).await.unwrap();
                    self.model.paused.insert(queue);
                } else {
                    jobs.resume(project, &name(queue)).await.unwrap();
                    self.model.paused.remove(&queue);
                }
            }
            Step::Replay { which } => self.replay(which, now).await,
            Step::Crash => {
                self.started.clear();
                self.world = self.world.crash().await;
                self.world.work(SLOTS).await;
                let running: Vec<_> = self
                    .model
                    .jobs
                    .iter()
                    .filter(|(_, job)| job.is_running)
                    .map(|(id, _)| id.clone())
                    .collect();
                for id in running {
                    let run_at = self.model.jobs[&id].run_at;
                    self.model.fail(&id, now, run_at - now, false);
                }
            }
        }
        self
    }

    async fn end(&mut self, which: usize, how: u8, now: i64) {
        let Some(id) = self.started.keys().nth(which % self.started.len().max(1)).cloned() else { return };
        let started = self.started.remove(&id).unwrap();
        let error = "e".to_owned();
        let (outcome, wait_ms) = match how {
            0 => (Outcome::Retry { after: None, error }, WAIT_MS),
            1 => (Outcome::Retry { after: Some(Duration::ZERO), error }, 0),
            2 => (Outcome::Fail { error }, 0),
            _ => (Outcome::Done, 0),
        };
        started.end(outcome);
        assert_eq!(self.world.recorded().await.0, id);
        if how == 3 {
            let job = self.model.jobs.remove(&id).unwrap();
            self.model.end_key(&id, &job, now);
        } else {
            self.model.fail(&id, now, wait_ms, how == 2);
        }
    }

    async fn replay(&mut self, which: usize, now: i64) {
        let Some(id) = self.model.dead.keys().nth(which % self.model.dead.len().max(1)).cloned() else {
            return;
        };
        let job = self.model.dead[&id].clone();
        let owner = job.unique.and_then(|(key, _)| self.model.owner(job.queue, key, now));
        let is_free = owner.is_none_or(|owner| *owner == id);
        assert_eq!(self.world.jobs.replay(&self.world.project, &id).await.is_ok(), is_free);
        if is_free {
            self.model.dead.remove(&id);
            if let Some((key, _)) = job.unique {
                self.model.keys.insert((job.queue, key), (id.clone(), None));
            }
            self.model.jobs.insert(id, Modelled { attempt: 0, run_at: now, is_running: false, ..job });
        }
    }

    /// Takes what began, and looks whether it was right to.
    async fn settle(&mut self) {
        for _ in 0..3 {
            self.world.jobs.tick().await.unwrap();
        }
        let now = self.world.now();
        let filter = JobFilter { state: Some(JobState::Running), ..JobFilter::default() };
        let running = self.world.jobs.jobs(&self.world.project, filter).await.unwrap();
        let expected = running.len() - self.started.len();
        let mut began = Vec::new();
        for _ in 0..expected {
            let started = self.world.next().await;
            began.push(started.job.id.clone());
            self.started.insert(started.job.id.clone(), started);
        }
        self.claim(began, now);
        assert!(self.model.running() <= SLOTS);
        let left = self.model.jobs.values().filter(|job| self.model.may_run(job, now)).count();
        assert!(self.model.running() == SLOTS || left == 0, "{left} jobs may run and do not");
        self.compare().await;
    }

    /// What began is taken in an order in which each is the best of its queue; there has to be one.
    fn claim(&mut self, mut began: Vec<JobId>, now: i64) {
        let rank = |id: &JobId, job: &Modelled| (-job.priority, job.run_at, id.clone());
        while !began.is_empty() {
            let is_best = |id: &JobId| {
                let own = &self.model.jobs[id];
                let better = |(other, job): (&JobId, &Modelled)| {
                    job.queue == own.queue && self.model.may_run(job, now) && rank(other, job) < rank(id, own)
                };
                self.model.may_run(own, now) && !self.model.jobs.iter().any(better)
            };
            let Some(place) = began.iter().position(is_best) else {
                panic!("{began:?} began, and others had to before");
            };
            let job = self.model.jobs.get_mut(&began.remove(place)).unwrap();
            (job.is_running, job.attempt) = (true, job.attempt + 1);
        }
    }

    async fn compare(&self) {
        let now = self.world.now();
        let all = JobFilter { limit: 1_000, ..JobFilter::default() };
        let found = self.world.jobs.jobs(&self.world.project, all).await.unwrap();
        assert_eq!(found.len(), self.model.jobs.len());
        for view in found {
            let job = &self.model.jobs[&view.id];
            assert_eq!((view.attempt, view.run_at_ms), (job.attempt, job.run_at), "{view:?}");
            match view.state {
                JobState::Running => assert!(job.is_running),
                JobState::Delayed => assert!(!job.is_running && job.run_at > now),
                JobState::Ready => assert!(!job.is_running && job.run_at <= now),
                JobState::Held => assert!(!job.is_running && job.run_at <= now && job.key.is_some()),
            }
        }
        let dead = self.world.jobs.dead_jobs(&self.world.project, DeadFilter::default()).await.unwrap();
        let dead: BTreeSet<_> = dead.into_iter().map(|dead| dead.id).collect();
        assert_eq!(dead, self.model.dead.keys().cloned().collect());
    }
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").map_or(48, |cases| cases.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_queue_does_what_its_model_does(steps in proptest::collection::vec(step(), 1..40)) {
        run(steps);
    }
}

fn run(steps: Vec<Step>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let world = World::new().await;
        world.work(SLOTS).await;
        let mut test = Test { world, model: Model::default(), started: BTreeMap::new() };
        for step in steps {
            test = test.step(step).await;
            test.settle().await;
        }
    });
    runtime.shutdown_background();
}

/// Fewer of them: each has a database of its own, and after a crash another.
fn the_queue_does_on_postgresql_what_its_model_does() {
    let config =
        ProptestConfig { cases: cases().div_ceil(6), max_shrink_iters: 50, ..ProptestConfig::default() };
    proptest!(config, |(steps in proptest::collection::vec(step(), 1..40))| run(steps));
}

crate::support::on_postgres!(the_queue_does_on_postgresql_what_its_model_does);
