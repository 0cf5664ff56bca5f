//! Follows one trigger: finds the durable topics that it means, reads each by its log, and takes the events of
//! other topics as they come.

use super::spec::{Spec, Wish};
use super::topics::TopicsError;
use super::{Reach, log, message};
use crate::triggers::queue::{TIMEOUT_MS, policy};
use crate::triggers::{filter, names, run};
use bundoc::Matcher;
use bundoc::error::EngineError;
use futures_util::StreamExt as _;
use jobs::{
    CursorKey, Delivery as Moved, JobOptions, JobSpec, JobsError, NewJob, QueueName, Start, UniqueKey,
};
use ports::events::{BusError, Delivery, Event, Pattern, Realm, SlowPolicy, Subscribe, Topic};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The first and the longest wait where the bus, the topics or the queue cannot be reached.
pub(super) const RETRY_MIN: Duration = Duration::from_millis(100);
pub(super) const RETRY_MAX: Duration = Duration::from_secs(5);
/// How long an event that was handed on is known, where it is read again.
const KEEP: Duration = Duration::from_secs(24 * 3_600);
/// Events as they come that are enqueued together; so many of the largest fit into what one project may have waiting.
const TAKEN_MAX: usize = 16;
/// The cursor that says that the trigger was followed before.
const BEGUN: &str = "begun";

/// Why following stopped.
#[derive(Debug, thiserror::Error)]
pub(super) enum FollowError {
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error(transparent)]
    Topics(#[from] TopicsError),
    #[error(transparent)]
    Jobs(#[from] JobsError),
    #[error("the bus ended the subscription")]
    Ended,
}

impl FollowError {
    /// Whether there is nothing to go on with.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Jobs(JobsError::Stopped | JobsError::ProjectRemoved))
    }
}

/// A trigger cannot be followed.
#[derive(Debug, thiserror::Error)]
pub(super) enum BeginError {
    #[error("its filter cannot be used")]
    Filter(#[from] EngineError),
    #[error("its topic is not valid")]
    Topic(#[from] ports::events::InvalidTopic),
    #[error("its queue has no valid name")]
    Queue(#[from] JobsError),
}

/// One trigger on its way.
pub(super) struct Follower {
    pub(super) reach: Reach,
    pub(super) spec: Spec,
    ready: CancellationToken,
    pattern: Pattern,
    filter: Option<Matcher>,
    queue: QueueName,
    options: JobOptions,
    /// The durable topics that are read.
    read: Mutex<HashSet<Topic>>,
}

impl Follower {
    pub(super) fn new(reach: Reach, spec: Spec, ready: CancellationToken) -> Result<Self, BeginError> {
        let attributes = BTreeMap::from([(run::HANDLER.to_owned(), spec.handler.clone())]);
        let retry = policy(spec.wish.retries());
        Ok(Self {
            pattern: spec.wish.pattern()?,
            filter: spec.wish.filter().map(filter::parse).transpose()?,
            queue: names::queue_of(spec.wish.source(), &spec.function)?,
            options: JobOptions { attributes, retry, timeout_ms: TIMEOUT_MS, ..JobOptions::default() },
            read: Mutex::default(),
            reach,
            spec,
            ready,
        })
    }

    /// Follows until it is aborted, or the queue is closed.
    pub(super) async fn run(self: Arc<Self>) {
        let mut wait = RETRY_MIN;
        loop {
            match self.follow().await {
                Err(error) if error.is_final() => return,
                Err(error) => {
                    tracing::warn!(%error, project = %self.spec.project, function = %self.spec.function, "a trigger of events waits");
                }
                Ok(()) => {}
            }
            if self.ready.is_cancelled() {
                wait = RETRY_MIN;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_MAX);
        }
    }

    async fn follow(self: &Arc<Self>) -> Result<(), FollowError> {
        let realm = Realm::Project(self.spec.project.clone());
        let wish =
            Subscribe { realm, pattern: self.pattern.clone(), from: None, slow: SlowPolicy::DropOldest };
        // Before the topics are looked up, so that one that becomes durable meanwhile is seen.
        let mut live = self.reach.bus.subscribe(wish).await?.ready_chunks(TAKEN_MAX);
        let mut readers = JoinSet::new();
        self.lock().clear();
        self.begin(&mut readers).await?;
        self.ready.cancel();
        loop {
            tokio::select! {
                came = live.next() => self.take_all(came.ok_or(FollowError::Ended)?, &mut readers).await?,
                Some(ended) = readers.join_next() => {
                    if let Ok(topic) = ended {
                        self.lock().remove(&topic);
                    }
                }
            }
        }
    }

    /// Reads the durable topics from where they were read before. The first time that is their end.
    async fn begin(self: &Arc<Self>, readers: &mut JoinSet<Topic>) -> Result<(), FollowError> {
        let project = &self.spec.project;
        let begun = self.key(BEGUN);
        let is_first = self.reach.jobs.cursor(&begun).await?.is_none();
        let mut durable = self.reach.topics.durable(project, |topic| self.spec.wish.means(topic)).await?;
        if let Some(topic) = self.spec.wish.own_topic().filter(|_| durable.is_empty()) {
            self.reach.topics.keep(project, &topic, None).await?;
            durable.push(super::topics::Durable { topic, retention: None });
        }
        for known in durable {
            let key = self.key_of(&known.topic);
            if self.reach.jobs.cursor(&key).await?.is_none() {
                let kept = known.retention.as_ref();
                let first =
                    if is_first { self.reach.topics.keep(project, &known.topic, kept).await? } else { 0 };
                self.place(key, first).await?;
            }
            self.read(known.topic, readers);
        }
        if is_first { self.place(begun, 0).await } else { Ok(()) }
    }

    /// Sets a cursor where there is none.
    async fn place(&self, cursor: CursorKey, offset: u64) -> Result<(), FollowError> {
        let moved = Moved { cursor, expected: None, position: offset.to_string(), jobs: Vec::new() };
        match self.reach.jobs.deliver(moved).await {
            Ok(_) | Err(JobsError::CursorMoved) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn read(self: &Arc<Self>, topic: Topic, readers: &mut JoinSet<Topic>) {
        if self.lock().insert(topic.clone()) {
            readers.spawn(log::read(self.clone(), topic));
        }
    }

    /// Events as they come: one commit for those that came together, or each would wait for the disk behind the others.
    async fn take_all(
        self: &Arc<Self>,
        came: Vec<Result<Delivery, BusError>>,
        readers: &mut JoinSet<Topic>,
    ) -> Result<(), FollowError> {
        let mut jobs = Vec::new();
        let mut failed: Option<FollowError> = None;
        for delivery in came {
            match delivery {
                Ok(Delivery::Event(event)) => match self.take(&event, readers).await {
                    Ok(job) => jobs.extend(job),
                    Err(error) => failed = Some(error),
                },
                Ok(Delivery::Missed(count)) => {
                    tracing::warn!(count, project = %self.spec.project, function = %self.spec.function, "events came faster than they could be enqueued and are lost");
                }
                Ok(Delivery::Resync) => {}
                Err(error) => failed = Some(error.into()),
            }
        }
        // Also where one of them failed: the others do not come again.
        if !jobs.is_empty() {
            self.enqueue(jobs).await?;
        }
        failed.map_or(Ok(()), Err)
    }

    /// The job for an event as it comes, where its topic keeps no log; others are left to the reader of the log.
    async fn take(
        self: &Arc<Self>,
        event: &Event,
        readers: &mut JoinSet<Topic>,
    ) -> Result<Option<NewJob>, FollowError> {
        if !self.spec.wish.means(&event.topic) || self.lock().contains(&event.topic) {
            return Ok(None);
        }
        if let Some(offset) = event.offset {
            self.place(self.key_of(&event.topic), offset).await?;
            self.read(event.topic.clone(), readers);
            return Ok(None);
        }
        let job = self.job(event);
        if let Wish::Event(_) = self.spec.wish {
            return Ok(job);
        }
        if let Some(job) = job {
            self.enqueue(vec![job]).await?;
        }
        // The first change of a collection of the pattern: from now on nothing of it is lost.
        self.reach.topics.keep(&self.spec.project, &event.topic, None).await?;
        self.place(self.key_of(&event.topic), 0).await?;
        self.read(event.topic.clone(), readers);
        Ok(None)
    }

    /// Enqueues, however long there is no room; the bus keeps what comes meanwhile, as far as it does.
    async fn enqueue(&self, jobs: Vec<NewJob>) -> Result<(), FollowError> {
        let mut wait = RETRY_MIN;
        loop {
            match self.reach.jobs.enqueue(&self.spec.project, jobs.clone()).await {
                Ok(_) => return Ok(()),
                Err(JobsError::Overloaded | JobsError::LimitExceeded { .. } | JobsError::Store(_)) => {
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(RETRY_MAX);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The job for an event that is meant.
    pub(super) fn job(&self, event: &Event) -> Option<NewJob> {
        let (filter, bytes_max) = (self.filter.as_ref(), self.reach.bytes_max);
        let message = match &self.spec.wish {
            Wish::Event(_) => message::event(event, filter, bytes_max)?,
            Wish::Document(trigger) => message::change(event, trigger, (filter, bytes_max))?,
        };
        let spec =
            JobSpec { queue: self.queue.clone(), payload: message.body, options: self.options.clone() };
        let key = format!("{}:{}", self.spec.subscriber, message.id);
        Some(NewJob { spec, start: Start::Now, unique: Some(UniqueKey { key, keep: KEEP }) })
    }

    /// The cursor of a topic's log.
    pub(super) fn key_of(&self, topic: &Topic) -> CursorKey {
        self.key(&names::digest(&[topic.as_str()]))
    }

    fn key(&self, source: &str) -> CursorKey {
        CursorKey {
            project: self.spec.project.clone(),
            source: source.to_owned(),
            subscriber: self.spec.subscriber.clone(),
        }
    }

    /// Removes the cursors of a trigger that is no more.
    pub(super) async fn forget(&self) {
        let topics: Vec<Topic> = self.lock().iter().cloned().collect();
        let keys = topics.iter().map(|topic| self.key_of(topic)).chain([self.key(BEGUN)]);
        for key in keys {
            if let Err(error) = self.reach.jobs.forget_cursor(&key).await {
                tracing::warn!(%error, function = %self.spec.function, "the cursor of a removed trigger stays");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Topic>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
