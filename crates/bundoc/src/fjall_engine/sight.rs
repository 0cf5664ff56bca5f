//! What a ruled actor may see of a change, by the rules and the documents as they are now.

use crate::catalog::Database;
use crate::engine::{Actor, ChangeKind, CollectionName, DocumentId, Sight};
use crate::error::EngineError;
use crate::layout::{self, Space};
use crate::rules::{CompiledRules, Documents, Lookup, Lookups, Method};
use crate::store::Store;
use bson::{RawDocument, RawDocumentBuf};
use fjall::Slice;

/// The newest committed state of a database, for the look-ups of rules.
pub(super) struct LatestState<'a> {
    pub(super) store: &'a Store,
    pub(super) database: &'a Database,
}

impl Lookup for LatestState<'_> {
    fn document(&self, collection: &CollectionName, id: &DocumentId) -> Result<Option<Slice>, EngineError> {
        let Some(collection) = self.database.collection(collection) else { return Ok(None) };
        self.store.get(Space::Documents, &layout::document(self.database.id, collection.id, id.as_str()))
    }
}

/// What a ruled actor may see of a change in a collection.
pub(super) fn sight(rules: &CompiledRules, kind: &ChangeKind, actor: &Actor, lookups: &Lookups<'_>) -> Sight {
    let allows = |documents: Documents<'_>| {
        rules.allow(actor, Method::List, documents, lookups).unwrap_or_else(|error| {
            tracing::error!(%error, "a rule could not look up a document and denies");
            false
        })
    };
    let sees = |document: &RawDocument| allows(Documents { present: Some(document), new: None });
    // Without the document only a rule that does not look at it can tell.
    let saw = |before: &Option<RawDocumentBuf>| match before {
        Some(before) => sees(before),
        None => !rules.listing_looks_at_documents() && allows(Documents::default()),
    };
    match kind {
        ChangeKind::Added(after) => Sight { before: false, after: sees(after) },
        ChangeKind::Modified { before, after } => Sight { before: saw(before), after: sees(after) },
        ChangeKind::Removed { before } => Sight { before: saw(before), after: false },
        ChangeKind::Dropped | ChangeKind::RulesReplaced => Sight { before: true, after: true },
    }
}
