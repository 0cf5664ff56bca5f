//! What the rules of a search looked up. A document that matches may only be missed because of what changed
//! since: itself, which the committer looks at anyway, or one of these; then the search has to run again.

use crate::engine::{CollectionName, DocumentId};
use crate::error::EngineError;
use crate::find::Seen;
use crate::history::Changed;
use crate::rules::Lookup;
use bson::DateTime;
use fjall::Slice;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Documents that are told apart; beyond, every change counts.
const DOCUMENTS_MAX: usize = 10_000;

/// Documents that were looked up, those that are missing too.
#[derive(Debug, Default)]
pub(crate) struct LookedUp {
    documents: HashSet<(CollectionName, DocumentId)>,
    are_too_many: bool,
}

impl LookedUp {
    fn add(&mut self, collection: &CollectionName, id: &DocumentId) {
        if self.documents.len() < DOCUMENTS_MAX {
            self.documents.insert((collection.clone(), id.clone()));
        } else {
            self.are_too_many = true;
        }
    }

    /// Whether a change is one of what was looked up.
    pub(crate) fn has(&self, changed: &Changed) -> bool {
        // Most searches look nothing up.
        !self.documents.is_empty()
            && (self.are_too_many
                || self.documents.contains(&(changed.collection.name.clone(), changed.id.clone())))
    }
}

/// Looks documents up in a snapshot, at one time, and remembers which.
pub(super) struct Noting<'a> {
    seen: &'a Seen<'a>,
    now: DateTime,
    looked_up: Mutex<LookedUp>,
}

impl<'a> Noting<'a> {
    pub(super) fn new(seen: &'a Seen<'a>, now: DateTime) -> Self {
        Self { seen, now, looked_up: Mutex::default() }
    }

    pub(super) fn into_looked_up(self) -> LookedUp {
        self.looked_up.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lookup for Noting<'_> {
    fn document(&self, collection: &CollectionName, id: &DocumentId) -> Result<Option<Slice>, EngineError> {
        self.looked_up.lock().unwrap_or_else(PoisonError::into_inner).add(collection, id);
        self.seen.document(collection, id)
    }

    fn time_ms(&self) -> i64 {
        self.now.timestamp_millis()
    }
}
