//! Reads the log of one durable topic for one trigger. The cursor moves in the transaction that enqueues the
//! jobs, so that an event is neither lost nor enqueued twice.

use super::follow::{FollowError, Follower, RETRY_MAX, RETRY_MIN};
use futures_util::StreamExt as _;
use jobs::{Delivery as Moved, JobsError, NewJob};
use ports::events::{BusError, Delivery, Pattern, Realm, SlowPolicy, Subscribe, Topic};
use std::sync::Arc;

/// Events that are enqueued in one transaction.
const BATCH: usize = 100;
/// Events that pass without a job before the cursor is moved over them.
const PASSED_MAX: u64 = 1_000;

/// Reads until the topic keeps no log any more, or the queue is closed; gives the topic back.
pub(super) async fn read(follower: Arc<Follower>, topic: Topic) -> Topic {
    let mut wait = RETRY_MIN;
    loop {
        match read_from_cursor(&follower, &topic).await {
            Err(FollowError::Bus(BusError::NotDurable)) => {
                if let Err(error) = follower.reach.jobs.forget_cursor(&follower.key_of(&topic)).await {
                    tracing::warn!(%error, topic = topic.as_str(), "the cursor of a removed log stays");
                }
                return topic;
            }
            Err(error) if error.is_final() => return topic,
            Err(FollowError::Bus(BusError::TooSlow)) => wait = RETRY_MIN,
            Err(error) => {
                tracing::warn!(%error, topic = topic.as_str(), project = %follower.spec.project, "a log is not read at the moment");
            }
            Ok(()) => wait = RETRY_MIN,
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RETRY_MAX);
    }
}

async fn read_from_cursor(follower: &Follower, topic: &Topic) -> Result<(), FollowError> {
    let stored = follower.reach.jobs.cursor(&follower.key_of(topic)).await?;
    let from = stored.as_deref().and_then(|position| position.parse().ok()).unwrap_or(0);
    let wish = Subscribe {
        realm: Realm::Project(follower.spec.project.clone()),
        pattern: Pattern::from(topic),
        from: Some(from),
        // It is read again from the cursor then: nothing is lost.
        slow: SlowPolicy::Disconnect,
    };
    let mut batches = follower.reach.bus.subscribe(wish).await?.ready_chunks(BATCH);
    let mut place = Place { follower, topic, stored, next: from };
    while let Some(batch) = batches.next().await {
        let mut jobs = Vec::new();
        let mut broken = None;
        for delivery in batch {
            match delivery {
                Ok(Delivery::Event(event)) => {
                    place.next = event.offset.map_or(place.next, |offset| offset + 1);
                    jobs.extend(follower.job(&event));
                }
                Ok(Delivery::Resync) => {
                    tracing::warn!(topic = topic.as_str(), project = %follower.spec.project, "the log does not reach back to where a trigger was: it goes on with the oldest event");
                }
                Ok(Delivery::Missed(_)) => {}
                Err(error) => broken = Some(error),
            }
        }
        place.hand_on(jobs).await?;
        if let Some(error) = broken {
            return Err(error.into());
        }
    }
    Err(FollowError::Ended)
}

/// How far a log was read.
struct Place<'a> {
    follower: &'a Follower,
    topic: &'a Topic,
    /// The cursor.
    stored: Option<String>,
    /// The event that comes next.
    next: u64,
}

impl Place<'_> {
    /// Enqueues, and moves the cursor, however long there is no room.
    async fn hand_on(&mut self, jobs: Vec<NewJob>) -> Result<(), FollowError> {
        if jobs.is_empty() && !self.is_far() {
            return Ok(());
        }
        let position = self.next.to_string();
        let mut wait = RETRY_MIN;
        loop {
            let moved = Moved {
                cursor: self.follower.key_of(self.topic),
                expected: self.stored.clone(),
                position: position.clone(),
                jobs: jobs.clone(),
            };
            match self.follower.reach.jobs.deliver(moved).await {
                Ok(_) => break,
                Err(JobsError::Overloaded | JobsError::LimitExceeded { .. } | JobsError::Store(_)) => {
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(RETRY_MAX);
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.stored = Some(position);
        Ok(())
    }

    fn is_far(&self) -> bool {
        let stored: u64 = self.stored.as_deref().and_then(|position| position.parse().ok()).unwrap_or(0);
        self.next.abs_diff(stored) >= PASSED_MAX
    }
}
