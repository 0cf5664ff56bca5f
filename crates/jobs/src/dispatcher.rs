//! The one task that writes. Calls wait in a bounded queue; those that wait together share a transaction and its
//! fsync, together with what is due (delayed jobs, schedules, old rows) and with the claims for free slots. They
//! are answered, and claimed jobs are handed to their handlers, after the commit.
//!
//! What must hold: what is in memory (turns, who runs) follows the tables. After a transaction that failed it
//! is read again from there, inside the next one.

mod claim;
pub(crate) mod command;
mod enqueue;
mod finish;
mod group;
mod hear;
mod recover;
mod remove;
mod replay;
mod schedules;
mod share;
mod state;
mod sweep;

pub(crate) use command::{Command, Done, Request};
pub(crate) use state::Worker;

use crate::config::JobsConfig;
use crate::error::JobsError;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::worker::Run;
use group::{After, Group};
use hear::hear;
use service_kit::clock::Clock;
use service_kit::drain::Drain;
use share::Notice;
use sql::SqlError;
use state::State;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How long it sleeps at most: the system's clock may have been set meanwhile.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// How often a process that shares the tables renews its lease at least, and looks for others that are gone.
const RENEW_EVERY: Duration = Duration::from_secs(5);
/// How often it counts again what others changed.
const COUNT_EVERY: Duration = Duration::from_secs(10);
/// How long a transaction may take there: less than a lease.
const SHARED_TIME_MAX: Duration = Duration::from_secs(20);
/// How often the same calls are tried where other processes were faster.
const RACES_MAX: usize = 5;

/// The task.
pub(crate) struct Dispatcher {
    pub(crate) store: Store,
    pub(crate) config: JobsConfig,
    pub(crate) clock: Clock,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) drain: Drain,
    /// Where runs report their end.
    pub(crate) requests: mpsc::Sender<Request>,
    state: State,
    /// Whether there is more to do than the last transaction took.
    has_more: bool,
    failing: bool,
    /// When the lease was renewed, and when the tables were counted.
    renewed: Option<Instant>,
    counted: Option<Instant>,
}

/// What the task is made with.
pub(crate) struct DispatcherDeps {
    pub(crate) store: Store,
    pub(crate) config: JobsConfig,
    pub(crate) clock: Clock,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) drain: Drain,
    pub(crate) requests: mpsc::Sender<Request>,
}

impl Dispatcher {
    /// Frees what an earlier process had claimed.
    pub(crate) async fn open(deps: DispatcherDeps) -> Result<Self, JobsError> {
        let DispatcherDeps { store, config, clock, metrics, drain, requests } = deps;
        let instance = format!("{:032x}", rand::random::<u128>());
        let state = State { instance, is_stale: true, ..State::default() };
        let mut own = Self {
            store,
            config,
            clock,
            metrics,
            drain,
            requests,
            state,
            has_more: true,
            failing: false,
            renewed: None,
            counted: None,
        };
        own.attempt(&[]).await?;
        if own.store.is_shared() {
            tokio::spawn(hear(own.store.clone(), own.state.instance.clone(), own.requests.clone()));
        }
        Ok(own)
    }

    /// Works until it is told to close, and then until the queue is empty.
    pub(crate) async fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        let batch_max = self.config.batch_max.get();
        let mut batch = Vec::with_capacity(batch_max);
        loop {
            tokio::select! {
                biased;
                taken = queue.recv_many(&mut batch, batch_max) => if taken == 0 { return },
                () = tokio::time::sleep(self.wait()) => {
                    self.look().await;
                    if !self.is_due() { continue }
                }
            }
            if batch.iter().any(|request| matches!(request.command, Command::Close)) {
                queue.close();
            }
            let count = batch.len();
            batch.retain(|request| !self.hear(&request.command));
            if batch.is_empty() && count > 0 && !self.is_due() {
                continue;
            }
            self.cycle(std::mem::take(&mut batch)).await;
        }
    }

    /// Notes what another instance said; says whether it was that.
    fn hear(&mut self, command: &Command) -> bool {
        let Command::Heard(notice) = command else { return false };
        match notice {
            Notice::Ready { project, queue, count } if !self.state.removed.contains(project) => {
                self.state.lanes.hear_ready(project, queue, *count);
                self.has_more |= self.state.has_free_slot();
            }
            Notice::Ready { .. } => {}
            Notice::Cancelled(id) => {
                self.state.ticket_of(id).into_iter().for_each(|ticket| self.state.stop(ticket));
            }
            Notice::Removed(project) => {
                self.state.remove(project).into_iter().for_each(|ticket| self.state.stop(ticket));
            }
            Notice::Changed => self.state.is_stale = true,
        }
        true
    }

    /// Sees what others put off or planned.
    async fn look(&mut self) {
        if self.store.is_shared()
            && let Ok(next) = self.store.next().await
        {
            (self.state.next_delayed, self.state.next_schedule) = next;
        }
    }

    fn is_time(&self, last: Option<Instant>, every: Duration) -> bool {
        self.store.is_shared() && last.is_none_or(|last| last.elapsed() >= every)
    }

    fn wait(&self) -> Duration {
        if self.failing {
            return SLEEP_MAX;
        }
        if self.has_more {
            return Duration::ZERO;
        }
        let left_ms = self.state.next_due().saturating_sub(self.clock.now_ms());
        Duration::from_millis(u64::try_from(left_ms).unwrap_or(0)).min(SLEEP_MAX)
    }

    fn is_due(&self) -> bool {
        let is_late = self.is_time(self.renewed, RENEW_EVERY);
        self.has_more || self.state.is_stale || is_late || self.state.next_due() <= self.clock.now_ms()
    }

    async fn cycle(&mut self, requests: Vec<Request>) {
        let (commands, replies): (Vec<_>, Vec<_>) =
            requests.into_iter().map(|request| (request.command, (request.reply, request.admitted))).unzip();
        let results = match self.attempt_again(&commands).await {
            Ok(results) => {
                self.failing = false;
                results
            }
            Err(error) => {
                self.note_failure(&error);
                let error = JobsError::Store(Arc::new(error));
                commands.iter().map(|_| Err(error.clone())).collect()
            }
        };
        for ((reply, admitted), result) in replies.into_iter().zip(results) {
            drop(admitted);
            // The caller may have gone meanwhile.
            let _ = reply.send(result);
        }
    }

    /// The same again where other processes changed the same rows meanwhile.
    async fn attempt_again(
        &mut self,
        commands: &[Command],
    ) -> Result<Vec<Result<Done, JobsError>>, SqlError> {
        let (workers, is_shared) = (self.state.workers.len(), self.store.is_shared());
        let mut races = 0;
        loop {
            let attempt = self.attempt(commands);
            let done = if is_shared {
                let done = tokio::time::timeout(SHARED_TIME_MAX, attempt).await;
                done.unwrap_or(Err(SqlError::Unreachable(sqlx::Error::PoolTimedOut)))
            } else {
                attempt.await
            };
            let Err(error) = done else { return done };
            self.state.workers.truncate(workers);
            let is_race = is_shared && matches!(error, SqlError::Raced(_) | SqlError::Taken(_));
            if !is_race || races == RACES_MAX {
                return Err(error);
            }
            races += 1;
        }
    }

    /// One transaction. A failure is told once, not for each try.
    async fn attempt(&mut self, commands: &[Command]) -> Result<Vec<Result<Done, JobsError>>, SqlError> {
        let is_tick = commands.iter().any(|command| matches!(command, Command::Tick));
        let is_renewing = self.is_time(self.renewed.filter(|_| !is_tick), RENEW_EVERY);
        let is_counting = self.is_time(self.counted.filter(|_| !is_tick), COUNT_EVERY);
        let was_stale = std::mem::replace(&mut self.state.is_stale, true);
        let mut group = Group::begin(&self.store, &mut self.state, &self.config, self.clock.now_ms()).await?;
        if is_renewing {
            group.reap().await?;
        }
        if was_stale || is_counting || group.is_new {
            group.reload().await?;
        }
        let results = group.apply_all(commands).await?;
        group.pass_time().await?;
        if !self.drain.is_started() {
            group.claim().await?;
        }
        let after = group.commit().await?;
        self.state.is_stale = false;
        self.state.is_opened = true;
        self.has_more = after.has_more;
        self.renewed = if is_renewing { Some(Instant::now()) } else { self.renewed };
        self.counted = if is_counting || was_stale { Some(Instant::now()) } else { self.counted };
        if !commands.is_empty() {
            self.metrics.group.record(commands.len() as f64);
        }
        self.settle(after);
        Ok(results)
    }

    /// What follows a commit: ended runs leave, claimed jobs begin.
    fn settle(&mut self, after: After) {
        self.metrics.count(&after.counts);
        for ticket in after.finished {
            self.state.running.remove(&ticket);
        }
        for ticket in after.removed {
            self.state.stop(ticket);
        }
        let now_ms = self.clock.now_ms();
        for claimed in after.claimed {
            self.metrics.waited(now_ms - claimed.entry.job.run_at_ms);
            let run = Run {
                ticket: claimed.ticket,
                job: claimed.entry.job.clone(),
                handler: self.state.workers[claimed.entry.worker].handler.clone(),
                stop: claimed.entry.stop.clone(),
                requests: self.requests.clone(),
                metrics: self.metrics.clone(),
                work: self.drain.work(),
            };
            self.state.running.insert(claimed.ticket, claimed.entry);
            tokio::spawn(run.run());
        }
        self.metrics.running.set(self.state.running.len() as f64);
    }

    fn note_failure(&mut self, error: &SqlError) {
        self.metrics.failed.increment(1);
        if !std::mem::replace(&mut self.failing, true) {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            let place = if self.store.is_shared() { "PostgreSQL" } else { "the disk" };
            tracing::error!(%error, cause, "jobs cannot be written, look at {place}");
        }
    }
}
