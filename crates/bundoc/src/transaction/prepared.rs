//! A transaction on its way to the committer: what it changes in the end, and what must not have changed.

use super::FjallTransaction;
use super::reads::ReadSet;
use crate::catalog::Database;
use crate::committer::Shared;
use crate::engine::CollectionName;
use crate::error::EngineError;
use crate::history::{Changed, Hold};
use crate::outbox::Noted;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

/// A transaction that wants to commit.
pub(crate) struct Prepared {
    known: Option<Arc<Database>>,
    reads: ReadSet,
    /// What was committed up to here is known not to be in the way.
    since: u64,
    begun: Instant,
    _hold: Hold,
    /// One change for each document that is other than it was in the snapshot.
    pub(crate) changed: Vec<Changed>,
    pub(crate) outgoing: Vec<Noted>,
}

impl FjallTransaction {
    /// Makes it ready: compares with what was committed so far, so that only the rest is left to do for the
    /// committer. `None` where nothing is to be written after all.
    pub(super) fn prepare(self: Box<Self>) -> Result<Option<Box<Prepared>>, EngineError> {
        let this = *self;
        let shared = Arc::clone(&this.requests.shared);
        let changed = net(this.own.changed);
        if changed.is_empty() && this.own.outgoing.is_empty() {
            return Ok(None);
        }
        let mut prepared = Prepared {
            known: this.known,
            reads: this.reads.into_inner().unwrap_or_else(PoisonError::into_inner),
            since: this.since,
            begun: this.begun,
            _hold: this.hold,
            changed,
            outgoing: this.own.outgoing,
        };
        match prepared.compare(&shared, &this.name) {
            Ok(since) => prepared.since = since,
            Err(error) => {
                if matches!(error, EngineError::TransactionConflict) {
                    shared.history.count_conflict();
                }
                return Err(error);
            }
        }
        Ok(Some(Box::new(prepared)))
    }
}

/// What all changes of a transaction come to, in the order in which documents were first changed.
fn net(changes: Vec<Changed>) -> Vec<Changed> {
    let mut places = HashMap::new();
    let mut net: Vec<Changed> = Vec::new();
    for change in changes {
        match places.entry((change.collection.id, change.id.clone())) {
            Entry::Vacant(place) => {
                place.insert(net.len());
                net.push(change);
            }
            Entry::Occupied(place) => net[*place.get()].after = change.after,
        }
    }
    net.retain(|change| change.before.is_some() || change.after.is_some());
    net
}

impl Prepared {
    /// Collections that its commit creates.
    pub(crate) fn created(&self) -> impl Iterator<Item = &CollectionName> {
        let names = self.changed.iter().map(|change| &change.collection.name);
        names.filter(|name| self.reads.was_missing(name))
    }

    /// Whether the transaction may commit to the newest state: definitions are the same, and nothing that
    /// it read was changed, in earlier groups or, so far, in this one.
    pub(crate) fn validate(
        &self,
        shared: &Shared,
        database: &Arc<Database>,
        earlier: &[Changed],
    ) -> Result<(), EngineError> {
        if self.begun.elapsed() > shared.options.transaction_age_max {
            return Err(EngineError::TransactionExpired);
        }
        let same = match &self.known {
            Some(known) => Arc::ptr_eq(known, database),
            None => shared.catalog.database(&database.name).is_none(),
        };
        if !same || !self.reads.is_current(database) {
            return Err(EngineError::TransactionConflict);
        }
        self.compare(shared, &database.name)?;
        if !self.is_unchecked(shared) && earlier.iter().any(|changed| self.reads.is_met_by(changed)) {
            return Err(EngineError::TransactionConflict);
        }
        Ok(())
    }

    /// Compares with the history, and returns the last commit in it.
    fn compare(&self, shared: &Shared, database: &crate::engine::DatabaseName) -> Result<u64, EngineError> {
        if self.is_unchecked(shared) {
            return Ok(self.since);
        }
        let mut last = self.since;
        for group in shared.history.since(database, self.since)? {
            for changed in group.iter().filter(|changed| changed.commit > self.since) {
                if self.reads.is_met_by(changed) {
                    return Err(EngineError::TransactionConflict);
                }
                last = last.max(changed.commit);
            }
        }
        Ok(last)
    }

    /// Whether tests want to see what happens without validation.
    #[cfg(test)]
    pub(crate) fn is_unchecked(&self, shared: &Shared) -> bool {
        shared.unchecked.load(std::sync::atomic::Ordering::Relaxed)
    }

    #[cfg(not(test))]
    pub(crate) fn is_unchecked(&self, _shared: &Shared) -> bool {
        false
    }
}
