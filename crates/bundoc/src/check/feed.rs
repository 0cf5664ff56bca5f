//! The change feed of a database: its length, its positions, and that it says of each document what is there.

use super::{Check, Found};
use crate::catalog::Database;
use crate::changes;
use crate::engine::{Change, ChangeKind, ChangePosition};
use crate::error::EngineError;
use crate::layout::{self, Id, Space};
use crate::store::{KeyRange, View};
use std::collections::HashMap;
use xxhash_rust::xxh3::xxh3_64;

/// The last change of each document, as far as the feed reaches back.
pub(super) struct LastChanges {
    floor: ChangePosition,
    /// By collection and id: the commit, and the checksum of the document where it was not removed.
    last: HashMap<(Id, String), (u64, Option<u64>)>,
}

impl LastChanges {
    fn note(&mut self, change: &Change) {
        let (Some(collection), Some(id)) = (change.number, &change.id) else { return };
        let document = match &change.kind {
            ChangeKind::Added(document) | ChangeKind::Modified { after: document, .. } => {
                Some(xxh3_64(document.as_bytes()))
            }
            _ => None,
        };
        self.last.insert((collection, id.as_str().to_owned()), (change.position.commit, document));
    }

    /// Whether the feed says the same as the stored document.
    pub(super) fn agree(&self, collection: Id, found: &Found<'_>) -> Result<(), String> {
        match self.last.get(&(collection, found.id.to_owned())) {
            None if found.version > self.floor.commit => Err("its last change is not in the feed".into()),
            None => Ok(()),
            Some((_, None)) => Err("the feed says that it was removed".into()),
            Some((commit, _)) if *commit != found.version => {
                Err(format!("version {}, but the feed has it at {commit}", found.version))
            }
            Some((_, Some(document))) if *document != xxh3_64(found.document.as_bytes()) => {
                Err("the feed has another document".into())
            }
            Some(_) => Ok(()),
        }
    }

    /// Documents of a collection that the feed has and the store does not.
    pub(super) fn missing(
        &self,
        view: &View<'_>,
        database: Id,
        collection: Id,
    ) -> Result<Vec<&str>, EngineError> {
        let mut missing = Vec::new();
        for ((number, id), (_, document)) in &self.last {
            if *number == collection
                && document.is_some()
                && view.get(Space::Documents, &layout::document(database, collection, id))?.is_none()
            {
                missing.push(id.as_str());
            }
        }
        Ok(missing)
    }
}

impl Check<'_> {
    /// Reads the feed of a database.
    pub(super) fn feed(&mut self, database: &Database) -> Result<LastChanges, EngineError> {
        let state = database.feed();
        let mut changes = LastChanges { floor: state.floor, last: HashMap::new() };
        let mut counted = 0;
        for entry in self.view.ascending(Space::Changes, KeyRange::prefix(&database.id.to_be_bytes())) {
            let (key, value) = entry?;
            let change = changes::decode(&key, &value)?;
            counted += 1;
            if let Some(problem) = self.misplaced(change.position, state.floor) {
                self.report.problem(format!("{}: change at {:?}: {problem}", database.name, change.position));
            }
            changes.note(&change);
        }
        self.report.changes += counted;
        if counted != state.entries {
            self.report.problem(format!(
                "{}: the feed should have {} entries and has {counted}",
                database.name, state.entries
            ));
        }
        Ok(changes)
    }

    /// What is wrong with a position, if anything. Places in a commit that are missing here are in an outbox.
    fn misplaced(&self, position: ChangePosition, floor: ChangePosition) -> Option<&'static str> {
        if position <= floor {
            return Some("it is below the floor");
        }
        (position.commit > self.last_commit).then_some("its commit is later than the last one")
    }
}
