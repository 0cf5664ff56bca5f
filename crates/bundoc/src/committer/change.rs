//! What happens to one document: an update or a replacement, worked out without a look at anything else.

use crate::catalog::Collection;
use crate::document;
use crate::engine::{DocumentId, StoredDocument};
use crate::error::EngineError;
use crate::options::EngineOptions;
use crate::projection::Projection;
use crate::update::{Context, Update};
use bson::{Document, RawDocument, RawDocumentBuf};
use fjall::Slice;
use std::sync::Arc;

/// How a document is changed.
pub(crate) enum Change<'a> {
    Update(Update),
    Replace(&'a RawDocument),
}

impl Change<'_> {
    /// The stored bytes of a document afterwards; `None` where it stays as it is.
    pub(crate) fn apply(
        &self,
        (id, present): (&DocumentId, &RawDocument),
        context: &Context<'_>,
        options: &EngineOptions,
    ) -> Result<Option<Vec<u8>>, EngineError> {
        let stored = match self {
            Self::Replace(given) => replacement(given, id, options)?,
            Self::Update(update) => match update.apply_to(present, context)? {
                Some(new) => document::prepare(&new, id, options)?,
                None => return Ok(None),
            },
        };
        let (_, new) = document::split(&stored)?;
        Ok((new.as_bytes() != present.as_bytes()).then_some(stored))
    }
}

/// A document that is there.
#[derive(Clone, Copy)]
pub(crate) struct Present<'a> {
    pub(crate) collection: &'a Arc<Collection>,
    pub(crate) id: &'a DocumentId,
    pub(crate) stored: &'a Slice,
}

/// A document after a change that may have changed nothing.
pub(crate) struct Outcome {
    pub(crate) stored: Slice,
    pub(crate) is_other: bool,
}

/// The stored bytes of a document that takes the place of another.
pub(super) fn replacement(
    given: &RawDocument,
    id: &DocumentId,
    options: &EngineOptions,
) -> Result<Vec<u8>, EngineError> {
    if document::id_of(given)?.is_some_and(|own| own != *id) {
        return Err(EngineError::InvalidDocument("`_id` in the document is another one".into()));
    }
    document::prepare(given, id, options)
}

/// An updated document as BSON.
pub(crate) fn raw(document: &Document) -> Result<RawDocumentBuf, EngineError> {
    RawDocumentBuf::try_from(document)
        .map_err(|error| EngineError::InvalidUpdate(format!("the result is not valid BSON: {error}")))
}

/// What was written, of a document that is given back.
pub(crate) fn shown(stored: &Slice, fields: &Projection) -> Result<StoredDocument, EngineError> {
    if fields.is_everything() {
        return document::to_stored(stored);
    }
    let (version, document) = document::split(stored)?;
    Ok(StoredDocument { document: fields.apply(document)?, version })
}
