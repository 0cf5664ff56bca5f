//! Writes by a filter on the newest state: what is done to the documents that they are about.

use super::change::{Change, Outcome, raw, shown};
use super::search::{Found, Matched};
use super::writer::Writer;
use crate::catalog::Collection;
use crate::document;
use crate::engine::{DocumentId, FindAndModify, Modification, Precondition, Returning, WriteOp, Written};
use crate::error::{EngineError, Limit};
use crate::matching::{After, Draft, Selection};
use crate::projection::Projection;
use crate::query::Query;
use crate::update::{Update, fields_of};
use bson::{Bson, Document, RawDocument};
use fjall::Slice;
use std::sync::Arc;

impl Writer<'_, '_> {
    /// Does one operation with a filter.
    pub(super) fn matching(
        &mut self,
        collection: &Arc<Collection>,
        operation: &WriteOp,
        selection: Option<&Selection>,
    ) -> Result<Written, EngineError> {
        match operation {
            WriteOp::UpdateMatching { filter, change, upsert, .. } => {
                let change = update_by_filter(change)?;
                let matched = self.search(collection, operation, selection)?;
                if matched.documents.is_empty() && *upsert {
                    let (id, _) = self.upsert(collection, &change, (&matched.query, filter))?;
                    return Ok(Written::Updated { matched: 0, modified: 0, upserted_id: Some(id) });
                }
                self.update_all(collection, &change, &matched)
            }
            WriteOp::DeleteMatching { .. } => {
                let matched = self.search(collection, operation, selection)?;
                for found in &matched.documents {
                    self.take_bytes(found.stored.len())?;
                    match found.draft {
                        Some(draft) => drop(self.apply_draft(collection, &matched, (found, draft))?),
                        None => self.remove(found.present(collection), Precondition::Any)?,
                    }
                }
                Ok(Written::Deleted(matched.documents.len() as u64))
            }
            WriteOp::FindAndModify(asked) => {
                let change = modification(&asked.change)?;
                let matched = self.search(collection, operation, selection)?;
                self.find_and_modify(collection, asked, (change.as_ref(), &matched)).map(Written::Found)
            }
            _ => Err(EngineError::InvalidQuery("the operation has no filter".into())),
        }
    }

    fn update_all(
        &mut self,
        collection: &Arc<Collection>,
        change: &Change<'_>,
        matched: &Matched<'_>,
    ) -> Result<Written, EngineError> {
        let mut modified = 0;
        for found in &matched.documents {
            let outcome = match found.draft {
                Some(draft) => self.apply_draft(collection, matched, (found, draft))?,
                None => {
                    let filter = Some(&matched.query.filter);
                    self.change(found.present(collection), change, filter, Precondition::Any)?
                }
            };
            self.take_bytes(found.stored.len() + outcome.stored.len())?;
            modified += u64::from(outcome.is_other);
        }
        Ok(Written::Updated { matched: matched.documents.len() as u64, modified, upserted_id: None })
    }

    /// Does what was worked out for a document that is still the same.
    fn apply_draft(
        &mut self,
        collection: &Arc<Collection>,
        matched: &Matched<'_>,
        (found, draft): (&Found<'_>, &Draft),
    ) -> Result<Outcome, EngineError> {
        let Found { id, stored, .. } = found;
        let indexes = (collection, &self.database.groups());
        let moves = matched.drafts.and_then(|drafts| drafts.moves(draft, indexes));
        match (&draft.after, moves) {
            (After::Same, _) => Ok(Outcome { stored: stored.clone(), is_other: false }),
            (After::Changed(new), Some(moves)) => {
                self.index_as_drafted(collection, id, moves)?;
                let stored = self.store(collection, id, Some(stored), new.clone());
                Ok(Outcome { stored, is_other: true })
            }
            (After::Changed(new), None) => {
                let stored = self.put(collection, id, Some(stored), new.clone())?;
                Ok(Outcome { stored, is_other: true })
            }
            (After::Removed, Some(moves)) => {
                self.index_as_drafted(collection, id, moves)?;
                self.erase(found.present(collection));
                Ok(Outcome { stored: stored.clone(), is_other: true })
            }
            (After::Removed, None) => {
                self.take_out(found.present(collection))?;
                Ok(Outcome { stored: stored.clone(), is_other: true })
            }
        }
    }

    fn find_and_modify(
        &mut self,
        collection: &Arc<Collection>,
        asked: &FindAndModify,
        (change, Matched { query, documents, .. }): (Option<&Change<'_>>, &Matched<'_>),
    ) -> Result<Option<crate::engine::StoredDocument>, EngineError> {
        let fields = Projection::parse(&asked.fields)?;
        let Some(found) = documents.first() else {
            let Some(change) = change.filter(|_| asked.upsert) else { return Ok(None) };
            let (_, stored) = self.upsert(collection, change, (query, &asked.filter))?;
            let after = asked.returning == Returning::After;
            return after.then(|| shown(&stored, &fields)).transpose();
        };
        let (present, stored) = (found.present(collection), &found.stored);
        let Some(change) = change else {
            self.remove(present, Precondition::Any)?;
            return shown(stored, &fields).map(Some);
        };
        let Outcome { stored: after, .. } =
            self.change(present, change, Some(&query.filter), Precondition::Any)?;
        let given = if asked.returning == Returning::After { &after } else { stored };
        shown(given, &fields).map(Some)
    }

    /// Creates the document that a filter did not find.
    fn upsert(
        &mut self,
        collection: &Arc<Collection>,
        change: &Change<'_>,
        (query, filter): (&Query, &Document),
    ) -> Result<(DocumentId, Slice), EngineError> {
        let new = match change {
            Change::Update(update) => raw(&update.on_insert(&query.filter, self.now)?)?,
            Change::Replace(given) => (*given).to_owned(),
        };
        let id = match document::id_of(&new)? {
            Some(id) => Some(id),
            None => id_in(filter, &fields_of(&query.filter)?)?,
        };
        self.create(collection, id, &new)
    }

    /// Counts bytes that operations with a filter touch, as those of a batch are counted.
    fn take_bytes(&mut self, bytes: usize) -> Result<(), EngineError> {
        self.done.matching_bytes += bytes;
        let most = self.shared.options.batch_bytes_max.saturating_mul(2);
        if self.done.matching_bytes > most && self.done.effects.len() > 1 {
            return Err(EngineError::limit(
                Limit::MatchingBytes,
                format!(
                    "the filter matches documents that have, before and after, more than {most} bytes together: \
                 split the work by ranges of `_id` or of another field"
                ),
            ));
        }
        Ok(())
    }
}

/// `None` is a removal.
pub(super) fn modification(change: &Modification) -> Result<Option<Change<'_>>, EngineError> {
    match change {
        Modification::Update(spec) => Update::parse(spec).map(|update| Some(Change::Update(update))),
        Modification::Replace(document) => Ok(Some(Change::Replace(document as &RawDocument))),
        Modification::Remove => Ok(None),
    }
}

pub(crate) fn update_by_filter(change: &Modification) -> Result<Change<'_>, EngineError> {
    let removal = || EngineError::InvalidUpdate("an update by a filter removes nothing".into());
    modification(change)?.ok_or_else(removal)
}

/// The id that a filter asks for.
fn id_in(filter: &Document, fixed: &Document) -> Result<Option<DocumentId>, EngineError> {
    match fixed.get("_id") {
        None => Ok(None),
        Some(Bson::String(id)) => DocumentId::parse(id).map(Some),
        Some(_) => Err(EngineError::InvalidDocument(format!(
            "`_id` is a string, which the filter {filter} does not make it"
        ))),
    }
}
