//! One topic: who gets its events, and in which order. Everything that is published to it passes its gate,
//! so that every subscriber sees the same order; a subscriber that reads the log joins at the gate too, and
//! so misses nothing and gets nothing twice.

use crate::inbox::Inbox;
use crate::log::{Handed, LogSize, Reader, Retention, TopicLog, blocking};
use crate::metrics::Metrics;
use crate::moment::epoch_ms;
use crate::realm::RealmState;
use crate::run::{Draft, Run};
use crate::sync::locked;
use ports::events::{BusError, Topic};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::oneshot;

/// One topic of a realm.
#[derive(Debug)]
pub(crate) struct TopicState {
    pub(crate) topic: Topic,
    gate: Mutex<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    /// The version of the realm's subscriptions that `targets` come from; 0 is none.
    version: u64,
    targets: Vec<Arc<Inbox>>,
    log: Option<Arc<TopicLog>>,
    declared: bool,
    /// The topic was removed; another state stands for its name, or will.
    removed: bool,
    published: u64,
    last_ms: Option<i64>,
}

/// What is known about a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicInfo {
    pub(crate) topic: Topic,
    pub(crate) declared: bool,
    pub(crate) retention: Option<Retention>,
    pub(crate) log: Option<LogSize>,
    pub(crate) subscriptions: usize,
    pub(crate) published: u64,
    pub(crate) last_ms: Option<i64>,
}

/// What became of events that were offered.
pub(crate) enum Offered {
    /// They went out to subscribers; the one that is hard pressed, if one is.
    Out(Option<Arc<Inbox>>),
    /// They have to go through the log first.
    ToLog(Arc<TopicLog>, Draft),
    /// There is no room for them in memory.
    NoRoom(Draft),
    /// The topic was removed meanwhile: its name has to be looked up again.
    Removed(Draft),
}

impl TopicState {
    pub(crate) fn new(topic: Topic) -> Arc<Self> {
        Arc::new(Self { topic, gate: Mutex::default() })
    }

    /// Gives events to all subscribers, unless the topic keeps a log.
    pub(crate) fn offer(&self, realm: &RealmState, draft: Draft) -> Offered {
        let mut gate = locked(&self.gate);
        if gate.removed {
            return Offered::Removed(draft);
        }
        if let Some(log) = &gate.log {
            return Offered::ToLog(log.clone(), draft);
        }
        gate.refresh(realm, &self.topic);
        if gate.targets.is_empty() {
            gate.count(&realm.metrics, draft.len(), epoch_ms(draft.published_at));
            return Offered::Out(None);
        }
        let Some(charge) = realm.budget.charge(draft.bytes()) else { return Offered::NoRoom(draft) };
        gate.count(&realm.metrics, draft.len(), epoch_ms(draft.published_at));
        Offered::Out(gate.fan_out(&draft.finish(None, charge), &realm.metrics))
    }

    pub(crate) fn log(&self) -> Option<Arc<TopicLog>> {
        locked(&self.gate).log.clone()
    }

    /// Declares the topic, with a log or without.
    pub(crate) fn declare(&self, log: Option<Arc<TopicLog>>) {
        let mut gate = locked(&self.gate);
        gate.declared = true;
        gate.log = log;
    }

    /// Ends the topic; gives the log, to be removed.
    pub(crate) fn retire(&self) -> Option<Arc<TopicLog>> {
        let mut gate = locked(&self.gate);
        (gate.declared, gate.removed) = (false, true);
        gate.log.take()
    }

    pub(crate) fn is_declared(&self) -> bool {
        locked(&self.gate).declared
    }

    /// When it was last published to; 0 where it never was.
    pub(crate) fn last_ms(&self) -> i64 {
        locked(&self.gate).last_ms.unwrap_or(0)
    }

    pub(crate) fn info(&self, realm: &RealmState) -> TopicInfo {
        let mut gate = locked(&self.gate);
        gate.refresh(realm, &self.topic);
        TopicInfo {
            topic: self.topic.clone(),
            declared: gate.declared,
            retention: gate.log.as_ref().map(|log| log.retention()),
            log: gate.log.as_ref().and_then(|log| log.opened()).map(|log| log.size()),
            subscriptions: gate.targets.len(),
            published: gate.published,
            last_ms: gate.last_ms,
        }
    }

    /// Lets a subscriber that has read the whole log have what comes from now on; `false` where there is
    /// more in the log by now.
    pub(crate) fn join(&self, realm: &RealmState, reader: &Reader, inbox: &Arc<Inbox>) -> bool {
        let _gate: MutexGuard<'_, Gate> = locked(&self.gate);
        let at_the_end = reader.next() == reader.log().next();
        if at_the_end {
            realm.attach(inbox);
        }
        at_the_end
    }
}

impl Gate {
    fn refresh(&mut self, realm: &RealmState, topic: &Topic) {
        let version = realm.version();
        if self.version != version {
            self.targets = realm.targets(topic);
            self.version = version;
        }
    }

    fn count(&mut self, metrics: &Metrics, events: usize, published_ms: i64) {
        self.published += events as u64;
        self.last_ms = Some(published_ms);
        metrics.published.increment(events as u64);
    }

    fn fan_out(&self, run: &Arc<Run>, metrics: &Metrics) -> Option<Arc<Inbox>> {
        let (mut pressed, mut missed) = (None, 0);
        for inbox in &self.targets {
            let pushed = inbox.push(run);
            missed += pushed.missed;
            if pushed.pressed && pressed.is_none() {
                pressed = Some(inbox.clone());
            }
        }
        metrics.delivered.increment((run.len() * self.targets.len()) as u64);
        if missed > 0 {
            metrics.missed.increment(missed);
        }
        pressed
    }
}

/// Puts events on the way through the log; the answer comes when they are on disk.
pub(crate) async fn append(
    realm: &Arc<RealmState>,
    topic: &Arc<TopicState>,
    log: Arc<TopicLog>,
    draft: Draft,
) -> Result<oneshot::Receiver<Result<u64, BusError>>, BusError> {
    log.open().await?;
    match log.hand_in(draft)? {
        Handed::Queued(answer) => Ok(answer),
        Handed::First(answer) => {
            tokio::spawn(commit(realm.clone(), topic.clone(), log));
            Ok(answer)
        }
    }
}

/// Writes what waits for a log, block by block, until nothing waits.
async fn commit(realm: Arc<RealmState>, topic: Arc<TopicState>, log: Arc<TopicLog>) {
    loop {
        let group = log.group();
        if group.is_empty() {
            return;
        }
        let (drafts, answers): (Vec<_>, Vec<_>) =
            group.into_iter().map(|waiting| (waiting.draft, waiting.answer)).unzip();
        let written = {
            let _turn = realm.log_writers.acquire().await;
            write(&log, drafts).await
        };
        match written {
            Ok((first, drafts)) => {
                realm.metrics.commits.increment(1);
                let offsets = topic.written(&realm, &log, first, drafts);
                answers.into_iter().zip(offsets).for_each(|(answer, offset)| {
                    // A publisher that is gone is not told.
                    let _ = answer.send(Ok(offset));
                });
            }
            Err(error) => answers.into_iter().for_each(|answer| {
                let _ = answer.send(Err(error.clone().into()));
            }),
        }
    }
}

async fn write(log: &TopicLog, drafts: Vec<Draft>) -> Result<(u64, Vec<Draft>), crate::log::LogError> {
    let (open, retention) = (log.open().await?, log.retention());
    blocking(Path::new("log"), move || {
        let first = open.append(&drafts, retention)?;
        Ok((first, drafts))
    })
    .await
}

impl TopicState {
    /// Lets readers and subscribers see events that are on disk; says the number of the first of each.
    fn written(&self, realm: &RealmState, log: &TopicLog, first: u64, drafts: Vec<Draft>) -> Vec<u64> {
        let mut gate = locked(&self.gate);
        gate.refresh(realm, &self.topic);
        let (mut next, mut offsets) = (first, Vec::with_capacity(drafts.len()));
        for draft in drafts {
            offsets.push(next);
            let offset = next;
            next += draft.len() as u64;
            gate.count(&realm.metrics, draft.len(), epoch_ms(draft.published_at));
            if !gate.targets.is_empty() {
                let charge = realm.budget.charge_anyway(draft.bytes());
                gate.fan_out(&draft.finish(Some(offset), charge), &realm.metrics);
            }
        }
        if let Some(open) = log.opened() {
            open.advance(next);
        }
        offsets
    }
}
