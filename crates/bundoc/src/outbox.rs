//! The outbox on disk and what waits in it. An entry is stored in the commit that notes it and stays until
//! its reader settles it: neither age nor the length of the change feed removes it, so nothing that was
//! committed is left out. That nobody settles is bounded: beyond a number of entries no more are taken.
//!
//! A value is the BSON document `{to, payload, options}`.

use crate::catalog::record::{OUTBOX, join};
use crate::engine::{ChangePosition, DatabaseName, Outbox, OutboxEntry, Outgoing, WriteOp};
use crate::error::{EngineError, Limit};
use crate::layout::{Id, Space};
use crate::options::EngineOptions;
use crate::store::{KeyRange, View};
use bson::{Bson, Document, doc};
use std::collections::HashMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Bytes of the name of a topic or a queue.
const NAME_BYTES_MAX: usize = 255;
/// Bytes of a key before the position.
const PREFIX_BYTES: usize = 6;

fn number(outbox: Outbox) -> u8 {
    match outbox {
        Outbox::Events => 0,
        Outbox::Jobs => 1,
    }
}

/// `o`, database, outbox.
pub(crate) fn prefix(database: Id, outbox: Outbox) -> Vec<u8> {
    join(OUTBOX, &[&database.to_be_bytes(), &[number(outbox)]])
}

/// `o`, database, outbox, commit, index.
pub(crate) fn key(database: Id, outbox: Outbox, position: ChangePosition) -> Vec<u8> {
    let mut key = prefix(database, outbox);
    key.extend_from_slice(&position.commit.to_be_bytes());
    key.extend_from_slice(&position.index.to_be_bytes());
    key
}

/// The keys after a position.
fn after(database: Id, outbox: Outbox, position: ChangePosition) -> KeyRange {
    let all = KeyRange::prefix(&prefix(database, outbox));
    KeyRange { from: Bound::Excluded(key(database, outbox, position)), to: all.to }
}

/// The keys up to and including a position.
pub(crate) fn upto(database: Id, outbox: Outbox, position: ChangePosition) -> KeyRange {
    let all = KeyRange::prefix(&prefix(database, outbox));
    KeyRange { from: all.from, to: Bound::Included(key(database, outbox, position)) }
}

/// An entry before it has a place.
#[derive(Debug, Clone)]
pub(crate) struct Noted {
    pub(crate) outbox: Outbox,
    pub(crate) value: Vec<u8>,
}

/// The entry of `WriteOp::Emit` and `WriteOp::Enqueue`; `None` for other operations.
pub(crate) fn note(operation: &WriteOp, options: &EngineOptions) -> Result<Option<Noted>, EngineError> {
    let (outbox, to, record) = match operation {
        WriteOp::Emit { topic, payload } => {
            (Outbox::Events, topic, doc! {"to": topic, "payload": payload.clone()})
        }
        WriteOp::Enqueue { queue, payload, options } => {
            let record = doc! {"to": queue, "payload": payload.clone(), "options": options.clone()};
            (Outbox::Jobs, queue, record)
        }
        _ => return Ok(None),
    };
    if to.is_empty() || to.len() > NAME_BYTES_MAX || to.chars().any(char::is_control) {
        return Err(EngineError::InvalidName(format!(
            "the name of a topic or a queue has 1 to {NAME_BYTES_MAX} bytes and no control characters"
        )));
    }
    let value = record
        .to_vec()
        .map_err(|error| EngineError::InvalidDocument(format!("the payload is not valid BSON: {error}")))?;
    if value.len() > options.outbox_entry_bytes_max {
        return Err(EngineError::limit(
            Limit::OutboxEntryBytes,
            format!("an event or a job has {} bytes at the most", options.outbox_entry_bytes_max),
        ));
    }
    Ok(Some(Noted { outbox, value }))
}

/// Up to `limit` entries after a place, as many as make a page.
pub(crate) fn read(
    view: &View<'_>,
    (database, outbox): (Id, Outbox),
    (place, limit): (ChangePosition, usize),
    options: &EngineOptions,
) -> Result<Vec<OutboxEntry>, EngineError> {
    let mut bytes = 0;
    let mut found = Vec::new();
    for entry in view.ascending(Space::Catalog, after(database, outbox, place)).take(limit) {
        let (key, value) = entry?;
        bytes += value.len();
        found.push(decode(outbox, &key, &value)?);
        if bytes >= options.find_page_bytes_max {
            break;
        }
    }
    Ok(found)
}

/// The entry under a key.
fn decode(outbox: Outbox, key: &[u8], value: &[u8]) -> Result<OutboxEntry, EngineError> {
    let entry = || {
        let (commit, index) = key.get(PREFIX_BYTES..)?.split_first_chunk::<8>()?;
        let commit = u64::from_be_bytes(*commit);
        let position = ChangePosition { commit, index: u32::from_be_bytes(index.try_into().ok()?) };
        Some(OutboxEntry { position, outgoing: outgoing(outbox, Document::from_reader(value).ok()?)? })
    };
    entry().ok_or_else(|| {
        EngineError::Damaged("an entry of the outbox is damaged: restore the store from a copy".into())
    })
}

fn outgoing(outbox: Outbox, mut record: Document) -> Option<Outgoing> {
    let Some(Bson::String(to)) = record.remove("to") else { return None };
    let payload = record.remove("payload")?;
    match (outbox, record.remove("options")) {
        (Outbox::Events, _) => Some(Outgoing::Event { topic: to, payload }),
        (Outbox::Jobs, Some(Bson::Document(options))) => Some(Outgoing::Job { queue: to, payload, options }),
        (Outbox::Jobs, _) => None,
    }
}

/// Entries of both kinds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    events: u64,
    jobs: u64,
}

impl Counts {
    pub(crate) fn of(self, outbox: Outbox) -> u64 {
        match outbox {
            Outbox::Events => self.events,
            Outbox::Jobs => self.jobs,
        }
    }

    pub(crate) fn of_mut(&mut self, outbox: Outbox) -> &mut u64 {
        match outbox {
            Outbox::Events => &mut self.events,
            Outbox::Jobs => &mut self.jobs,
        }
    }

    pub(crate) fn plus(self, more: Self) -> Self {
        Self { events: self.events + more.events, jobs: self.jobs + more.jobs }
    }

    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// How much waits, by database, and a wake-up when more comes.
#[derive(Default)]
pub(crate) struct Outboxes {
    waiting: Mutex<HashMap<DatabaseName, Counts>>,
    added: watch::Sender<u64>,
}

impl Outboxes {
    pub(crate) fn counts(&self, database: &DatabaseName) -> Counts {
        self.lock().get(database).copied().unwrap_or_default()
    }

    /// Databases with entries, in no order.
    pub(crate) fn waiting(&self, outbox: Outbox) -> Vec<DatabaseName> {
        let waiting = self.lock();
        let some = waiting.iter().filter(|(_, counts)| counts.of(outbox) > 0);
        some.map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.added.subscribe()
    }

    /// Counts what a commit that is in the store added.
    pub(crate) fn add(&self, database: &DatabaseName, more: Counts, commit: u64) {
        if more.is_empty() {
            return;
        }
        let mut waiting = self.lock();
        let counts = waiting.entry(database.clone()).or_default();
        *counts = counts.plus(more);
        drop(waiting);
        self.added.send_replace(commit);
    }

    /// Counts what was settled.
    pub(crate) fn remove(&self, database: &DatabaseName, outbox: Outbox, settled: u64) {
        let mut waiting = self.lock();
        if let Some(counts) = waiting.get_mut(database) {
            let count = counts.of_mut(outbox);
            *count = count.saturating_sub(settled);
            if counts.is_empty() {
                waiting.remove(database);
            }
        }
    }

    /// Forgets a database.
    pub(crate) fn forget(&self, database: &DatabaseName) {
        self.lock().remove(database);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DatabaseName, Counts>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_survive_being_stored() {
        let (payload, options) = (Bson::String("x".into()), doc! {"delay_ms": 5});
        let job = WriteOp::Enqueue { queue: "q".into(), payload: payload.clone(), options: options.clone() };
        let noted = note(&job, &EngineOptions::default()).unwrap().unwrap();
        let position = ChangePosition { commit: 7, index: 2 };
        let entry = decode(noted.outbox, &key(3, noted.outbox, position), &noted.value).unwrap();
        let outgoing = Outgoing::Job { queue: "q".into(), payload, options };
        assert_eq!(entry, OutboxEntry { position, outgoing });
        assert!(decode(Outbox::Jobs, &key(3, Outbox::Jobs, position), &noted.value[..8]).is_err());
    }

    #[test]
    fn names_and_sizes_are_checked() {
        let emit = |topic: &str, length: usize| WriteOp::Emit {
            topic: topic.into(),
            payload: Bson::String("x".repeat(length)),
        };
        let options = EngineOptions { outbox_entry_bytes_max: 100, ..EngineOptions::default() };
        note(&emit("a.b", 10), &options).unwrap();
        assert!(matches!(note(&emit("", 1), &options), Err(EngineError::InvalidName(_))));
        assert!(matches!(note(&emit("a\n", 1), &options), Err(EngineError::InvalidName(_))));
        assert!(matches!(note(&emit("a", 100), &options), Err(EngineError::LimitExceeded { .. })));
    }
}
