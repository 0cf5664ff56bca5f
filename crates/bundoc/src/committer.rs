//! The committer: the one thread that writes. Takes what waits in the queue as a group, evaluates each
//! request against the store and the group so far, commits the group as one batch with one fsync, notes
//! the commit number in the side record, and only then answers and wakes readers of the change feed.
//!
//! What must hold: a batch is synced before the next one is begun (so that only the last can be torn);
//! memory (catalog, counters) follows the store, never the other way; after a failed commit nothing more
//! is written until a restart.

mod background;
mod build;
mod change;
mod definitions;
mod effects;
mod entries;
mod expire;
mod group;
mod indexes;
mod matching;
mod outboxes;
mod refusals;
mod search;
mod write;
mod writer;

use crate::catalog::Catalog;
use crate::engine::{Commit, DatabaseName};
use crate::error::{EngineError, Limit};
use crate::feeds::Feeds;
use crate::history::History;
use crate::home::SideRecord;
use crate::layout::{Id, LAST_COMMIT, NEXT_ID, Space};
use crate::options::EngineOptions;
use crate::outbox::Outboxes;
use crate::space::FreeSpace;
use crate::store::Store;
use background::Background;
pub(crate) use change::Change;
use effects::Effects;
pub(crate) use entries::{Moves, maintained};
pub(crate) use group::{Group, Writes};
pub(crate) use matching::update_by_filter;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, oneshot, watch};
pub(crate) use write::{Batch, Work, created_by};
pub(crate) use writer::{Done, Effect, State, Writer};

/// How often the committer looks for old changes and idle tables.
const MAINTENANCE_EVERY: Duration = Duration::from_secs(60);

/// How long tables are written out at the end.
const WRITE_OUT_MAX: Duration = Duration::from_secs(5);

/// A write that waits.
pub(crate) struct WriteRequest {
    pub(crate) database: DatabaseName,
    pub(crate) work: Work,
    pub(crate) answer: oneshot::Sender<Result<Commit, EngineError>>,
}

/// What can be asked of the committer.
pub(crate) enum Request {
    /// Documents, events and jobs.
    Write(WriteRequest),
    /// Anything else, one at a time: collections, rules, indexes, purges.
    Define(Box<dyn FnOnce(&mut Committer) + Send>),
    /// Finish and end the thread.
    Stop(Ending),
}

/// How the thread ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// At once: the next start replays the journal.
    Now,
    /// After tables in memory were written out, so that the next start has nothing to replay.
    WrittenOut,
}

/// What the engine and its committer both hold.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) catalog: Catalog,
    pub(crate) options: EngineOptions,
    pub(crate) queued: AtomicU64,
    /// After a failed commit nothing more is written until a restart.
    pub(crate) writes_stopped: AtomicBool,
    pub(crate) commits: watch::Sender<u64>,
    pub(crate) feeds: Feeds,
    pub(crate) history: Arc<History>,
    pub(crate) outboxes: Outboxes,
    /// One permit for each query of a write that may run at the same time.
    pub(crate) matching_queries: Arc<Semaphore>,
    /// The memory for what they work out; see `matching::room`.
    pub(crate) drafts: Arc<Semaphore>,
    /// Whether transactions may commit whatever others did: only to see that the checker notices.
    #[cfg(test)]
    pub(crate) unchecked: AtomicBool,
}

impl Shared {
    /// Tells readers of a commit that is durable and that memory has taken over.
    fn announce<'a>(&self, databases: impl Iterator<Item = &'a DatabaseName>, commit: u64) {
        self.commits.send_replace(commit);
        self.feeds.wake(databases, commit);
    }
}

/// State of the committer thread.
pub(crate) struct Committer {
    shared: Arc<Shared>,
    requests: Receiver<Request>,
    side_record: SideRecord,
    last_commit: u64,
    next_id: Id,
    background: Background,
    space: FreeSpace,
    stopped: bool,
    /// Whether the background has nothing to do, or may not.
    background_waits: bool,
    maintained_at: Instant,
    maintained_commit: u64,
}

/// Where a committer begins.
pub(crate) struct Start {
    pub(crate) side_record: SideRecord,
    pub(crate) last_commit: u64,
    pub(crate) next_id: Id,
    pub(crate) garbage: Vec<crate::catalog::record::Garbage>,
    /// The directory whose free space is watched.
    pub(crate) path: PathBuf,
}

type Answered = (oneshot::Sender<Result<Commit, EngineError>>, Commit);

impl Committer {
    pub(crate) fn new(shared: Arc<Shared>, requests: Receiver<Request>, start: Start) -> Self {
        let background = Background::new(&shared.catalog, start.garbage);
        let space = FreeSpace::new(start.path, shared.options.disk_reserve_bytes);
        Self {
            shared,
            requests,
            side_record: start.side_record,
            last_commit: start.last_commit,
            next_id: start.next_id,
            background,
            space,
            stopped: false,
            background_waits: false,
            maintained_at: Instant::now(),
            maintained_commit: start.last_commit,
        }
    }

    /// Runs until `Stop` or until nobody can ask any more.
    pub(crate) fn run(mut self) {
        let ending = loop {
            match self.next_request() {
                Ok(Some(Request::Write(request))) => {
                    if let ControlFlow::Break(ending) = self.run_group(request) {
                        break ending;
                    }
                }
                Ok(Some(Request::Define(define))) => define(&mut self),
                Ok(Some(Request::Stop(ending))) => break ending,
                Err(()) => break Ending::Now,
                Ok(None) => {}
            }
            self.work_in_background();
        };
        if let Err(error) = self.shared.store.persist() {
            tracing::error!(%error, "the document store could not be synced at the end");
        } else if ending == Ending::WrittenOut && !self.stopped {
            self.write_out();
        }
    }

    /// A failure costs only time at the next start: everything is in the journal.
    fn write_out(&self) {
        match self.shared.store.write_out_and_wait(WRITE_OUT_MAX) {
            Ok(true) => {}
            Ok(false) => tracing::warn!("tables were not written out in time, the next start takes longer"),
            Err(error) => tracing::warn!(%error, "tables could not be written out at the end"),
        }
    }

    fn next_request(&mut self) -> Result<Option<Request>, ()> {
        let wait =
            if self.background_waits { self.background.rest(&self.shared.options) } else { Duration::ZERO };
        match self.requests.recv_timeout(wait) {
            Ok(request) => {
                self.count_taken();
                Ok(Some(request))
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(()),
        }
    }

    fn count_taken(&self) {
        self.shared.queued.fetch_sub(1, Ordering::Relaxed);
    }

    /// Evaluates `first` and what waits behind it, and commits them together.
    fn run_group(&mut self, first: WriteRequest) -> ControlFlow<Ending> {
        let shared = Arc::clone(&self.shared);
        let mut group = Group::new(&shared.store);
        let mut effects = Effects::new(self.last_commit);
        let mut answers: Vec<Answered> = Vec::new();
        let mut next = Some(first);
        let mut after = None;
        while let Some(request) = next.take() {
            if let Err(error) = self.check_writable() {
                let _ = request.answer.send(Err(error));
            } else if write::needs_definitions(&shared, &request) {
                // A new collection is a definition: what is pending is committed first.
                self.finish_group(
                    std::mem::replace(&mut group, Group::new(&shared.store)),
                    &mut effects,
                    &mut answers,
                );
                self.create_and_write(request);
                effects = Effects::new(self.last_commit);
            } else {
                self.evaluate(request, &mut group, &mut effects, &mut answers);
            }
            let full = answers.len() >= shared.options.write_group_max
                || group.bytes() >= shared.options.write_group_bytes_max;
            if full {
                break;
            }
            match self.requests.try_recv() {
                Ok(Request::Write(request)) => next = Some(request),
                Ok(other) => after = Some(other),
                Err(_) => {}
            }
            if next.is_some() || after.is_some() {
                self.count_taken();
            }
        }
        self.finish_group(group, &mut effects, &mut answers);
        match after {
            Some(Request::Define(define)) => define(self),
            Some(Request::Stop(ending)) => return ControlFlow::Break(ending),
            Some(Request::Write(_)) | None => {}
        }
        ControlFlow::Continue(())
    }

    fn evaluate(
        &self,
        request: WriteRequest,
        group: &mut Group<'_>,
        effects: &mut Effects,
        answers: &mut Vec<Answered>,
    ) {
        let WriteRequest { database, work, answer } = request;
        match write::apply(&self.shared, group, effects, (&database, &work)) {
            Ok(commit) => {
                group.accept();
                answers.push((answer, commit));
            }
            Err(error) => {
                group.take_back();
                if let (Work::Transaction(_), EngineError::TransactionConflict) = (&work, &error) {
                    self.shared.history.count_conflict();
                }
                let _ = answer.send(Err(error));
            }
        }
    }

    fn finish_group(&mut self, mut group: Group<'_>, effects: &mut Effects, answers: &mut Vec<Answered>) {
        if answers.is_empty() {
            return;
        }
        let begun = Instant::now();
        let result = effects.record(&mut group).and_then(|()| self.commit(group, effects.last_commit()));
        metrics::histogram!("bunbase_documents_commit_seconds").record(begun.elapsed().as_secs_f64());
        metrics::histogram!("bunbase_documents_group_requests").record(answers.len() as f64);
        if result.is_ok() {
            self.take_over(effects);
        }
        let mut failure = result.err();
        for (answer, commit) in answers.drain(..) {
            let _ = answer.send(match failure.take() {
                None => Ok(commit),
                Some(error) => {
                    failure = Some(again(&error));
                    Err(error)
                }
            });
        }
    }

    /// Takes a group that is durable over into memory, and tells readers.
    fn take_over(&mut self, effects: &mut Effects) {
        effects.publish(&self.shared);
        self.background.trim_where_due(&self.shared.options, effects.databases());
        self.shared.announce(effects.databases().map(|database| &database.name), self.last_commit);
    }

    /// Commits a group, durable on return. A failure is final.
    fn commit(&mut self, mut group: Group<'_>, last_commit: u64) -> Result<(), EngineError> {
        if self.stopped {
            return Err(EngineError::WritesStopped);
        }
        if group.is_empty() && last_commit == self.last_commit {
            return Ok(());
        }
        group.put(Space::Meta, LAST_COMMIT, last_commit.to_be_bytes());
        group.put(Space::Meta, NEXT_ID, self.next_id.to_be_bytes());
        self.space.took(group.bytes());
        if let Err(error) = group.commit() {
            self.stopped = true;
            self.shared.writes_stopped.store(true, Ordering::Release);
            return Err(error);
        }
        if last_commit != self.last_commit {
            self.last_commit = last_commit;
            self.side_record.write(last_commit);
        }
        Ok(())
    }

    /// Whether writes may be taken now.
    fn check_writable(&mut self) -> Result<(), EngineError> {
        if self.stopped {
            return Err(EngineError::WritesStopped);
        }
        self.space.check()
    }

    fn new_id(&mut self) -> Result<Id, EngineError> {
        let id = self.next_id;
        self.next_id = id
            .checked_add(1)
            .ok_or_else(|| EngineError::limit(Limit::StoreNumbers, "this store has no free numbers left"))?;
        Ok(id)
    }
}

/// The same answer once more, for the next request of a failed group.
fn again(error: &EngineError) -> EngineError {
    match error {
        EngineError::DiskFull => EngineError::DiskFull,
        _ => EngineError::WritesStopped,
    }
}
